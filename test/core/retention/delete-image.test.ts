import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openVersion, pixelMatrix, resolveVersion, tagVersion } from '#core/datasets'
import { thumbnail } from '#core/images'
import { addImages } from '#core/imports'
import { deleteImage, placeHold } from '#core/retention'
import {
  blobKey,
  canonicalJson,
  createMemoryStore,
  movePointer,
  putBlob,
  putBlobFile,
  sha256Hex,
  type ObjectStore,
} from '#core/storage'
import { pngImage } from '../../support/images.ts'

let store: ObjectStore
let scratchDir: string
let files: Uint8Array[]
beforeEach(async () => {
  store = createMemoryStore()
  scratchDir = await mkdtemp(path.join(tmpdir(), 'gyre-delete-'))
  files = await Promise.all([1, 2, 3, 4, 5, 6].map((seed) => pngImage(seed)))
})
afterEach(() => rm(scratchDir, { recursive: true }))

const named = (images: readonly Uint8Array[]) => images.map((bytes, i) => ({ name: `${i}.png`, bytes }))
const add = (dataset: string, images: readonly Uint8Array[]) =>
  addImages(store, dataset, named(images), { by: 'ada', scratchDir })
const erase = (image: Uint8Array) =>
  deleteImage({ store, digest: sha256Hex(image), by: 'ada', reason: 'asked by the person shown', scratchDir })
const json = (value: unknown) => Buffer.from(canonicalJson(value))

/** Keys of all objects that hold these bytes as they are. */
async function holding(bytes: Uint8Array): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.list(''))
    if (Buffer.from(await store.get(key)).includes(Buffer.from(bytes))) keys.push(key)
  return keys
}

