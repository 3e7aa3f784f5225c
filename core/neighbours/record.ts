/** Where the vectors and the map of a version's images are found again: a log of records for each set of images. */
import { imageSetOf } from '#core/datasets'
import { PlatformError } from '#core/errors'
import type { DatasetVersion, Neighbours } from '#core/steps'
import { blobKey, movePointer, readPointer, type ObjectStore } from '#core/storage'

type VersionName = Pick<DatasetVersion, 'dataset' | 'version'>

const prefixOf = (imageSet: string): string => `cache/neighbours/${imageSet}`

/** The newest record holds; whoever indexes with another embedder replaces it. */
export async function recordNeighbours(store: ObjectStore, neighbours: Neighbours, by: string): Promise<void> {
  await movePointer(store, prefixOf(await imageSetOf(store, neighbours.dataset)), neighbours, { by })
}

/**
 * Versions that differ in labels alone share one.
 *
 * @throws {PlatformError} `DATASET_NOT_FOUND`; `DATASET_NOT_MAPPED` where nobody has indexed these images, or its blobs
 * were collected since.
 */
export async function neighboursOf(store: ObjectStore, version: VersionName): Promise<Neighbours> {
  const record = await readPointer<Neighbours>(store, prefixOf(await imageSetOf(store, version)))
  if (record && (await store.head(blobKey(record.value.vectors.sha256)))) return record.value
  const { dataset, version: digest } = version
  throw new PlatformError(
    'DATASET_NOT_MAPPED',
    `version ${digest.slice(0, 12)} of ${dataset} has no index of similar images; run the pipeline dataset-map on it`,
    { dataset, version: digest },
  )
}
