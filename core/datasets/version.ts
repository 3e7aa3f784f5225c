/**
 * Dataset versions in the store. A version is a manifest naming two tables (facts of images; labels), each cut by
 * digest prefix into Parquet blobs that versions share where nothing changed. `refs/latest` is a pointer log.
 *
 * V1  A version's digest covers its logical rows alone: not packs, source names, runs or time.
 * V2  Blobs are written first, the manifest next, the pointer last: a crash leaves nothing visible or a whole version.
 * V3  `latest` only moves from the version that was merged with: of two concurrent writers the second merges again.
 */
import { createHash } from 'node:crypto'
import path from 'node:path'
import { isPlatformError, PlatformError } from '#core/errors'
import type { BlobRef, DatasetVersion } from '#core/steps'
import {
  blobFile,
  canonicalJson,
  movePointer,
  putBlobFile,
  readPointer,
  type ObjectStore,
  type PointerEntry,
} from '#core/storage'
import { readParquet, writeParquet, type ColumnType } from '#core/tables'
import type { ImageFacts, ImageLabel } from './types.ts'

/** A shard holds about so many rows at most; the number of shards is a power of 16. */
const SHARD_ROWS = 65_536

/** A row of facts with what only the look-up of near duplicates needs. */
export interface StoredFacts extends ImageFacts {
  /** `perceptualHash` of the image. */
  readonly look: string
}

export interface Shard {
  /** Hex digits that all digests in it begin with; '' where there is one shard. */
  readonly prefix: string
  readonly rows: number
  readonly blob: BlobRef
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
  readonly dataset: string
  readonly version: string
  readonly images: number
  /** Digest of the ascending image digests: equal where two versions differ in labels alone. */
  readonly imageSet: string
  readonly facts: readonly Shard[]
  readonly labels: readonly Shard[]
  readonly rules: DatasetRules
}

/** The whole logical content of a version; both tables ascending by digest, row by row of the same image. */
export interface Content {
  readonly facts: readonly StoredFacts[]
  readonly labels: readonly ImageLabel[]
  readonly rules: DatasetRules
}

/** The value of a ref. */
export interface RefValue {
  readonly version: string
  readonly images: number
  readonly note: string
}

const factColumns: Readonly<Record<keyof StoredFacts, ColumnType>> = {
  digest: 'text',
  pack: 'text',
  offset: 'integer',
  sizeBytes: 'integer',
  width: 'integer',
  height: 'integer',
  format: 'text',
  group: 'text',
  source: 'text',
  look: 'text',
}

const labelColumns: Readonly<Record<keyof ImageLabel, ColumnType>> = {
  digest: 'text',
  split: 'text',
  label: 'text',
  origin: 'text',
  humanSeen: 'boolean',
  randomDraw: 'boolean',
  excluded: 'text',
}

export function versionKey(dataset: string, version: string): string {
  return `datasets/${dataset}/versions/${version}.json`
}

export function refPrefix(dataset: string, ref: string): string {
  return `datasets/${dataset}/refs/${ref}`
}

/** @throws {PlatformError} `DATASET_NOT_FOUND`. */
export async function readManifest(store: ObjectStore, dataset: string, version: string): Promise<Manifest> {
  const bytes = await store.get(versionKey(dataset, version)).catch((error: unknown) => {
    if (!isPlatformError(error) || error.code !== 'OBJECT_NOT_FOUND') throw error
    throw new PlatformError(
      'DATASET_NOT_FOUND',
      `dataset ${dataset} has no version ${version}`,
      { dataset, version },
      { cause: error },
    )
  })
  return JSON.parse(Buffer.from(bytes).toString()) as Manifest
}

/** Digest of the images of a version, whatever their labels. */
export async function imageSetOf(
  store: ObjectStore,
  { dataset, version }: Pick<DatasetVersion, 'dataset' | 'version'>,
): Promise<string> {
  return (await readManifest(store, dataset, version)).imageSet
}

/** @param directory - a local folder for copies of shards, where the store is not a folder itself. */
export async function readFacts(store: ObjectStore, manifest: Manifest, directory: string): Promise<StoredFacts[]> {
  return readShards<StoredFacts>(store, manifest.facts, directory)
}

export async function readLabels(store: ObjectStore, manifest: Manifest, directory: string): Promise<ImageLabel[]> {
  return readShards<ImageLabel>(store, manifest.labels, directory)
}

async function readShards<R extends object>(
  store: ObjectStore,
  shards: readonly Shard[],
  directory: string,
): Promise<R[]> {
  const tables: R[][] = []
  for (const { blob } of shards) tables.push(await readParquet<R>(await blobFile(store, blob, directory)))
  return tables.flat()
}

