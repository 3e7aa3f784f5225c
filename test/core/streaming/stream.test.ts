import { beforeAll, describe, expect, it, vi } from 'vitest'
import { openVersion } from '#core/datasets'
import { decodePixels } from '#core/images'
import { openStream, type ImageStream, type Sample, type StreamPlace } from '#core/streaming'
import type { DatasetVersion } from '#core/steps'
import { createMemoryStore, sha256Hex, type ObjectStore } from '#core/storage'
import { runImport, stepContext, temporaryFolder } from '../imports/support.ts'
import { importedScenes, SMALL } from './support.ts'

const folder = temporaryFolder()
let store: ObjectStore
let version: DatasetVersion
beforeAll(async () => {
  store = createMemoryStore()
  version = await importedScenes(store, folder())
})

async function listed(stream: ImageStream, place: StreamPlace = stream.start()): Promise<Sample[]> {
  const samples: Sample[] = []
  for await (const sample of stream.from(place)) samples.push(sample)
  return samples
}

const digests = (samples: readonly Sample[]): string[] => samples.map(({ digest }) => digest)

it('a stream gives the labelled images of the training split, each once, with its bytes and class', async () => {
  const reader = await openVersion(store, version)
  const wanted = (await reader.labels()).filter(({ split, label }) => split === 'train' && label !== null)
  const stream = await openStream(store, version, SMALL)
  const samples = await listed(stream)
  expect(stream.classes).toEqual(['kind-0', 'kind-1', 'kind-2'])
  expect(digests(samples).sort()).toEqual(wanted.map(({ digest }) => digest))
  const labelOf = new Map(wanted.map(({ digest, label }) => [digest, label]))
  for (const { digest, label, bytes } of samples) {
    expect(stream.classes[label]).toBe(labelOf.get(digest))
    expect(sha256Hex(bytes)).toBe(digest)
  }
})

it('other splits and images without a label are given when asked for', async () => {
  const everything = await openStream(store, version, { ...SMALL, split: 'all', unlabelled: true })
  expect(everything.samples).toBe(66)
  expect((await listed(everything)).filter(({ label }) => label === -1)).toHaveLength(6)
  const test = await openStream(store, version, { split: 'test' })
  const train = await openStream(store, version)
  expect(test.samples + train.samples).toBe(60)
})

it('the same seed gives the same order, and each epoch another one', async () => {
  const [one, two] = [await openStream(store, version, SMALL), await openStream(store, version, SMALL)]
  expect(digests(await listed(one))).toEqual(digests(await listed(two)))
  expect(digests(await listed(one, one.start(1)))).not.toEqual(digests(await listed(one)))
})

it('a run that stopped at any sample goes on with the next, also as another number of ranks', async () => {
  const whole = digests(await listed(await openStream(store, version, SMALL)))
  const four = await Promise.all([0, 1, 2, 3].map((rank) => openStream(store, version, { ...SMALL, rank, world: 4 })))
  const place = four[0]!.after(four[0]!.start(), 5)
  expect(four.map((stream) => JSON.stringify(stream.after(stream.start(), 5)))).toEqual(
    Array(4).fill(JSON.stringify(place)),
  )
  const before = await Promise.all(four.map(async (stream) => digests(await listed(stream)).slice(0, 5)))
  const two = await Promise.all([0, 1].map((rank) => openStream(store, version, { ...SMALL, rank, world: 2 })))
  const saved = JSON.parse(JSON.stringify(place)) as StreamPlace
  const after = await Promise.all(two.map(async (stream) => digests(await listed(stream, saved))))
  const given = [...before.flat(), ...after.flat()]
  expect(new Set(given)).toEqual(new Set(whole))
  expect(given.length).toBeLessThanOrEqual(whole.length + 1)
  const end = two[0]!.after(saved, after[0]!.length)
  expect(end).toEqual(two[0]!.start(1))
})

it('pixels are those of the decoder of training and service', async () => {
  const stream = await openStream(store, version, SMALL)
  const [first] = await listed(stream)
  for await (const { digest, pixels } of stream.pixels(stream.start(), { height: 12, width: 12 })) {
    expect(digest).toBe(first!.digest)
    expect(pixels).toEqual(await decodePixels(first!.bytes, { height: 12, width: 12 }))
    break
  }
})

it('each block is read once in an epoch', async () => {
  const stream = await openStream(store, version, SMALL)
  const getRange = vi.spyOn(store, 'getRange')
  await listed(stream)
  const reads = getRange.mock.calls.map(([key, offset]) => `${key}@${offset}`)
  getRange.mockRestore()
  expect(new Set(reads).size).toBe(reads.length)
  expect(reads.length).toBeGreaterThan(8)
  expect(reads.length).toBeLessThan(stream.samples / 2)
})

it('bytes that were changed are refused, not given', async () => {
  const stream = await openStream(store, version, SMALL)
  const getRange = vi.spyOn(store, 'getRange').mockImplementation((_key, _offset, length) => {
    return Promise.resolve(new Uint8Array(length))
  })
  await expect(listed(stream)).rejects.toMatchObject({ code: 'OBJECT_CORRUPT' })
  getRange.mockRestore()
})

it('a signal stops it between two samples', async () => {
  const stop = new AbortController()
  const stream = await openStream(store, version, SMALL)
  const samples = stream.from(stream.start(), { signal: stop.signal })
  await samples.next()
  stop.abort(new Error('enough'))
  await expect(samples.next()).rejects.toThrow('enough')
})

describe('what cannot be', () => {
  it('a rank beyond the world is refused', async () => {
    await expect(openStream(store, version, { rank: 2, world: 2 })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  it('a choice without images is refused with what to do', async () => {
    const empty = await importedNothingLabelled()
    await expect(openStream(store, empty)).rejects.toThrow(/has no labelled image in the train split; label some/)
  })

  it('a place of another seed is refused', async () => {
    const place = (await openStream(store, version, { seed: 1 })).start()
    const stream = await openStream(store, version, { seed: 2 })
    await expect(listed(stream, place)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })
})

async function importedNothingLabelled(): Promise<DatasetVersion> {
  return runImport(stepContext({ store }), { dataset: 'bare', source: folder('scenes'), labels: 'none' })
}
