import { expect, test } from 'vitest'
import { readStepLog, StepLog, type LogLine } from '#core/runs'
import { createMemoryStore, type ObjectStore } from '#core/storage'

const at = { run: 'r-1', node: 'embed' }
const log = (store: ObjectStore, attempt = 1, maxBytes?: number): StepLog =>
  new StepLog({ store, ...at, attempt, flushMs: 60_000, ...(maxBytes ? { maxBytes } : {}) })
const say = (to: StepLog, text: string): void => to.write({ level: 'info', text })
const texts = (lines: readonly LogLine[]): string[] => lines.map(({ text }) => text)
const keysOf = async (store: ObjectStore): Promise<string[]> => {
  const keys: string[] = []
  for await (const { key } of store.list('runs/')) keys.push(key)
  return keys
}

test('a step that says nothing leaves nothing', async () => {
  const store = createMemoryStore()
  await log(store).close()
  expect(await keysOf(store)).toEqual([])
  expect(await readStepLog(store, at.run, at.node)).toEqual({ lines: [], next: 0 })
})

test('lines are kept with their time, level and attempt, in one part when they come together', async () => {
  const store = createMemoryStore()
  const first = log(store, 2)
  first.write({ level: 'warn', text: 'the source has 3 broken images' })
  say(first, 'done')
  await first.close()
  const { lines, next } = await readStepLog(store, at.run, at.node)
  expect(lines).toMatchObject([
    { level: 'warn', text: 'the source has 3 broken images', attempt: 2 },
    { level: 'info', text: 'done', attempt: 2 },
  ])
  expect(Date.parse(lines[0]!.at)).toBeGreaterThan(0)
  expect(next).toBe(1)
  expect(await keysOf(store)).toEqual(['runs/r-1/logs/embed/000001.jsonl'])
})

test('a part is written as soon as 64 KiB wait, and a reader goes on after the last part it saw', async () => {
  const store = createMemoryStore()
  const speaker = log(store)
  for (let line = 0; line < 40; line += 1) say(speaker, `${line} ${'x'.repeat(4_000)}`)
  const begun = await eventually(
    () => readStepLog(store, at.run, at.node),
    ({ next }) => next === 2,
  )
  expect(begun.lines.length).toBeLessThan(40)
  await speaker.close()
  const rest = await readStepLog(store, at.run, at.node, begun.next)
  expect(texts([...begun.lines, ...rest.lines]).map((text) => Number(text.split(' ')[0]))).toEqual(
    Array.from({ length: 40 }, (_, line) => line),
  )
  expect(await readStepLog(store, at.run, at.node, rest.next)).toEqual({ lines: [], next: rest.next })
})

test('attempts that speak at the same time share one log, and no line is lost', async () => {
  const store = createMemoryStore()
  const speakers = [1, 2, 3].map((attempt) => log(store, attempt))
  for (const round of [1, 2]) {
    for (const [index, speaker] of speakers.entries()) say(speaker, `${index + 1}.${round}`)
    await Promise.all(speakers.map((speaker) => speaker.close()))
  }
  const { lines, next } = await readStepLog(store, at.run, at.node)
  expect(texts(lines).sort()).toEqual(['1.1', '1.2', '2.1', '2.2', '3.1', '3.2'])
  expect(next).toBe(6)
})

test('a log that is full says so in its last line and takes nothing more, from whichever attempt', async () => {
  const store = createMemoryStore()
  const first = log(store, 1, 300)
  for (const text of ['a', 'b', 'c']) {
    say(first, text.repeat(100))
    await first.close()
  }
  const second = log(store, 2, 300)
  say(second, 'again')
  await second.close()
  expect(texts((await readStepLog(store, at.run, at.node)).lines)).toEqual([
    'a'.repeat(100),
    'b'.repeat(100),
    'The log of this step ends here: it has reached the most that is kept.',
  ])
})

test('a line of more than 8 KiB is cut, and says so', async () => {
  const store = createMemoryStore()
  const speaker = log(store)
  say(speaker, 'x'.repeat(9_000))
  await speaker.close()
  const [line] = (await readStepLog(store, at.run, at.node)).lines
  expect(line?.text).toBe(`${'x'.repeat(8_192)} … (cut)`)
})

test('a store that is away costs lines, never the step', async () => {
  const store = createMemoryStore()
  const away = { ...store, create: () => Promise.reject(new Error('the store is away')) }
  const speaker = log(away)
  say(speaker, 'lost')
  await expect(speaker.close()).resolves.toBeUndefined()
})

test('a long log is read in pages of about a mebibyte', async () => {
  const store = createMemoryStore()
  const speaker = log(store)
  for (let line = 0; line < 400; line += 1) say(speaker, 'x'.repeat(8_000))
  await speaker.close()
  let after = 0
  const counts: number[] = []
  for (;;) {
    const { lines, next } = await readStepLog(store, at.run, at.node, after)
    if (next === after) break
    counts.push(lines.length)
    after = next
  }
  expect(counts.length).toBe(3)
  expect(counts.reduce((sum, n) => sum + n)).toBe(400)
})

async function eventually<T>(look: () => Promise<T>, isThere: (found: T) => boolean): Promise<T> {
  for (;;) {
    const found = await look()
    if (isThere(found)) return found
  }
}
