import { tmpdir } from 'node:os'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { collectGarbage, setPolicy, type Collection } from '#core/retention'
import { blobKey, canonicalJson, createMemoryStore, movePointer, putBlob, type ObjectStore } from '#core/storage'
import { Interleaving } from '../../support/interleaving.ts'

/** Some seconds' worth; thousands were tried when the rules were made. */
const RUNS = 100
const bytes = (text: string) => Buffer.from(text)
const json = (value: unknown) => bytes(canonicalJson(value))

/** Records in this model name blobs, versions name blobs, refs name versions. */
async function namedButMissing(store: ObjectStore): Promise<string[]> {
  const missing: string[] = []
  for await (const { key } of store.list('')) {
    if (/^(gc|leases|blobs)\/|^trash\/(blobs|verdicts)\//.test(key)) continue
    const text = Buffer.from(await store.get(key)).toString()
    if (/^datasets\/parts\/refs\//.test(key)) {
      if (!(await isNewest(store, key))) continue
      const { version } = (JSON.parse(text) as { value: { version: string } }).value
      const places = [`datasets/parts/versions/${version}.json`, `trash/versions/parts/${version}.json`]
      if (!(await store.head(places[0]!)) && !(await store.head(places[1]!))) missing.push(`${key} → ${version}`)
    } else
      for (const [, sha256] of text.matchAll(/"sha256":"([0-9a-f]{64})"/g))
        if (!(await store.head(blobKey(sha256!)))) missing.push(`${key} → ${sha256}`)
  }
  return missing
}

async function isNewest(store: ObjectStore, key: string): Promise<boolean> {
  let last = ''
  for await (const found of store.list(key.slice(0, key.lastIndexOf('/') + 1))) last = found.key
  return last === key
}

/** A run in flight: it says so first, and ends last. */
async function asRun(store: ObjectStore, run: string, work: () => Promise<void>): Promise<void> {
  const at = new Date().toISOString()
  await store.create(`runs/${run}/plan.json`, json({ run, startedAt: at }))
  await store.create(`runs/${run}/g0001/opened.json`, json({ by: 'test', at }))
  await work()
  await store.create(`runs/${run}/g0001/outcome.json`, json({ status: 'completed', nodes: [], endedAt: at }))
}

/** Stores some of few possible contents, so that writers often find them stored, and names them at the end. */
function namesBlobs(store: ObjectStore, run: string, contents: readonly number[]): Promise<void> {
  return asRun(store, run, async () => {
    const blobs = []
    for (const content of contents) blobs.push(await putBlob(store, bytes(`content ${content}`)))
    const list = await putBlob(store, json({ kind: 'list', blobs }))
    await store.create(`unheard-of/${run}.json`, json({ list }))
  })
}

/** Makes a version of a dataset of a few contents, and moves `latest` to it. */
function commits(store: ObjectStore, run: string, contents: readonly number[]): Promise<void> {
  return asRun(store, run, async () => {
    const blobs = []
    for (const content of contents) blobs.push(await putBlob(store, bytes(`pack ${content}`)))
    const version = contents
      .map((content) => content.toString(16))
      .join('')
      .padStart(64, 'e')
    await store.create(`datasets/parts/versions/${version}.json`, json({ dataset: 'parts', version, facts: blobs }))
    await movePointer(store, 'datasets/parts/refs/latest', { version, images: 1, note: '' }, { by: run })
  })
}

/** Finds some version in the list, as a person does, and tags it. */
function tags(store: ObjectStore, run: string, pick: number): Promise<void> {
  return asRun(store, run, async () => {
    const versions: string[] = []
    for await (const { key } of store.list('datasets/parts/versions/')) versions.push(key.split('/')[3]!.slice(0, 64))
    const version = versions[pick % Math.max(1, versions.length)]
    if (version)
      await movePointer(store, `datasets/parts/refs/tag-${run}`, { version, images: 1, note: '' }, { by: run })
  })
}

function act(store: ObjectStore, run: string, arrived: Arrival): Promise<void> {
  if (arrived.kind === 'write') return namesBlobs(store, run, arrived.contents)
  if (arrived.kind === 'commit') return commits(store, run, arrived.contents)
  return arrived.kind === 'tag' ? tags(store, run, arrived.pick) : forgets(store, arrived.pick)
}

/** Whatever forgets a record: a cache entry, a capture, a tag that moves on. */
async function forgets(store: ObjectStore, pick: number): Promise<void> {
  const keys: string[] = []
  for await (const { key } of store.list('unheard-of/')) keys.push(key)
  const key = keys[pick % Math.max(1, keys.length)]
  if (key) await store.delete(key)
}

const collect = (store: ObjectStore) => collectGarbage({ store, by: 'test', scratchDir: tmpdir() })

const contents = fc.array(fc.nat(3), { minLength: 1, maxLength: 2 })
/** Many stores are made of calls that sleep for days between finding a blob and naming it. */
const nap = fc.option(
  fc.record({ beforeCall: fc.integer({ min: 2, max: 14 }), nights: fc.integer({ min: 1, max: 4 }) }),
)
const arrival = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('write' as const), contents, nap }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('commit' as const), contents, nap }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('tag' as const), pick: fc.nat(9), nap }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('forget' as const), pick: fc.nat(9), nap: fc.constant(null) }),
  },
)
type Arrival = typeof arrival extends fc.Arbitrary<infer T> ? T : never