/** A version with its tables in memory. */
export interface LoadedVersion extends Content {
  readonly manifest: Manifest
}

export async function loadVersion(
  store: ObjectStore,
  dataset: string,
  version: string,
  directory: string,
): Promise<LoadedVersion> {
  const manifest = await readManifest(store, dataset, version)
  const facts = await readFacts(store, manifest, directory)
  return { manifest, facts, labels: await readLabels(store, manifest, directory), rules: manifest.rules }
}

/**
 * Writes a complete version that nothing points to yet. The same content always gives the same digest.
 *
 * @param former - the version it was made from: a table taken over as it is (the same array) is not written again.
 */
export async function writeVersion(
  store: ObjectStore,
  dataset: string,
  content: Content,
  { former, directory }: { readonly former: LoadedVersion | null; readonly directory: string },
): Promise<Manifest> {
  const sameFacts = former?.facts === content.facts ? former.manifest : null
  const sameLabels = former?.labels === content.labels ? former.manifest : null
  const manifest: Manifest = {
    dataset,
    version: contentDigest(content),
    images: content.facts.length,
    imageSet: sameFacts?.imageSet ?? digestOfLines(content.facts, ({ digest }) => digest),
    facts: sameFacts?.facts ?? (await writeShards(store, content.facts, factColumns, directory)),
    labels: sameLabels?.labels ?? (await writeShards(store, content.labels, labelColumns, directory)),
    rules: content.rules,
  }
  await store.create(versionKey(dataset, manifest.version), Buffer.from(canonicalJson(manifest)))
  return manifest
}

/**
 * Moves `latest` to what `merge` makes of the version it points to, again and again until nobody else moved it meanwhile.
 *
 * @param merge - writes the version to move to; gets the digest that `latest` has now, null where there is no dataset yet.
 * @returns what `merge` gave in the end.
 */
export async function publish(
  store: ObjectStore,
  dataset: string,
  merge: (latest: string | null) => Promise<Manifest>,
  { by, note }: { readonly by: string; readonly note: string },
): Promise<Manifest> {
  for (;;) {
    const pointer = await readLatest(store, dataset)
    const manifest = await merge(pointer?.value.version ?? null)
    if (pointer?.value.version === manifest.version) return manifest
    const value: RefValue = { version: manifest.version, images: manifest.images, note }
    try {
      await movePointer(store, refPrefix(dataset, 'latest'), value, { by, expectedSeq: pointer?.seq ?? 0 })
      return manifest
    } catch (error) {
      if (!isPlatformError(error) || error.code !== 'POINTER_MOVED') throw error // V3
    }
  }
}

export function readLatest(store: ObjectStore, dataset: string): Promise<PointerEntry<RefValue> | null> {
  return readPointer<RefValue>(store, refPrefix(dataset, 'latest'))
}

export function toDatasetVersion({ dataset, version, images }: Omit<DatasetVersion, 'kind'>): DatasetVersion {
  return { kind: 'dataset-version', dataset, version, images }
}

/** V1. */
function contentDigest({ facts, labels }: Content): string {
  const rows = facts.map((fact, i) => [fact, labels[i]!] as const)
  return digestOfLines(rows, ([fact, label]) =>
    canonicalJson([
      fact.digest,
      fact.width,
      fact.height,
      fact.format,
      fact.group,
      label.split,
      label.label,
      label.origin,
      label.humanSeen,
      label.randomDraw,
      label.excluded,
    ]),
  )
}

function digestOfLines<T>(items: Iterable<T>, line: (item: T) => string): string {
  const hash = createHash('sha256')
  for (const item of items) hash.update(`${line(item)}\n`)
  return hash.digest('hex')
}

async function writeShards<R extends { readonly digest: string }>(
  store: ObjectStore,
  rows: readonly R[],
  columns: Readonly<Record<Extract<keyof R, string>, ColumnType>>,
  directory: string,
): Promise<Shard[]> {
  const shards: Shard[] = []
  const digits = prefixDigits(rows.length)
  for (let from = 0; from < rows.length || shards.length === 0;) {
    const prefix = rows[from]?.digest.slice(0, digits) ?? ''
    let to = from
    while (rows[to]?.digest.startsWith(prefix)) to++
    const file = path.join(directory, 'shard.parquet')
    await writeParquet(file, columns, rows.slice(from, to))
    shards.push({ prefix, rows: to - from, blob: await putBlobFile(store, file) })
    from = to
  }
  return shards
}

/** Digests are uniform, so k hex digits cut n rows into 16^k shards of about n / 16^k. */
function prefixDigits(rows: number): number {
  let digits = 0
  while (rows / 16 ** digits > SHARD_ROWS) digits++
  return digits
}
