/**
 * A stream as one JSON file, for readers that have no client of the store: where the index and the packs are, as files of
 * this machine or as addresses that need no login. `apps/trainer/gyre_data.py` reads it.
 */
import { currentPack } from '#core/datasets'
import type { BlobRef, DatasetVersion } from '#core/steps'
import { blobKey, type ObjectStore } from '#core/storage'
import { readStreamIndex, streamIndexBlob, type Choice, type Place } from './stream-index.ts'
import { chosen } from './stream.ts'

/** The longest that an address of a bucket may hold. */
const WEEK_SECONDS = 7 * 24 * 3600

export interface StreamDescription {
  readonly format: 1
  readonly dataset: string
  readonly version: string
  readonly samples: number
  readonly classes: readonly string[]
  readonly index: BlobRef & { readonly at: string }
  /** Where each place of the index is; null for an image in a bucket of somebody else. */
  readonly places: readonly (string | null)[]
  /** ISO 8601; null where nothing expires. */
  readonly expiresAt: string | null
}

/**
 * @param scratchDir - where files go when the store is neither a folder nor a bucket.
 * @throws {PlatformError} as `openStream`.
 */
export async function describeStream(
  store: ObjectStore,
  version: Pick<DatasetVersion, 'dataset' | 'version'>,
  { scratchDir, now = Date.now(), ...choice }: Partial<Choice> & { readonly scratchDir: string; readonly now?: number },
): Promise<StreamDescription> {
  const blob = await streamIndexBlob(store, version, chosen(choice))
  const { dataset, version: digest, samples, classes, places } = await readStreamIndex(store, blob)
  const reach = (sha256: string): Promise<string> =>
    store.presign
      ? store.presign({ method: 'GET', key: blobKey(sha256), expiresSeconds: WEEK_SECONDS })
      : store.localFile(blobKey(sha256), scratchDir)
  const reachPlace = async (place: Place): Promise<string | null> =>
    'uri' in place ? null : reach(await currentPack(store, place.sha256))
  return {
    format: 1,
    dataset,
    version: digest,
    samples,
    classes,
    index: { ...blob, at: await reach(blob.sha256) },
    places: await Promise.all(places.map(reachPlace)),
    expiresAt: store.presign ? new Date(now + WEEK_SECONDS * 1000).toISOString() : null,
  }
}
