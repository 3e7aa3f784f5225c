import { describe, expect, it } from 'vitest'
import { computeOnce } from '#core/reuse'
import { acquireLease, createMemoryStore, type ObjectStore } from '#core/storage'

const key = 'a'.repeat(64)

function caller(store: ObjectStore, run: string, body: () => Promise<number>, alone = false) {
  const background: Promise<unknown>[] = []
  const told: string[] = []
  const abort = new AbortController()
  const hooks = {
    signal: abort.signal,
    onProgress: ({ waiting }: { readonly waiting: string }) => void told.push(waiting),
  }
  const ports = { store, alone, later: (work: Promise<unknown>) => void background.push(work) }
  const result = computeOnce(ports, { key, run, node: 'n' }, hooks, body)
  return { result, told, abort, settled: () => Promise.all(background) }
}

/** A body that a test ends. */
function held(): { body: () => Promise<number>; started: Promise<void>; end(value: number | Error): void } {
  let start!: () => void
  let end!: (value: number | Error) => void
  const started = new Promise<void>((resolve) => (start = resolve))
  const value = new Promise<number>((resolve, reject) => {
    end = (given) => (given instanceof Error ? reject(given) : resolve(given))
  })
  return { body: () => (start(), value), started, end }
}

const never = (): Promise<number> => Promise.reject(new Error('computed twice'))

/** The same objects as another process sees them; tells what it creates. */
function seenFromElsewhere(store: ObjectStore, onCreate: (key: string) => void = () => undefined): ObjectStore {
  return new Proxy(store, {
    get: (target, name: keyof ObjectStore) => {
      const value: unknown = target[name]
      if (typeof value !== 'function') return value
      return (...given: readonly unknown[]): unknown => {
        if (name === 'create') onCreate(given[0] as string)
        return Reflect.apply(value, target, given)
      }
    },
  })
}

describe('equal steps at the same time', () => {
  it('compute once in one process, and say for whom they wait', async () => {
    const store = createMemoryStore()
    const work = held()
    const first = caller(store, 'one', work.body)
    await work.started
    const others = [caller(store, 'two', never), caller(store, 'three', never)]
    work.end(7)
    expect(await first.result).toEqual({ by: 'us', output: 7 })
    for (const other of others) {
      expect(await other.result).toEqual({ by: 'other', entry: { output: 7, run: 'one', node: 'n' } })
      expect(other.told[0]).toBe('run one computes the same step')
    }
  })

  it('compute once across processes', async () => {
    const store = createMemoryStore()
    const work = held()
    const first = caller(store, 'one', work.body)
    await work.started
    const other = caller(seenFromElsewhere(store), 'two', never)
    await expect.poll(() => other.told).toContain('run one computes the same step')
    work.end(7)
    await first.result
    expect(await other.result).toMatchObject({ by: 'other', entry: { run: 'one' } })
  })

  it('let the next compute when one fails', async () => {
    const store = createMemoryStore()
    const work = held()
    const first = caller(store, 'one', work.body)
    await work.started
    const second = caller(store, 'two', async () => 8)
    work.end(new Error('out of memory'))
    await expect(first.result).rejects.toThrow('out of memory')
    expect(await second.result).toEqual({ by: 'us', output: 8 })
  })

  it('stop waiting when they are cancelled', async () => {
    const store = createMemoryStore()
    await acquireLease(store, `claims/${key}`, { holder: 'elsewhere', ttlMs: 60_000 })
    const waiting = caller(store, 'two', never)
    await expect.poll(() => waiting.told).toEqual(['run elsewhere computes the same step'])
    waiting.abort.abort(new Error('cancelled'))
    await expect(waiting.result).rejects.toThrow('cancelled')
  })

  it('leave nothing behind, and write one object more than the step itself', async () => {
    const store = createMemoryStore()
    const created: string[] = []
    const counting = seenFromElsewhere(store, (object) => created.push(object))
    const one = caller(counting, 'one', async () => 1)
    await one.result
    await one.settled()
    expect(created).toEqual([`leases/claims/${key}/0000000001.json`, `cache/steps/aa/${key}.json`])
    for await (const { key: left } of store.list('leases/')) expect.unreachable(left)
  })

  it('cost no write where one process carries out all steps', async () => {
    const created: string[] = []
    const counting = seenFromElsewhere(createMemoryStore(), (object) => created.push(object))
    const one = caller(counting, 'one', async () => 1, true)
    const two = caller(counting, 'two', never, true)
    expect(await two.result).toMatchObject({ by: 'other', entry: { output: 1, run: 'one' } })
    await one.settled()
    expect(created).toEqual([`cache/steps/aa/${key}.json`])
  })
})
