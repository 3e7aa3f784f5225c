import { readFile } from 'node:fs/promises'
import { mkdirSync } from 'node:fs'
import { extract } from 'tar-stream'
import { describe, expect, it } from 'vitest'
import { commitLabels, openVersion, pixelMatrix, readPixelRows } from '#core/datasets'
import { decodePixels } from '#core/images'
import { addImages } from '#core/imports'
import type { DatasetVersion } from '#core/steps'
import { blobKey, createMemoryStore, readBlob, sha256Hex, type ObjectStore } from '#core/storage'
import { writePacks } from '../../../core/datasets/packs.ts'
import { Spool } from '../../../core/imports/spool.ts'
import { jpegImage, pngImage } from '../../support/images.ts'
import { stepContext, temporaryFolder, type TestContext } from '../imports/support.ts'

const inFolder = temporaryFolder()
const size = { height: 12, width: 10 }
const rowBytes = 12 * 10 * 3

async function someImages(): Promise<{ ctx: TestContext; version: DatasetVersion }> {
  const store = createMemoryStore()
  const images = []
  for (let seed = 0; seed < 9; seed++)
    images.push({ name: `${seed}`, bytes: seed % 2 ? await pngImage(seed) : await jpegImage(seed, { width: 50 }) })
  const version = await addImages(store, 'things', images, { by: 'ada' })
  const scratchDir = inFolder(version.version.slice(0, 8))
  mkdirSync(scratchDir, { recursive: true })
  return { ctx: stepContext({ store, scratchDir }), version }
}

describe('the pixel matrix', () => {
  it('holds the pixels that serving decodes, rows in ascending order of digest', async () => {
    const { ctx, version } = await someImages()
    const matrix = await pixelMatrix(ctx, version, size)
    expect(matrix).toMatchObject({ images: 9, ...size })
    const bytes = await readFile(matrix.file)
    expect(bytes).toHaveLength(9 * rowBytes)
    const reader = await openVersion(ctx.store, version)
    for (const [row, { digest }] of (await reader.facts()).entries()) {
      const expected = await decodePixels(await reader.imageBytes(digest), size)
      expect(bytes.subarray(row * rowBytes, (row + 1) * rowBytes).equals(expected)).toBe(true)
    }
    expect(ctx.said.at(-1)).toEqual({ done: 9, total: 9, unit: 'images', note: 'decoding' })
  })

  it('is decoded once for all versions with the same images, and once for each size', async () => {
    const { ctx, version } = await someImages()
    await pixelMatrix(ctx, version, size)
    const [row] = await (await openVersion(ctx.store, version)).labels()
    const labelled = await commitLabels(ctx.store, version, [{ ...row!, label: 'dent' }], { by: 'ada', note: '' })
    ctx.said.length = 0
    await pixelMatrix(ctx, labelled, size)
    expect(ctx.said).toEqual([])
    await pixelMatrix(ctx, labelled, { height: 8, width: 8 })
    expect(ctx.said.at(-1)).toMatchObject({ done: 9 })
  })

  it('is decoded again when its blob was collected', async () => {
    const { ctx, version } = await someImages()
    const matrix = await pixelMatrix(ctx, version, size)
    await ctx.store.delete(blobKey(sha256Hex(await readFile(matrix.file))))
    ctx.said.length = 0
    await pixelMatrix(ctx, version, size)
    expect(ctx.said.at(-1)).toMatchObject({ done: 9 })
  })

  it('gives rows by range and by number, in the order asked for', async () => {
    const { ctx, version } = await someImages()
    const matrix = await pixelMatrix(ctx, version, size)
    const bytes = await readFile(matrix.file)
    const row = (number: number): Uint8Array => bytes.subarray(number * rowBytes, (number + 1) * rowBytes)
    expect(
      Buffer.from(await readPixelRows(matrix, { start: 2, count: 3 })).equals(
        bytes.subarray(2 * rowBytes, 5 * rowBytes),
      ),
    ).toBe(true)
    const picked = Buffer.from(await readPixelRows(matrix, Int32Array.of(4, 5, 0, 8)))
    expect(picked.equals(Buffer.concat([row(4), row(5), row(0), row(8)]))).toBe(true)
    await expect(readPixelRows(matrix, [9])).rejects.toThrow(RangeError)
  })
})

