/**
 * Images that were deleted everywhere, and the packs that were written anew without their bytes. Tables of old versions
 * still have a row for such an image, and name the pack it lay in.
 *
 * `deleted/<digest>.json`         who deleted the image, when and why; first, so that no import brings it back
 * `blobs/replaced/<pack>.json`    the pack of the same layout that took the place of one
 */
import { isPlatformError, PlatformError } from '#core/errors'
import { blobKey, canonicalJson, type ObjectKey, type ObjectStore } from '#core/storage'

export interface Deletion {
  readonly digest: string
  readonly by: string
  /** ISO 8601. */
  readonly at: string
  readonly reason: string
}

/** @returns the deletion that stands: this one, or an earlier one of the same image. */
export async function recordDeletion(store: ObjectStore, deletion: Deletion): Promise<Deletion> {
  if (await store.create(deletionKey(deletion.digest), Buffer.from(canonicalJson(deletion)))) return deletion
  return (await readDeletion(store, deletion.digest))!
}

export function readDeletion(store: ObjectStore, digest: string): Promise<Deletion | null> {
  return readJson<Deletion>(store, deletionKey(digest))
}

/** Digests of all images that were ever deleted. */
export async function deletedImages(store: ObjectStore): Promise<ReadonlySet<string>> {
  const digests = new Set<string>()
  for await (const { key } of store.list('deleted/')) {
    const digest = /^deleted\/([0-9a-f]{64})\.json$/.exec(key)?.[1]
    if (digest) digests.add(digest)
  }
  return digests
}

/** @throws {PlatformError} `IMAGE_DELETED` where it was. */
export async function refuseDeleted(store: ObjectStore, digest: string): Promise<void> {
  const deletion = await readDeletion(store, digest)
  if (!deletion) return
  const { by, at, reason } = deletion
  throw new PlatformError(
    'IMAGE_DELETED',
    `image ${digest} was deleted everywhere by ${by} on ${at.slice(0, 10)} (${reason}); use a version without it`,
    { digest, by, at, reason },
  )
}

/** @returns false when another pack took its place before. */
export function replacePack(store: ObjectStore, pack: string, by: string): Promise<boolean> {
  return store.create(replacementKey(pack), Buffer.from(canonicalJson({ pack: by })))
}

/** The pack that has the bytes now; the one asked for where none took its place. */
export async function currentPack(store: ObjectStore, pack: string): Promise<string> {
  for (let current = pack; ;) {
    const next = await readJson<{ pack: string }>(store, replacementKey(current))
    if (!next) return current
    current = next.pack
  }
}

/** Bytes of a pack, wherever they are now. @throws {PlatformError} `OBJECT_NOT_FOUND`. */
export async function readPack(store: ObjectStore, pack: string, offset: number, length: number): Promise<Uint8Array> {
  try {
    return await store.getRange(blobKey(pack), offset, length)
  } catch (error) {
    if (!isPlatformError(error) || error.code !== 'OBJECT_NOT_FOUND') throw error
    const current = await currentPack(store, pack)
    if (current === pack) throw error
    return store.getRange(blobKey(current), offset, length)
  }
}

const deletionKey = (digest: string): ObjectKey => `deleted/${digest}.json`
const replacementKey = (pack: string): ObjectKey => `blobs/replaced/${pack}.json`

async function readJson<T>(store: ObjectStore, key: ObjectKey): Promise<T | null> {
  try {
    return JSON.parse(Buffer.from(await store.get(key)).toString()) as T
  } catch (error) {
    if (isPlatformError(error) && error.code === 'OBJECT_NOT_FOUND') return null
    throw error
  }
}