describe('deleting one image', () => {
  it('leaves its bytes nowhere, in no dataset, and every other image as it was', async () => {
    await add('parts', files.slice(0, 4))
    await add('others', files.slice(2))
    const before = await resolveVersion(store, 'parts')
    await tagVersion(store, before, 'golden', { by: 'ada', note: '' })
    const image = files[2]!
    expect(await holding(image)).toHaveLength(2)
    const done = await erase(image)
    expect(done).toMatchObject({
      packs: 2,
      datasets: [
        { name: 'others', versions: 1, refs: ['latest'] },
        { name: 'parts', versions: 1, refs: ['golden', 'latest'] },
      ],
    })
    expect(await holding(image)).toEqual([])
    for (const [spec, held] of [
      ['parts@latest', [0, 1, 3]],
      ['parts@golden', [0, 1, 3]],
      ['others', [3, 4, 5]],
    ] as const) {
      const reader = await openVersion(store, await resolveVersion(store, spec))
      const digests = held.map((i) => sha256Hex(files[i]!)).sort()
      expect((await reader.facts()).map(({ digest }) => digest)).toEqual(digests)
      for await (const { digest, bytes } of reader.images()) expect(sha256Hex(bytes)).toBe(digest)
    }
    const old = await openVersion(store, before)
    await expect(old.imageBytes(sha256Hex(image))).rejects.toMatchObject({ code: 'IMAGE_DELETED' })
    expect(sha256Hex(await old.imageBytes(sha256Hex(files[0]!)))).toBe(sha256Hex(files[0]!))
    await expect(all(old.images())).rejects.toMatchObject({ code: 'IMAGE_DELETED' })
  })

  it('D3: done again it finishes what a kill cut short, at whichever call to the store it fell', async () => {
    for (let calls = 1; ; calls += 7) {
      store = createMemoryStore()
      await add('parts', files.slice(0, 4))
      const whole = store
      store = dyingAfter(whole, calls)
      const died = await erase(files[1]!).then(
        () => false,
        () => true,
      )
      store = whole
      if (!died) break
      await erase(files[1]!)
      expect(await holding(files[1]!)).toEqual([])
      const reader = await openVersion(store, await resolveVersion(store, 'parts'))
      expect((await all(reader.images())).length).toBe(3)
    }
  })

  it('deletes two images of one pack, one after the other', async () => {
    await add('parts', files)
    await erase(files[0]!)
    await erase(files[5]!)
    expect([await holding(files[0]!), await holding(files[5]!)]).toEqual([[], []])
    const reader = await openVersion(store, await resolveVersion(store, 'parts'))
    expect((await all(reader.images())).length).toBe(4)
  })

  it('removes what was made of it: pixels, embeddings, vectors, pages with its picture, captured and dropped files', async () => {
    await add('parts', files.slice(0, 4))
    const version = await resolveVersion(store, 'parts')
    const image = files[1]!
    const signal = new AbortController().signal
    await pixelMatrix({ store, scratchDir, signal, progress: () => undefined }, version, { height: 8, width: 8 })
    const matrix = await putBlob(store, Buffer.alloc(64))
    const vectors = await putBlob(store, Buffer.alloc(96))
    await store.create('runs/r1/nodes/embed.json', json({ output: { kind: 'embeddings', dataset: version, matrix } }))
    await store.create('cache/steps/aa/embed.json', json({ output: { kind: 'embeddings', dataset: version, matrix } }))
    await movePointer(store, 'cache/neighbours/x', { kind: 'neighbours', dataset: version, vectors }, { by: 'ada' })
    const picture = Buffer.from(await thumbnail(image, 160)).toString('base64')
    const page = await putBlob(store, Buffer.from(`<!doctype html><img src="data:image/webp;base64,${picture}">`))
    const other = await putBlob(store, Buffer.from('<!doctype html><img src="data:image/webp;base64,AAAA">'))
    await store.create(`captures/parts/replica/${sha256Hex(image)}`, image)
    await store.create(`captures/parts/replica/${sha256Hex(image)}.json`, json({ class: 'good' }))
    await store.create('uploads/u1/images/one.png', image)
    expect(await erase(image)).toMatchObject({ pixels: 1, vectors: 2, pages: 1, copies: 2 })
    expect(await holding(image)).toEqual([])
    const there = await Promise.all([matrix, vectors, page, other].map(({ sha256 }) => store.head(blobKey(sha256))))
    expect(there.map((found) => found !== null)).toEqual([false, false, false, true])
    expect(await store.head('cache/steps/aa/embed.json')).toBeNull()
  })

  it('finds it in packs of imports that died, which no version names', async () => {
    await add('parts', files.slice(0, 2))
    const other = createMemoryStore()
    await addImages(other, 'parts', named(files.slice(0, 3)), { by: 'ada', scratchDir })
    const [pack] = await packsOf(other)
    const file = path.join(scratchDir, 'stray.tar')
    await writeFile(file, await other.get(pack!))
    await putBlobFile(store, file)
    expect(await holding(files[0]!)).toHaveLength(2)
    expect(await erase(files[0]!)).toMatchObject({ packs: 2 })
    expect(await holding(files[0]!)).toEqual([])
  })

  it('D1: an image that was deleted is refused by every later import, with the reason', async () => {
    await add('parts', files.slice(0, 3))
    await erase(files[0]!)
    expect(await add('parts', files.slice(0, 3))).toMatchObject({ images: 2, added: 0, rejected: 1 })
    expect(await add('new', files.slice(0, 3))).toMatchObject({ images: 2, rejected: 1 })
    expect(await holding(files[0]!)).toEqual([])
  })

  it('refuses an image that a hold covers, one that nobody has, and what is no digest', async () => {
    await add('parts', files.slice(0, 2))
    await placeHold(store, 'parts', { name: 'audit', version: null, reason: 'a court' }, 'ada')
    await expect(erase(files[0]!)).rejects.toMatchObject({ code: 'DATASET_HELD' })
    await expect(erase(files[5]!)).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' })
    const nothing = deleteImage({ store, digest: 'cat.png', by: 'ada', reason: '', scratchDir })
    await expect(nothing).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(await holding(files[0]!)).toHaveLength(1)
  })
})

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

async function packsOf(of: ObjectStore): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of of.list('blobs/sha256/'))
    if (Buffer.from(await of.getRange(key, 257, 5)).toString() === 'ustar') keys.push(key)
  return keys
}

/** Fails for ever from the call with this number on. */
function dyingAfter(of: ObjectStore, calls: number): ObjectStore {
  let left = calls
  const counted = <A extends unknown[], R>(call: (...given: A) => R) =>
    ((...given: A) => {
      if (left-- <= 0) throw new Error('the power is gone')
      return call(...given)
    }) as (...given: A) => R
  return {
    uri: of.uri,
    create: counted(async (...call) => of.create(...call)),
    createFromFile: counted(async (...call) => of.createFromFile(...call)),
    get: counted(async (key) => of.get(key)),
    getRange: counted(async (...call) => of.getRange(...call)),
    head: counted(async (key) => of.head(key)),
    localFile: counted(async (...call) => of.localFile(...call)),
    list: counted((...call) => of.list(...call)),
    delete: counted(async (key) => of.delete(key)),
  }
}
