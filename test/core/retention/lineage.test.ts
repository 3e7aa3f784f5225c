import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openVersion, resolveVersion } from '#core/datasets'
import { addImages } from '#core/imports'
import { datasetLineage } from '#core/lineage'
import { collectGarbage, deleteImage, setPolicy, verifyVersion } from '#core/retention'
import { blobKey, canonicalJson, createMemoryStore, movePointer, sha256Hex, type ObjectStore } from '#core/storage'
import { pngImage } from '../../support/images.ts'

const json = (value: unknown) => Buffer.from(canonicalJson(value))
const hex = (digit: string) => digit.repeat(64)

let store: ObjectStore
let scratchDir: string
let images: Uint8Array[]
beforeEach(async () => {
  store = createMemoryStore()
  scratchDir = await mkdtemp(path.join(tmpdir(), 'gyre-lineage-'))
  images = await Promise.all([1, 2, 3, 4].map((seed) => pngImage(seed)))
  await add(0, 3, 'run r1 import')
})
afterEach(() => rm(scratchDir, { recursive: true }))

async function add(from: number, to: number, by = 'ada'): Promise<string> {
  const files = images.slice(from, to).map((bytes, i) => ({ name: `${from + i}.png`, bytes }))
  return (await addImages(store, 'parts', files, { by, scratchDir })).version
}

async function addModel(name: string, inputs: Readonly<Record<string, string>>, evaluatedOn: string): Promise<void> {
  const blob = { sha256: hex('b'), sizeBytes: 1 }
  const inputSize = { height: 8, width: 8 }
  const model = { kind: 'trained-model', digest: hex('d'), onnx: blob, description: blob, trainer: 'head', inputSize }
  const scores = { images: 1, humanSeen: 1, accuracy: 1, interval: [0, 1], perClass: [], beatsChampion: true }
  const report = { kind: 'evaluation-report', model: hex('d'), report: blob, html: blob, predictions: blob, ...scores }
  const record = {
    ...{ name, version: 1, digest: hex('d'), registeredAt: '2026-01-01T00:00:00.000Z' },
    model: { ...model, classes: ['a', 'b'] },
    report,
    lineage: { run: 'r2', node: 'train', inputs, dataset: { name: 'parts', version: evaluatedOn }, report: hex('b') },
  }
  await store.create(`models/${name}/versions/0000000001.json`, json(record))
}

describe('the lineage of a dataset', () => {
  it('names imports with their source, the versions between, models and endpoints', async () => {
    const first = (await resolveVersion(store, 'parts')).version
    const plan = {
      format: 1,
      pipeline: 'import-dataset',
      nodes: [{ id: 'import', step: 'import-images', input: { source: '/photos' } }],
    }
    await store.create('runs/r1/plan.json', json({ run: 'r1', by: 'ada', startedAt: '2026-01-01T00:00:00.000Z', plan }))
    const second = await add(2, 4)
    await addModel('trained', { version: second }, second)
    await addModel('measured', { version: hex('0') }, first)
    await addModel('other', { version: hex('0') }, hex('1'))
    const revision = {
      ...{ endpoint: 'line', revision: 1, model: { name: 'trained', version: 1, digest: hex('d') }, replicas: 1 },
      ...{
        queueLimit: 1,
        captureBytes: 0,
        captureDataset: null,
        algorithm: null,
        createdAt: '2026-01-01T00:00:00.000Z',
      },
    }
    await store.create('endpoints/line/revisions/0000000001.json', json(revision))
    await movePointer(store, 'endpoints/line/traffic', { 1: 100 }, { by: 'ada' })
    const lineage = await datasetLineage(store, 'parts')
    expect(lineage.versions.map(({ version }) => version)).toEqual([second, first])
    expect(lineage.imports).toMatchObject([{ version: first, run: 'r1', source: '/photos' }])
    expect(lineage.models).toEqual([
      { name: 'measured', version: 1, trained: false, dataset: first },
      { name: 'trained', version: 1, trained: true, dataset: second },
    ])
    expect(lineage.endpoints).toMatchObject([{ name: 'line', revision: 1, share: 100 }])
  })

  it('goes on over versions that the policy let go', async () => {
    const first = (await resolveVersion(store, 'parts')).version
    const second = await add(3, 4)
    await setPolicy(store, 'parts', { versions: 1, days: null, runDays: null }, 'ada')
    for (let week = 0; week < 4; week++) {
      const now = Date.now() + week * 7 * 24 * 3_600_000
      await collectGarbage({ store, by: 'test', scratchDir, now: () => now })
    }
    await expect(openVersion(store, { dataset: 'parts', version: first })).rejects.toMatchObject({
      code: 'DATASET_NOT_FOUND',
    })
    expect((await datasetLineage(store, 'parts')).versions).toMatchObject([{ version: second, parents: [first] }])
  })
})

describe('verification', () => {
  const verify = async (ref = 'latest') => {
    const version = await resolveVersion(store, `parts@${ref}`)
    return verifyVersion({ store, version, everyImage: true, scratchDir })
  }

  it('finds nothing to say of a version that is whole', async () => {
    expect(await verify()).toMatchObject({ tables: 2, packs: 1, imagesRead: 3, problems: [] })
  })

  it('names tables, packs and images that are missing or damaged', async () => {
    const { manifest } = await openVersion(store, await resolveVersion(store, 'parts'))
    const { sha256 } = manifest.labels.base[0]!.blob
    const table = await store.get(blobKey(sha256))
    await store.delete(blobKey(sha256))
    expect((await verify()).problems).toEqual([expect.stringContaining(`table ${sha256} cannot be read`)])
    await store.create(blobKey(sha256), table)
    const pack = (await (await openVersion(store, manifest)).facts())[0]!.pack!
    const bytes = Buffer.from(await store.get(blobKey(pack)))
    await store.delete(blobKey(pack))
    bytes[bytes.indexOf(Buffer.from(images[0]!)) + 20]! ^= 1
    await store.create(blobKey(pack), bytes)
    expect((await verify()).problems).toEqual([
      expect.stringContaining(`image ${sha256Hex(images[0]!)} cannot be read`),
    ])
  })

  it('says of an old version that an image of it was deleted', async () => {
    const { version } = await resolveVersion(store, 'parts')
    const digest = sha256Hex(images[0]!)
    await deleteImage({ store, digest, by: 'ada', reason: 'asked for', scratchDir })
    expect((await verify()).problems).toEqual([])
    expect((await verify(version)).problems).toEqual(
      expect.arrayContaining([expect.stringContaining(`image ${digest} was deleted`)]),
    )
  })
})