describe('packs', () => {
  it('are tar files of the image files, named by digest', async () => {
    const { ctx, version } = await someImages()
    const reader = await openVersion(ctx.store, version)
    const [first] = await reader.facts()
    const tar = extract()
    tar.end(Buffer.from(await readBlob(ctx.store, first!.pack!)))
    const names: string[] = []
    for await (const entry of tar) {
      const parts: Uint8Array[] = []
      for await (const part of entry as unknown as AsyncIterable<Uint8Array>) parts.push(part)
      expect(entry.header.name).toMatch(new RegExp(`^${sha256Hex(Buffer.concat(parts))}\\.(png|jpeg)$`))
      names.push(entry.header.name)
    }
    const digests = (await reader.facts()).map(({ digest }) => digest)
    expect(names.map((name) => name.slice(0, 64)).sort()).toEqual(digests)
  })

  it('give one image, all images, or those asked for', async () => {
    const { ctx, version } = await someImages()
    const reader = await openVersion(ctx.store, version)
    const facts = await reader.facts()
    const digests = facts.map(({ digest }) => digest)
    const inPackOrder = facts.toSorted((a, b) => a.offset - b.offset).map(({ digest }) => digest)
    const digestsOf = async (wanted?: readonly string[]): Promise<string[]> => {
      const found: string[] = []
      for await (const { digest, bytes } of reader.images(wanted)) {
        expect(sha256Hex(bytes)).toBe(digest)
        found.push(digest)
      }
      return found
    }
    expect(await digestsOf()).toEqual(inPackOrder)
    expect(await digestsOf([inPackOrder[7]!, inPackOrder[1]!])).toEqual([inPackOrder[1], inPackOrder[7]])
    await expect(digestsOf(['0'.repeat(64)])).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' })
    expect(sha256Hex(await reader.imageBytes(digests[3]!))).toBe(digests[3])
    await expect(reader.imageBytes('0'.repeat(64))).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' })
  })

  it('are closed before they grow too large, and each holds at least one image', async () => {
    const store = createMemoryStore()
    const images = [100, 600, 5000, 10, 10].map((sizeBytes, i) => {
      const bytes = new Uint8Array(sizeBytes).fill(i)
      return { digest: sha256Hex(bytes), sizeBytes, format: 'png' as const, bytes }
    })
    mkdirSync(inFolder('packs'))
    const options = { store, directory: inFolder('packs'), signal: new AbortController().signal, packBytes: 4096 }
    const places = await writePacks(images, ({ bytes }) => bytes, options)
    // Header 512, data in blocks of 512, two blocks at the end: 1024 + 1536 + 1024, then 5632 + 1024, then 2 · 1024 + 1024.
    const packs = [...new Set(places.map(({ pack }) => pack))]
    expect(places.map(({ pack, offset }) => [packs.indexOf(pack), offset])).toEqual([
      [0, 512],
      [0, 1536],
      [1, 512],
      [2, 512],
      [2, 1536],
    ])
    expect(await Promise.all(packs.map(async (pack) => (await store.head(blobKey(pack)))?.sizeBytes))).toEqual([
      3584, 6656, 3072,
    ])
    for (const [i, { pack, offset }] of places.entries())
      expect(await store.getRange(blobKey(pack), offset, images[i]!.sizeBytes)).toEqual(images[i]!.bytes)
  })

  it('whose bytes went bad are noticed, never used', async () => {
    const { ctx, version } = await someImages()
    const [first] = await (await openVersion(ctx.store, version)).facts()
    const damaged = withDamage(ctx.store, blobKey(first!.pack!))
    const reader = await openVersion(damaged, version)
    await expect(reader.imageBytes(first!.digest)).rejects.toMatchObject({ code: 'OBJECT_CORRUPT' })
    await expect(pixelMatrix({ ...ctx, store: damaged }, version, size)).rejects.toMatchObject({
      code: 'OBJECT_CORRUPT',
    })
  })
})

it('a spool gives back what it took, from memory and from its file', () => {
  const spool = new Spool(inFolder('spool'), 100)
  const pieces = Array.from({ length: 50 }, (_, i) => new Uint8Array(i).fill(i))
  const places = pieces.map((bytes) => spool.append(bytes))
  for (const i of [49, 0, 17, 48, 1, 30]) expect([...spool.read(places[i]!, i)]).toEqual([...pieces[i]!])
  spool.close()
})

/** The store, with one bit of one object's ranges turned. */
function withDamage(store: ObjectStore, damagedKey: string): ObjectStore {
  const getRange: ObjectStore['getRange'] = async (key, offset, length) => {
    const bytes = await store.getRange(key, offset, length)
    if (key === damagedKey) bytes[10] = bytes[10]! ^ 1
    return bytes
  }
  return new Proxy(store, {
    get: (target, property) => {
      const value: unknown = property === 'getRange' ? getRange : Reflect.get(target, property)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
