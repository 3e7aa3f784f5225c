/** Clocks of hosts that disagree, where the random suite cannot reach: claims across processes go by the time of day. */

import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { computeOnce, lookUp } from '#core/reuse'
import { createMemoryStore, type ObjectStore } from '#core/storage'

const HOUR_MS = 3_600_000
const key = 'c'.repeat(64)

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }))
afterEach(() => void vi.useRealTimers())

/** The same objects as another process has them. */
function seenFromElsewhere(store: ObjectStore): ObjectStore {
  return new Proxy(store, {
    get: (target, name: keyof ObjectStore) => {
      const value: unknown = target[name]
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

function claimant(store: ObjectStore, run: string) {
  const background: Promise<unknown>[] = []
  const ports = { store, alone: false, later: (work: Promise<unknown>) => void background.push(work) }
  const hooks = { signal: new AbortController().signal, onProgress: () => undefined }
  return {
    compute: (body: () => Promise<string>) => computeOnce(ports, { key, run, node: 'n' }, hooks, body),
    settled: () => Promise.all(background),
  }
}

it('a clock that jumps an hour ahead costs a second execution, and one result stands', async () => {
  const store = createMemoryStore()
  let end!: (output: string) => void
  let begin!: () => void
  const begun = new Promise<void>((resolve) => (begin = resolve))
  const output = new Promise<string>((resolve) => (end = resolve))
  const slow = claimant(store, 'slow')
  const first = slow.compute(() => (begin(), output))
  await begun

  vi.setSystemTime(Date.now() + HOUR_MS)
  const ahead = claimant(seenFromElsewhere(store), 'ahead')
  expect(await ahead.compute(() => Promise.resolve('second'))).toEqual({ by: 'us', output: 'second' })
  await ahead.settled()
  end('first')
  await Promise.all([first, slow.settled()])

  expect(await lookUp(store, key)).toMatchObject({ output: 'second', run: 'ahead' })
})
