import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { collectGarbage, placeHold, releaseHold, setPolicy, trashedVersions, undelete } from '#core/retention'
import {
  asWriter,
  blobKey,
  canonicalJson,
  condemn,
  createMemoryStore,
  movePointer,
  passVerdict,
  putBlob,
  readSentence,
  type ObjectStore,
} from '#core/storage'
import { writeParquet } from '#core/tables'

const DAY_MS = 24 * 3_600_000
const json = (value: unknown) => Buffer.from(canonicalJson(value))

let store: ObjectStore
let scratchDir: string
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2026-01-01') })
  store = createMemoryStore()
  scratchDir = await mkdtemp(path.join(tmpdir(), 'gyre-retention-'))
})
afterEach(async () => {
  vi.useRealTimers()
  await rm(scratchDir, { recursive: true })
})

const pass = (days: number) => void vi.setSystemTime(Date.now() + days * DAY_MS)
const collect = (dryRun = false) => collectGarbage({ store, by: 'test', scratchDir, dryRun })
const there = async (sha256: string) => (await store.head(blobKey(sha256))) !== null

/** What nothing holds goes in four looks, a week between each two. */
async function collectForWeeks(weeks = 5): Promise<void> {
  for (let week = 0; week < weeks; week++) {
    await collect()
    pass(7)
  }
}

async function addVersion(digit: string, { ref = 'latest' } = {}): Promise<{ version: string; pack: string }> {
  const { sha256: pack } = await putBlob(store, Buffer.from(`pack ${digit}`))
  const version = digit.repeat(64)
  await store.create(
    `datasets/parts/versions/${version}.json`,
    json({ dataset: 'parts', version, facts: [{ blob: pack }] }),
  )
  await movePointer(store, `datasets/parts/refs/${ref}`, { version, images: 1, note: '' }, { by: 'test' })
  return { version, pack }
}

