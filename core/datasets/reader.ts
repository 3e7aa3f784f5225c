/** Finds dataset versions by name and reads them: rows, labels, image bytes. */
import { PlatformError } from '#core/errors'
import type { DatasetVersion } from '#core/steps'
import { namesUnder, pointerHistory, readPointer, type ObjectStore } from '#core/storage'
import type { TableSession } from '#core/tables'
import { readManifest, toDatasetVersion, type Manifest } from './manifest.ts'
import { readImage, type StoredImage } from './packs.ts'
import { imagesIn, placesIn } from './places.ts'
import { readLatest, refPrefix, type RefValue } from './refs.ts'
import type { LabelSchema } from './schema.ts'
import { columnsOf, openTables, withTables, type TablesOptions } from './tables.ts'
import type { Box, ImageFacts, ImageLabel } from './types.ts'

export interface DatasetReader {
  readonly version: DatasetVersion
  readonly manifest: Manifest
  readonly schema: LabelSchema | null
  /** Ascending by digest. */
  facts(): Promise<readonly ImageFacts[]>
  /** Ascending by digest, row by row of the same images as `facts`. */
  labels(): Promise<readonly ImageLabel[]>
  /** Ascending by digest and number. */
  boxes(): Promise<readonly Box[]>
  /** The names of all labels that are given, ascending. */
  classes(): Promise<readonly string[]>
  /** SQL over all three: for what needs not all rows in memory. To be closed. */
  tables(options?: TablesOptions): Promise<TableSession>
  /** @throws {PlatformError} `OBJECT_NOT_FOUND` when the version has no such image. */
  imageBytes(digest: string): Promise<Uint8Array>
  /** All images, or those asked for, in the order of their packs: few large reads. */
  images(digests?: Iterable<string>): AsyncIterable<StoredImage>
}

/** @throws {PlatformError} `DATASET_NOT_FOUND`. */
export async function openVersion(
  store: ObjectStore,
  { dataset, version }: Pick<DatasetVersion, 'dataset' | 'version'>,
): Promise<DatasetReader> {
  const manifest = await readManifest(store, dataset, version)
  let facts: Promise<readonly ImageFacts[]> | undefined
  let labels: Promise<readonly ImageLabel[]> | undefined
  let boxes: Promise<readonly Box[]> | undefined

  const all = <R extends object>(sql: string): Promise<readonly R[]> =>
    withTables(store, manifest, (tables) => tables.query<R>(sql))
  const readAllFacts = (): Promise<readonly ImageFacts[]> =>
    (facts ??= all(`SELECT ${columnsOf('facts')} FROM facts ORDER BY digest`))
  const placeOf = placesIn(store, manifest)
  const readAllLabels = (): Promise<readonly ImageLabel[]> =>
    (labels ??= all(`SELECT ${columnsOf('labels')} FROM labels ORDER BY digest`))

  return {
    version: toDatasetVersion(manifest),
    manifest,
    schema: manifest.schema,
    facts: readAllFacts,
    labels: readAllLabels,
    boxes: () => (boxes ??= all(`SELECT ${columnsOf('boxes')} FROM boxes ORDER BY digest, number`)),
    classes: async () => {
      const names = await all<{ label: string }>('SELECT DISTINCT label FROM labels WHERE label IS NOT NULL')
      return names.map(({ label }) => label).sort()
    },
    tables: (options) => openTables(store, manifest, options),
    imageBytes: async (digest) => readImage(store, await placeOf(digest)),
    images: (digests) => imagesIn(store, manifest, digests),
  }
}

/**
 * @param spec - `name`, `name@latest`, `name@<ref>` or `name@<first digits of a version's digest>`.
 * @throws {PlatformError} `DATASET_NOT_FOUND`; `INVALID_INPUT` when the digits fit several versions.
 */
export async function resolveVersion(store: ObjectStore, spec: string): Promise<DatasetVersion> {
  const [dataset = '', suffix = 'latest'] = spec.split('@', 2)
  const pointer =
    /^[a-z0-9-]+$/.test(dataset) && /^[a-z0-9-]+$/.test(suffix)
      ? await readPointer<RefValue>(store, refPrefix(dataset, suffix))
      : null
  if (pointer) return toDatasetVersion({ dataset, ...pointer.value })
  const matches = /^[0-9a-f]{6,64}$/.test(suffix) ? await versionsWith(store, dataset, suffix) : []
  if (matches.length > 1)
    throw new PlatformError('INVALID_INPUT', `${spec} fits ${matches.length} versions; give more digits`, { spec })
  if (!matches[0])
    throw new PlatformError(
      'DATASET_NOT_FOUND',
      (await readLatest(store, dataset))
        ? `dataset ${dataset} has no version ${suffix}`
        : `no dataset is called ${dataset}`,
      { spec },
    )
  return toDatasetVersion(await readManifest(store, dataset, matches[0]))
}

async function versionsWith(store: ObjectStore, dataset: string, digits: string): Promise<string[]> {
  const prefix = `datasets/${dataset}/versions/`
  const versions: string[] = []
  for await (const { key } of store.list(prefix + digits)) versions.push(key.slice(prefix.length, -'.json'.length))
  return versions
}

export interface DatasetSummary {
  readonly name: string
  readonly version: string
  readonly images: number
  /** ISO 8601: when `latest` moved there. */
  readonly updatedAt: string
}

/** Ascending by name. */
export async function listDatasets(store: ObjectStore): Promise<readonly DatasetSummary[]> {
  const summaries: DatasetSummary[] = []
  for (const name of await namesUnder(store, 'datasets')) {
    const latest = await readLatest(store, name)
    if (!latest) continue // A first import that has not ended.
    const { version, images } = latest.value
    summaries.push({ name, version, images, updatedAt: latest.at })
  }
  return summaries
}

export interface DatasetMove extends RefValue {
  readonly seq: number
  readonly at: string
  readonly by: string
}

/**
 * Every move of `latest`, oldest first.
 *
 * @throws {PlatformError} `DATASET_NOT_FOUND`.
 */
export async function datasetHistory(store: ObjectStore, dataset: string): Promise<readonly DatasetMove[]> {
  const history = await pointerHistory<RefValue>(store, refPrefix(dataset, 'latest'))
  if (history.length === 0) throw new PlatformError('DATASET_NOT_FOUND', `no dataset is called ${dataset}`, { dataset })
  return history.map(({ seq, at, by, value }) => ({ seq, at, by, ...value }))
}
