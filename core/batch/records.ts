/**
 * A batch task in the store. Every object is created once and never changed, so that an attempt after a crash goes on
 * where the last one stood:
 *
 *   batches/<id>/task.json         what runs over what: model and dataset version pinned at the first attempt
 *   batches/<id>/listing.json      how many images, and the blob that lists them: frozen before the first is read
 *   batches/<id>/shards/<n>.json   the rows of images [n · shardSize, (n + 1) · shardSize)
 *   batches/<id>/outcome.json      counts and results, last
 */

import { isPlatformError, PlatformError } from '#core/errors'
import type { Algorithm, BatchResults, BlobRef, DatasetVersion } from '#core/steps'
import { canonicalJson, namesUnder, readBlob, type ObjectStore } from '#core/storage'

export interface BatchTask {
  readonly id: string
  readonly run: string
  readonly node: string
  readonly model: BatchResults['model']
  /** What says something of the model's scores, with the fields of its output (null: it is no object). Left out, the likeliest class is the answer. */
  readonly algorithm?: Algorithm & { readonly name: string; readonly fields: readonly string[] | null }
  readonly source:
    | { readonly kind: 'folder'; readonly path: string }
    | { readonly kind: 'upload'; readonly id: string }
    | { readonly kind: 'dataset'; readonly version: DatasetVersion }
  readonly shardSize: number
  /** ISO 8601. */
  readonly startedAt: string
}

/** One image of the frozen listing. */
export interface BatchItem {
  /** As a person knows it: relative to the folder, or the source name in a dataset. */
  readonly path: string
  /** Digest, where it is known before reading. */
  readonly image: string | null
}

export interface BatchListing {
  readonly images: number
  /** Blob: JSON list of `BatchItem`. Apart, so that whoever asks how far a task is need not read it. */
  readonly items: BlobRef
}

/** What came of one image: a class with its score, what an algorithm says of it, or the reason why not. */
export interface BatchRow {
  readonly path: string
  /** SHA-256 of the image file; null where it could not be read. */
  readonly image: string | null
  readonly class: string | null
  /** Probability of that class, 0–1. */
  readonly score: number | null
  readonly reason: string | null
  /** Of an algorithm: what it said. `class` and `score` are then what a person would sort by. */
  readonly output?: unknown
}

/** What is learnt of one image by looking at it. */
export type BatchVerdict = Partial<Pick<BatchRow, 'class' | 'score' | 'reason' | 'output'>>

export interface BatchFailure {
  readonly path: string
  readonly reason: string
}

export interface BatchOutcome {
  readonly endedAt: string
  readonly images: number
  /** Blob: JSON list of `BatchFailure`. */
  readonly failures: BlobRef & { readonly count: number }
  readonly results: BatchResults['results']
}

/** A task as it stands, for people and scripts. Whether it still runs or was cancelled, its run knows. */
export interface BatchRecord {
  readonly id: string
  readonly run: string
  /** Pinned: `name@version`; of an algorithm, `its-name over name@version`. */
  readonly model: string
  /** `folder /images`, `dropped images` or `dataset surfaces`. */
  readonly source: string
  readonly startedAt: string
  /** Null until all results are there. */
  readonly endedAt: string | null
  /** Null until the images are listed. */
  readonly images: number | null
  /** Images of finished shards. */
  readonly done: number
  /** Empty until the end. */
  readonly failed: readonly BatchFailure[]
  readonly results: BatchResults['results'] | null
}

export type BatchFormat = keyof BatchResults['results']

const key = (id: string, name: string): string => `batches/${id}/${name}.json`
const shardKey = (id: string, shard: number): string => key(id, `shards/${String(shard).padStart(8, '0')}`)

export const outcomeKey = (id: string): string => key(id, 'outcome')
export const listingKey = (id: string): string => key(id, 'listing')
export const taskKey = (id: string): string => key(id, 'task')

/** Creates the object, or finds it as an earlier attempt made it. @returns what is stored. */
export async function createOnce<T>(store: ObjectStore, at: string, value: T): Promise<T> {
  if (await store.create(at, Buffer.from(canonicalJson(value)))) return value
  return (await readOrNull<T>(store, at))!
}