/** Some begin something while a collector is at work; so many calls take place; somebody may die; time goes on. */
const epoch = fc.record({
  arrivals: fc.array(arrival, { maxLength: 3 }),
  collects: fc.constantFrom(true, true, false),
  turns: fc.oneof(fc.nat(60), fc.nat(400)),
  seed: fc.nat(),
  killed: fc.oneof(
    { weight: 8, arbitrary: fc.constant(null) },
    { weight: 3, arbitrary: fc.constant('collector' as const) },
    { weight: 1, arbitrary: fc.constant('newest' as const) },
  ),
  finishes: fc.constantFrom(true, true, false),
  hours: fc.constantFrom(1, 30, 24 * 8, 24 * 8, 24 * 8),
})

describe('garbage collection among writers', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2026-01-01') }))
  afterEach(() => void vi.useRealTimers())

  it('G1: never removes what a record names, in whatever order writers and collectors act and die', async () => {
    const gone = { blobs: 0, trashed: 0, versions: 0, rescued: 0 }
    const collected = ({ removed, rescued, versions }: Collection): void => {
      gone.blobs += removed.objects
      gone.rescued += rescued.objects
      gone.trashed += versions.trashed
      gone.versions += versions.removed
    }
    await fc.assert(
      fc.asyncProperty(fc.array(epoch, { minLength: 4, maxLength: 14 }), async (epochs) => {
        vi.setSystemTime(Date.parse('2026-01-01'))
        const store = createMemoryStore()
        await store.create('datasets/parts/views/all/0000000001.json', json({ value: {} }))
        await setPolicy(store, 'parts', { versions: 1, days: null, runDays: 1 }, 'test')
        const world = new Interleaving()
        const done: Promise<void>[] = []
        let [number, collecting] = [0, false]
        for (const { arrivals, collects, turns, seed, killed, finishes, hours } of epochs) {
          for (const arrived of arrivals) {
            const name = `run-${number++}`
            done.push(
              world.start(name, () => act(world.storeFor(store, name), name, arrived), arrived.nap ?? undefined),
            )
          }
          if (collects && !collecting) {
            collecting = true
            const end = () => void (collecting = false)
            const own = world.storeFor(store, 'collector')
            done.push(world.start('collector', () => collect(own).then(collected, ignoreBusy).finally(end)))
          }
          let random = seed
          for (let turn = 0; turn < turns && (await world.step((random = lcg(random)) >>> 8)); turn++)
            expect(await namedButMissing(store)).toEqual([])
          if (killed) await world.kill(killed === 'newest' ? `run-${number - 1}` : killed)
          if (finishes) await world.finish()
          expect(await namedButMissing(store)).toEqual([])
          vi.setSystemTime(Date.now() + hours * 3_600_000)
          world.passNight()
        }
        for (let night = 0; night < 5; night++) {
          await world.finish()
          world.passNight()
        }
        await Promise.all(done)
        expect(await namedButMissing(store)).toEqual([])
      }),
      { numRuns: RUNS, seed: 7 },
    )
    expect(Math.min(...Object.values(gone))).toBeGreaterThan(0)
  }, 240_000)
})

function ignoreBusy(error: unknown): void {
  if ((error as { code?: string }).code !== 'GC_RUNNING') throw error
}

/** Numerical Recipes' generator: the order of turns that a seed stands for. */
function lcg(state: number): number {
  return (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
}