describe('garbage collection', () => {
  it('removes what nothing names after a week of looks and a week of grace, and tells before', async () => {
    const { sha256, sizeBytes } = await putBlob(store, Buffer.from('nobody names me'))
    const amount = { objects: 1, sizeBytes }
    expect(await collect(true)).toMatchObject({ dryRun: true, waiting: amount, condemned: { objects: 0 } })
    expect(await collect()).toMatchObject({ waiting: amount })
    pass(6.9)
    expect(await collect()).toMatchObject({ waiting: amount })
    pass(0.1)
    expect(await collect(true)).toMatchObject({ condemned: amount })
    expect(await collect()).toMatchObject({ condemned: amount, waiting: { objects: 0 } })
    pass(6.9)
    expect(await collect()).toMatchObject({ removed: { objects: 0 } })
    pass(0.1)
    expect(await collect(true)).toMatchObject({ removed: amount })
    expect(await there(sha256)).toBe(true)
    expect(await collect()).toMatchObject({ removed: amount, blobs: { objects: 1 } })
    expect(await there(sha256)).toBe(false)
    expect(await collect()).toMatchObject({ blobs: { objects: 0 }, waiting: { objects: 0 } })
  })

  it('a look in between that finds it named begins the week anew', async () => {
    const { sha256 } = await putBlob(store, Buffer.from('now and then'))
    await collect()
    await store.create('cache/steps/aa/x.json', json({ output: { sha256 } }))
    pass(4)
    await collect()
    await store.delete('cache/steps/aa/x.json')
    pass(4)
    expect(await collect()).toMatchObject({ waiting: { objects: 1 }, condemned: { objects: 0 } })
  })

  it.each([
    [
      'a record of a kind that Gyre does not know',
      'new-things/7/record.json',
      (of: string) => json({ deep: [{ ref: `sha256:${of}` }] }),
    ],
    ['a model', 'models/parts/versions/0000000001.json', (of: string) => json({ model: { onnx: { sha256: of } } })],
    ['a result of a run', 'runs/r1/nodes/train.json', (of: string) => json({ output: { report: of } })],
    ['a cached result', 'cache/items/k/p.json', (of: string) => json([[of]])],
    ['an endpoint', 'endpoints/parts/revisions/0000000001.json', (of: string) => json({ algorithm: { bundle: of } })],
    [
      'a field of a manifest that came later',
      `datasets/parts/versions/${'a'.repeat(64)}.json`,
      (of: string) => json({ format: 3, sketches: { newest: { blob: of } } }),
    ],
  ])('G5: keeps what %s names, and what that names in turn', async (_, key, record) => {
    const inner = await putBlob(store, Buffer.from('inner'))
    const outer = await putBlob(store, json({ lines: `\n${inner.sha256}\n` }))
    await store.create(key, record(outer.sha256))
    if (key.startsWith('datasets/'))
      await movePointer(store, 'datasets/parts/refs/latest', { version: 'a'.repeat(64) }, { by: 'test' })
    await collectForWeeks()
    expect([await there(inner.sha256), await there(outer.sha256)]).toEqual([true, true])
  })

  it('follows tables: packs in any text column, of blobs and of records', async () => {
    const [pack, part, free] = await Promise.all(
      ['pack', 'part', 'free'].map((text) => putBlob(store, Buffer.from(text))),
    )
    const file = path.join(scratchDir, 'facts.parquet')
    await writeParquet(file, { digest: 'text', place: 'text' }, [{ digest: 'x', place: `tar:${pack!.sha256}` }])
    const { readFile } = await import('node:fs/promises')
    const facts = await putBlob(store, await readFile(file))
    await writeParquet(file, { digest: 'text', pack: 'text' }, [{ digest: 'y', pack: part!.sha256 }])
    await store.createFromFile('datasets/parts/imports/r1.import/0000000001.parquet', file)
    await store.create('unheard-of/1.json', json({ facts: facts.sha256 }))
    await collectForWeeks()
    expect([await there(pack!.sha256), await there(part!.sha256), await there(free!.sha256)]).toEqual([
      true,
      true,
      false,
    ])
  })

  it('lets go of the packs of an import that ended a month ago without a version', async () => {
    const pack = await putBlob(store, Buffer.from('pack of a dead import'))
    const file = path.join(scratchDir, 'part.parquet')
    await writeParquet(file, { digest: 'text', pack: 'text' }, [{ digest: 'x', pack: pack.sha256 }])
    await store.createFromFile('datasets/parts/imports/r1.import/000001.parquet', file)
    const at = new Date().toISOString()
    await store.create('runs/r1/g0001/opened.json', json({ at, by: 'ada' }))
    await store.create('runs/r1/g0001/outcome.json', json({ status: 'failed', nodes: [], endedAt: at }))
    await collectForWeeks(4)
    expect(await there(pack.sha256)).toBe(true)
    await collectForWeeks(6)
    expect(await there(pack.sha256)).toBe(false)
  })

  it('logs, captures and its own notes hold nothing', async () => {
    const { sha256 } = await putBlob(store, Buffer.from('spoken of'))
    await store.create('runs/r1/logs/train/0000000001.jsonl', Buffer.from(sha256))
    await store.create(`captures/parts/replica/${sha256}`, Buffer.from('image'))
    await collectForWeeks()
    expect(await there(sha256)).toBe(false)
  })

  it('G1: waits for a run in flight that began before the sentence, and says so', async () => {
    const { sha256 } = await putBlob(store, Buffer.from('found by a run'))
    await collect()
    const at = new Date().toISOString()
    await store.create('runs/r1/plan.json', json({ run: 'r1', startedAt: at }))
    await store.create('runs/r1/g0001/opened.json', json({ at, by: 'ada' }))
    pass(7)
    expect(await collect()).toMatchObject({ condemned: { objects: 1 } })
    pass(7)
    expect(await collect()).toMatchObject({ removed: { objects: 0 }, waitsFor: 'run r1' })
    await store.create('runs/r1/g0001/outcome.json', json({ status: 'failed', nodes: [], endedAt: at }))
    expect(await collect()).toMatchObject({ removed: { objects: 1 }, waitsFor: null })
    expect(await there(sha256)).toBe(false)
  })

  it('G1: waits for a writer with a lease, and not for one whose lease ran out', async () => {
    await putBlob(store, Buffer.from('found by a writer'))
    await collect()
    let end = (): void => undefined
    const writing = asWriter(store, 'ada', () => new Promise<void>((done) => (end = done)))
    await vi.waitFor(async () => expect((await collect()).condemned.objects).toBe(0))
    pass(7)
    expect(await collect()).toMatchObject({ condemned: { objects: 1 } })
    pass(7)
    expect(await collect()).toMatchObject({ removed: { objects: 1 } })
    end()
    await writing
  })

  it('G3: a writer that finds a condemned blob keeps it, although it names it long after', async () => {
    const bytes = Buffer.from('wanted after all')
    const { sha256 } = await putBlob(store, bytes)
    await collect()
    pass(7)
    expect(await collect()).toMatchObject({ condemned: { objects: 1 } })
    await putBlob(store, bytes)
    pass(7)
    expect(await collect()).toMatchObject({ removed: { objects: 0 }, waiting: { objects: 1 } })
    expect(await there(sha256)).toBe(true)
  })

  it('G3: a writer that finds a condemned blob while the collector looks keeps it', async () => {
    const bytes = Buffer.from('wanted at the last moment')
    const { sha256 } = await putBlob(store, bytes)
    await collect()
    pass(7)
    await collect()
    pass(7)
    const looking: ObjectStore = {
      ...bound(store),
      async *list(prefix, options) {
        if (prefix === '') await putBlob(store, bytes)
        yield* store.list(prefix, options)
      },
    }
    const found = await collectGarbage({ store: looking, by: 'test', scratchDir })
    expect(found.removed.objects).toBe(0)
    expect(await there(sha256)).toBe(true)
  })

  it('N2: a writer stores a blob again that was removed while it looked', async () => {
    const bytes = Buffer.from('just gone')
    const { sha256, sizeBytes } = await putBlob(store, bytes)
    const sentence = { sha256, sizeBytes, at: new Date().toISOString() }
    await condemn(store, sentence)
    expect(await passVerdict(store, sentence, 'removed')).toBe('removed')
    const writing = putBlob(store, bytes)
    await store.delete(blobKey(sha256))
    await writing
    expect(await there(sha256)).toBe(true)
  })

  it('N3, G6: a collector that died between verdict and removal removes nothing, and the next one judges anew', async () => {
    const bytes = Buffer.from('half removed')
    const { sha256, sizeBytes } = await putBlob(store, bytes)
    const sentence = { sha256, sizeBytes, at: new Date().toISOString() }
    await condemn(store, sentence)
    await passVerdict(store, sentence, 'removed')
    pass(7)
    expect(await collect()).toMatchObject({ removed: { objects: 0 }, waiting: { objects: 1 } })
    expect(await readSentence(store, sha256)).toBeNull()
    expect(await putBlob(store, bytes)).toMatchObject({ sha256 })
  })

  it('G6: two collectors do not work at once; the lease of a dead one is free after ten minutes', async () => {
    const dying: ObjectStore = {
      ...bound(store),
      list: (prefix, options) => (prefix.startsWith('trash/') ? fail() : store.list(prefix, options)),
    }
    await expect(collectGarbage({ store: dying, by: 'dead', scratchDir })).rejects.toThrow('the power is gone')
    await expect(collect()).rejects.toMatchObject({ code: 'GC_RUNNING' })
    pass(0.01)
    await expect(collect()).resolves.toMatchObject({ dryRun: false })
  })

  it('M4: a body that ends too early ends the collection, and nothing is removed', async () => {
    const { sha256 } = await putBlob(store, Buffer.from('named at the end of a long record'))
    await store.create('unheard-of/1.json', json({ filler: 'x'.repeat(10_000), zz: sha256 }))
    const short: ObjectStore = {
      ...bound(store),
      getRange: async (key, offset, length) =>
        (await store.getRange(key, offset, length)).subarray(0, Math.min(length, 5_000)),
    }
    for (let week = 0; week < 4; week++) {
      await expect(collectGarbage({ store: short, by: 'test', scratchDir })).rejects.toMatchObject({
        code: 'STORE_UNAVAILABLE',
      })
      pass(7)
    }
    expect(await there(sha256)).toBe(true)
  })
})

