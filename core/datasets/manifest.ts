/**
 * A version as it lies in the store: a manifest that names the shards of its tables. Versions share shards where nothing
 * changed. A table is base shards, cut by digest prefix, and deltas on top of them (T1 of core/tables).
 */
import { isPlatformError, PlatformError } from '#core/errors'
import type { BlobRef, DatasetVersion } from '#core/steps'
import { canonicalJson, type ObjectStore } from '#core/storage'
import type { LabelSchema } from './schema.ts'

export interface Shard {
  /** Hex digits that all digests in it begin with; '' where there is one shard. */
  readonly prefix: string
  readonly rows: number
  readonly blob: BlobRef
}

/** Whole rows that replace or add, and digests that went (`gone`). */
export interface Delta {
  readonly rows: number
  /** How many of them are `gone`. */
  readonly gone: number
  readonly blob: BlobRef
}

export interface Table {
  readonly base: readonly Shard[]
  /** Oldest first. */
  readonly deltas: readonly Delta[]
  /** Of the table as it is seen: without what was replaced. */
  readonly rows: number
}

/** Digests of the logical rows of all images whose digest begins alike. */
export interface PrefixSum {
  readonly prefix: string
  readonly rows: number
  /** Over image digests alone, and over all that a version's name covers. */
  readonly images: string
  readonly content: string
}

/** How the groups of near duplicates are dealt out to the splits. */
export interface SplitRule {
  /** Share of groups kept for evaluation, 0–1. */
  readonly heldOutShare: number
  readonly seed: number
}

/** What holds for the dataset as a whole, fixed by its first import (the threshold may tighten). */
export interface DatasetRules extends SplitRule {
  /** Correlation from which two images count as near duplicates. */
  readonly threshold: number
}

export interface Manifest {
  readonly format: 2
  readonly dataset: string
  readonly version: string
  readonly images: number
  /** Digest of the ascending image digests: equal where two versions differ in labels alone. */
  readonly imageSet: string
  readonly schema: LabelSchema | null
  readonly rules: DatasetRules
  readonly facts: Table
  readonly labels: Table
  readonly boxes: Table | null
  /** Ascending by prefix; null where the version was made before there were any. */
  readonly sums: readonly PrefixSum[] | null
}

/** Manifests without `format`, as they were written first. */
interface FirstManifest extends Pick<Manifest, 'dataset' | 'version' | 'images' | 'imageSet' | 'rules'> {
  readonly format?: undefined
  readonly facts: readonly Shard[]
  readonly labels: readonly Shard[]
}

export function versionKey(dataset: string, version: string): string {
  return `datasets/${dataset}/versions/${version}.json`
}

/** @throws {PlatformError} `DATASET_NOT_FOUND`; `DATASET_FORMAT_UNKNOWN` where a newer Gyre made the version. */
export async function readManifest(store: ObjectStore, dataset: string, version: string): Promise<Manifest> {
  const bytes = await readKept(store, dataset, version)
  if (!bytes)
    throw new PlatformError('DATASET_NOT_FOUND', `dataset ${dataset} has no version ${version}`, { dataset, version })
  const manifest = JSON.parse(Buffer.from(bytes).toString()) as Manifest | FirstManifest
  if (manifest.format === 2) return manifest
  if (manifest.format === undefined) return upgraded(manifest)
  throw new PlatformError(
    'DATASET_FORMAT_UNKNOWN',
    `version ${version} of ${dataset} has format ${String(manifest['format'])}, this Gyre reads up to 2; use a newer one`,
    { dataset, version },
  )
}

/** Also from the trash, where a version is whole until it goes for good; once more, since it may be brought back meanwhile. */
async function readKept(store: ObjectStore, dataset: string, version: string): Promise<Uint8Array | null> {
  const place = versionKey(dataset, version)
  for (const key of [place, `trash/versions/${dataset}/${version}.json`, place])
    try {
      return await store.get(key)
    } catch (error) {
      if (!isPlatformError(error) || error.code !== 'OBJECT_NOT_FOUND') throw error
    }
  return null
}

function upgraded({ facts, labels, ...manifest }: FirstManifest): Manifest {
  const table = (base: readonly Shard[]): Table => ({ base, deltas: [], rows: manifest.images })
  return { ...manifest, format: 2, schema: null, facts: table(facts), labels: table(labels), boxes: null, sums: null }
}

/**
 * Makes a version visible by its digest; nothing points to it yet.
 *
 * @returns the manifest that stands: where equal content was written before, the one of then.
 */
export async function storeManifest(store: ObjectStore, manifest: Manifest): Promise<Manifest> {
  const { dataset, version } = manifest
  const isNew = await store.create(versionKey(dataset, version), Buffer.from(canonicalJson(manifest)))
  return isNew ? manifest : readManifest(store, dataset, version)
}

/** Digest of the images of a version, whatever their labels. */
export async function imageSetOf(
  store: ObjectStore,
  { dataset, version }: Pick<DatasetVersion, 'dataset' | 'version'>,
): Promise<string> {
  return (await readManifest(store, dataset, version)).imageSet
}

export function toDatasetVersion({ dataset, version, images }: Omit<DatasetVersion, 'kind'>): DatasetVersion {
  return { kind: 'dataset-version', dataset, version, images }
}
