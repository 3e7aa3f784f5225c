/** What was made of the images of some versions and shows or describes one of them: pixels, embeddings, pages with pictures. */

import { thumbnail } from '#core/images'
import { blobKey, type ObjectInfo, type ObjectKey, type ObjectStore } from '#core/storage'
import type { Manifest } from '#core/datasets'
import { blobAt } from './layout.ts'

/** Widths at which pages show images. */
const PICTURE_SIZES = [128, 160]
const PAGE_START = /^\s*<!doctype html/i
const PAGE_BYTES = 64 * 1024 * 1024

/**
 * Caches of decoded pixels and of similar images, keyed or marked by the set of images. One that does not say of which
 * images it is goes, too: it is made again when somebody needs it.
 *
 * @returns how many went.
 */
export async function forgetPixels(store: ObjectStore, versions: readonly Manifest[]): Promise<number> {
  const imageSets = new Set(versions.map(({ imageSet }) => imageSet))
  let gone = 0
  for await (const { key } of store.list('cache/pixels/')) {
    const { sha256, imageSet } = await readJson<{ sha256: string; imageSet?: string }>(store, key)
    if (imageSet !== undefined && !imageSets.has(imageSet)) continue
    await store.delete(key)
    await store.delete(blobKey(sha256))
    gone += 1
  }
  return gone
}

/**
 * Matrices with a row for each image of one of these versions: embeddings, and the vectors of similar images. Steps that
 * need one find it gone and compute it again.
 *
 * @returns how many went.
 */
export async function forgetVectors(store: ObjectStore, versions: readonly Manifest[]): Promise<number> {
  const names = new Set(versions.map(({ version }) => version))
  const matrices = new Set<string>()
  for (const prefix of ['cache/', 'runs/'])
    for await (const { key } of store.list(prefix)) {
      if (!key.endsWith('.json') || key.includes('/logs/')) continue
      const found = [...vectorsIn(await readJson(store, key), names)]
      for (const sha256 of found) matrices.add(sha256)
      if (found.length > 0 && prefix === 'cache/') await store.delete(key)
    }
  let gone = 0
  for (const sha256 of matrices)
    if (await store.head(blobKey(sha256))) {
      await store.delete(blobKey(sha256))
      gone += 1
    }
  return gone
}

function* vectorsIn(value: unknown, versions: ReadonlySet<string>): Iterable<string> {
  if (typeof value !== 'object' || value === null) return
  const { kind, dataset, matrix, vectors } = value as Record<string, Record<string, string> | undefined>
  const isOurs = dataset !== undefined && versions.has(String(dataset['version']))
  if (isOurs && (String(kind) === 'embeddings' || String(kind) === 'neighbours'))
    for (const blob of [matrix, vectors]) if (blob?.['sha256']) yield blob['sha256']
  for (const item of Object.values(value)) yield* vectorsIn(item, versions)
}

/**
 * Pages that show the image: reports of evaluations and of health, galleries of batch tasks. Their figures stay in the
 * report's JSON.
 *
 * @param bytes - of the image; null where they are gone, so that pages are known by its digest alone.
 * @returns how many went.
 */
export async function forgetPages(store: ObjectStore, digest: string, bytes: Uint8Array | null): Promise<number> {
  const pictures = bytes ? await Promise.all(PICTURE_SIZES.map((size) => thumbnail(bytes, size))) : []
  const signs = [digest, ...pictures.map((picture) => Buffer.from(picture).toString('base64'))]
  let gone = 0
  for await (const info of store.list('blobs/sha256/')) {
    if (blobAt(info.key) === null || !(await isPage(store, info))) continue
    const page = Buffer.from(await store.get(info.key)).toString('latin1')
    if (!page.includes('data:image') || !signs.some((sign) => page.includes(sign))) continue
    await store.delete(info.key)
    gone += 1
  }
  return gone
}

async function isPage(store: ObjectStore, { key, sizeBytes }: ObjectInfo): Promise<boolean> {
  if (sizeBytes > PAGE_BYTES) return false
  return PAGE_START.test(Buffer.from(await store.getRange(key, 0, 64)).toString('latin1'))
}

/** Captured requests and dropped files with exactly these bytes. @returns how many went. */
export async function forgetCopies(
  store: ObjectStore,
  digest: string,
  sameBytes: (key: ObjectKey, sizeBytes: number) => Promise<boolean>,
): Promise<number> {
  let gone = 0
  for await (const { key } of store.list('captures/'))
    if (key.endsWith(`/${digest}`)) {
      await store.delete(key)
      await store.delete(`${key}.json`)
      gone += 1
    }
  for await (const { key, sizeBytes } of store.list('uploads/'))
    if (key.includes('/images/') && (await sameBytes(key, sizeBytes))) {
      await store.delete(key)
      gone += 1
    }
  return gone
}

async function readJson<T>(store: ObjectStore, key: ObjectKey): Promise<T> {
  return JSON.parse(Buffer.from(await store.get(key)).toString()) as T
}