describe('retention of versions', () => {
  it('without a policy keeps every version that a ref ever pointed to, and no others', async () => {
    const [one, two] = [await addVersion('a'), await addVersion('b')]
    const orphan = await putBlob(store, Buffer.from('of a writer that died'))
    await store.create(`datasets/parts/versions/${'c'.repeat(64)}.json`, json({ facts: orphan.sha256 }))
    await collectForWeeks(6)
    expect([await there(one.pack), await there(two.pack), await there(orphan.sha256)]).toEqual([true, true, false])
  })

  it('G4: keeps so many moves of each ref, tags, and what was current within the days', async () => {
    const versions = []
    for (const digit of ['a', 'b', 'c', 'd']) {
      versions.push(await addVersion(digit))
      pass(10)
    }
    const tagged = await addVersion('e', { ref: 'golden' })
    await setPolicy(store, 'parts', { versions: 2, days: null, runDays: null }, 'ada')
    const report = await collect(true)
    expect(report.versions).toMatchObject({ waiting: 2, heldAloneBytes: 12 })
    await setPolicy(store, 'parts', { versions: 1, days: 25, runDays: null }, 'ada')
    expect((await collect(true)).versions).toMatchObject({ waiting: 1 })
    await setPolicy(store, 'parts', { versions: 2, days: null, runDays: null }, 'ada')
    await collectForWeeks(6)
    const kept = await Promise.all([...versions, tagged].map(({ pack }) => there(pack)))
    expect(kept).toEqual([false, false, true, true, true])
  })

  it('a version in the trash is brought back whole, and goes again unless something holds it', async () => {
    const { version, pack } = await addVersion('a')
    await addVersion('b')
    await setPolicy(store, 'parts', { versions: 1, days: null, runDays: null }, 'ada')
    const before = await store.get(`datasets/parts/versions/${version}.json`)
    await collect()
    pass(7)
    expect((await collect()).versions).toMatchObject({ trashed: 1 })
    expect(await trashedVersions(store, 'parts')).toMatchObject([{ version }])
    await expect(undelete(store, 'parts', 'ffffff', 'ada')).rejects.toMatchObject({ code: 'DATASET_NOT_FOUND' })
    expect(await undelete(store, 'parts', 'aaaaaa', 'ada')).toBe(version)
    expect(await store.get(`datasets/parts/versions/${version}.json`)).toEqual(before)
    await placeHold(store, 'parts', { name: 'audit', version, reason: 'asked for' }, 'ada')
    await collectForWeeks(6)
    expect(await there(pack)).toBe(true)
    await releaseHold(store, 'parts', 'audit', 'ada')
    await collectForWeeks(6)
    expect(await there(pack)).toBe(false)
  })

  it('a version in the trash that a tag names is brought back by the next collection', async () => {
    const { version } = await addVersion('a')
    await addVersion('b')
    await setPolicy(store, 'parts', { versions: 1, days: null, runDays: null }, 'ada')
    await collect()
    pass(7)
    await collect()
    await movePointer(store, 'datasets/parts/refs/late', { version, images: 1, note: '' }, { by: 'ada' })
    expect((await collect()).versions).toMatchObject({ rescued: 1 })
    expect(await store.head(`datasets/parts/versions/${version}.json`)).not.toBeNull()
  })

  it('runs hold the versions they name, for the days after their end that the policy grants', async () => {
    const { version, pack } = await addVersion('a')
    await addVersion('b')
    const at = new Date().toISOString()
    await store.create('runs/r1/plan.json', json({ run: 'r1', startedAt: at }))
    await store.create('runs/r1/g0001/opened.json', json({ at, by: 'ada' }))
    await store.create('runs/r1/nodes/snapshot.json', json({ output: { kind: 'dataset-version', version } }))
    await store.create('runs/r1/g0001/outcome.json', json({ status: 'completed', nodes: [], endedAt: at }))
    await setPolicy(store, 'parts', { versions: 1, days: null, runDays: null }, 'ada')
    await collectForWeeks(6)
    expect(await there(pack)).toBe(true)
    await setPolicy(store, 'parts', { versions: 1, days: null, runDays: 30 }, 'ada')
    await collectForWeeks(6)
    expect(await there(pack)).toBe(false)
  })

  it('refuses a policy of no versions, of parts of days, and for a dataset that is not there', async () => {
    await addVersion('a')
    const policy = { versions: null, days: null, runDays: null }
    await expect(setPolicy(store, 'parts', { ...policy, versions: 0 }, 'ada')).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
    await expect(setPolicy(store, 'parts', { ...policy, days: 1.5 }, 'ada')).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
    await expect(setPolicy(store, 'other', policy, 'ada')).rejects.toMatchObject({ code: 'DATASET_NOT_FOUND' })
    await expect(releaseHold(store, 'parts', 'none', 'ada')).rejects.toMatchObject({ code: 'HOLD_NOT_FOUND' })
  })
})

/** Methods of a class, so that some of them can be replaced. */
function bound(of: ObjectStore): ObjectStore {
  return {
    uri: of.uri,
    create: (...call) => of.create(...call),
    createFromFile: (...call) => of.createFromFile(...call),
    get: (...call) => of.get(...call),
    getRange: (...call) => of.getRange(...call),
    head: (...call) => of.head(...call),
    localFile: (...call) => of.localFile(...call),
    list: (...call) => of.list(...call),
    delete: (...call) => of.delete(...call),
  }
}

function fail(): never {
  throw new Error('the power is gone')
}