export async function readOrNull<T>(store: ObjectStore, at: string): Promise<T | null> {
  try {
    return JSON.parse(Buffer.from(await store.get(at)).toString()) as T
  } catch (error) {
    if (isPlatformError(error) && error.code === 'OBJECT_NOT_FOUND') return null
    throw error
  }
}

/** Numbers of the shards that are done. */
export async function finishedShards(store: ObjectStore, id: string): Promise<ReadonlySet<number>> {
  const finished = new Set<number>()
  for await (const { key: at } of store.list(`batches/${id}/shards/`))
    finished.add(Number(/(\d+)\.json$/.exec(at)?.[1]))
  return finished
}

export async function writeShard(
  store: ObjectStore,
  id: string,
  shard: number,
  rows: readonly BatchRow[],
): Promise<void> {
  await store.create(shardKey(id, shard), Buffer.from(canonicalJson(rows)))
}

export async function readShard(store: ObjectStore, id: string, shard: number): Promise<readonly BatchRow[]> {
  return JSON.parse(Buffer.from(await store.get(shardKey(id, shard))).toString()) as BatchRow[]
}

/** @throws {PlatformError} `BATCH_NOT_FOUND`. */
export async function batchRecord(store: ObjectStore, id: string): Promise<BatchRecord> {
  const task = await readTask(store, id)
  const outcome = await readOrNull<BatchOutcome>(store, outcomeKey(id))
  const facts = {
    id,
    run: task.run,
    model: shownModel(task),
    source: describeSource(task.source),
    startedAt: task.startedAt,
  }
  if (!outcome) return { ...facts, endedAt: null, ...(await progressOf(store, task)), failed: [], results: null }
  const { endedAt, images, results, failures } = outcome
  const failed = JSON.parse(Buffer.from(await readBlob(store, failures)).toString()) as BatchFailure[]
  return { ...facts, endedAt, images, done: images, failed, results }
}

function shownModel({ model: { name, version }, algorithm }: BatchTask): string {
  return `${algorithm ? `${algorithm.name} over ` : ''}${name}@${version}`
}

/** For people: `folder /images`, `dropped images`, `dataset surfaces`. */
export function describeSource(source: BatchTask['source']): string {
  if (source.kind === 'upload') return 'dropped images'
  return source.kind === 'folder' ? `folder ${source.path}` : `dataset ${source.version.dataset}`
}

/** All tasks, newest first. */
export async function listBatches(store: ObjectStore): Promise<readonly BatchRecord[]> {
  const ids = await namesUnder(store, 'batches')
  const records = await Promise.all(ids.map((id) => batchRecord(store, id)))
  return records.sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1))
}

/**
 * @returns the bytes of the results: CSV and JSON with a row per image, or a page with pictures.
 * @throws {PlatformError} `BATCH_NOT_FOUND`; `BATCH_NOT_FINISHED`.
 */
export async function batchResults(store: ObjectStore, id: string, format: BatchFormat): Promise<Uint8Array> {
  await readTask(store, id)
  const outcome = await readOrNull<BatchOutcome>(store, outcomeKey(id))
  if (!outcome)
    throw new PlatformError(
      'BATCH_NOT_FINISHED',
      `batch task ${id} has no results yet; see \`gyre run show\` for how far it is`,
      {
        id,
      },
    )
  return readBlob(store, outcome.results[format])
}

async function readTask(store: ObjectStore, id: string): Promise<BatchTask> {
  const task = await readOrNull<BatchTask>(store, taskKey(id))
  if (!task)
    throw new PlatformError('BATCH_NOT_FOUND', `there is no batch task ${id}; list them with \`gyre batch list\``, {
      id,
    })
  return task
}

async function progressOf(
  store: ObjectStore,
  { id, shardSize }: BatchTask,
): Promise<{ images: number | null; done: number }> {
  const listing = await readOrNull<BatchListing>(store, listingKey(id))
  if (!listing) return { images: null, done: 0 }
  const finished = (await finishedShards(store, id)).size
  // Only the last shard is shorter; which one is missing is not worth a look.
  return { images: listing.images, done: Math.min(listing.images, finished * shardSize) }
}
