/** The three acts of a map: opening finds what is to do, chunks do it, closing joins the rows in item order. */

import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { PlatformError } from '#core/errors'
import { mayLose, type Json } from '#core/plan'
import type { BlobRef, Table } from '#core/steps'
import { blobsIn, blobKey, putBlobFile, type ObjectStore } from '#core/storage'
import { itemsOf, stepKey, type Item, type ItemStep, type MapInput } from './items.ts'
import {
  chunksOf,
  hitsKey,
  keepPack,
  knownResults,
  readChunk,
  readLines,
  readOpened,
  SEGMENT_ITEMS,
  segmentKey,
  writeChunk,
  writeLines,
  writeOpened,
  type ChunkRecord,
  type MapPlace,
  type Opened,
} from './records.ts'

export interface MapRequest extends MapPlace {
  readonly of: ItemStep
  readonly input: MapInput
  /** Whether results of other maps stand in, and these for later ones. */
  readonly cache: boolean
}

interface Hit {
  readonly index: number
  readonly output: Json
}

/** Finds what is to do and writes it in segments. Done again after a crash, it takes what was written. */
export async function openMap(store: ObjectStore, request: MapRequest, signal: AbortSignal): Promise<Opened> {
  const standing = await readOpened(store, request)
  if (standing) return standing
  const { of, cache, input } = request
  const known = await knownResults(store, request, cache ? stepKey(of) : null)
  const intact = new IntactBlobs(store)
  const parts = randomBytes(6).toString('hex')
  const segments = new Batches<Item>((number, rows) => writeLines(store, segmentKey(request, parts, number), rows))
  const hits = new Batches<Hit>((number, rows) => writeLines(store, hitsKey(request, parts, number), rows))
  let items = 0
  for await (const item of itemsOf(store, input, of)) {
    signal.throwIfAborted()
    const output = known.get(item.key)
    if (output !== undefined && (await intact.all(output))) await hits.add({ index: item.index, output })
    else await segments.add(item)
    items += 1
  }
  await Promise.all([segments.end(), hits.end()])
  return writeOpened(store, request, { items, hits: hits.count, todo: segments.count, parts })
}

/** What carries out the step for some items, one after another. `error` is what the last attempt of an item died of. */
export type RunItems = (items: readonly Item[]) => Promise<{
  readonly ms: number
  readonly results: readonly ({ readonly output: Json } | { readonly error: string })[]
}>

export interface ChunkReport {
  readonly done: number
  readonly failed: number
  /** That the items themselves took. */
  readonly ms: number
}

/** Carries out items `from` to `to` (not included) of those to do; a chunk that stands is taken as it is. */
export async function runChunk(
  store: ObjectStore,
  request: MapRequest,
  { from, to }: { readonly from: number; readonly to: number },
  runItems: RunItems,
): Promise<ChunkReport> {
  const standing = await readChunk(store, request, from)
  if (standing) return reportOf(standing)
  const { parts } = (await readOpened(store, request))!
  const items = await segmentItems(store, request, parts, { from, to })
  const { ms, results } = await runItems(items)
  const rows = items.map((item, at) => ({ ...item, result: results[at]! }))
  const record = await writeChunk(store, request, {
    from,
    to,
    ms,
    done: rows.flatMap(({ index, key, result }) => ('output' in result ? [{ index, key, output: result.output }] : [])),
    failed: rows.flatMap(({ index, result }) => ('error' in result ? [{ index, error: result.error }] : [])),
  })
  if (request.cache) await keepPack(store, stepKey(request.of), record)
  return reportOf(record)
}

const reportOf = ({ done, failed, ms }: ChunkRecord): ChunkReport => ({ done: done.length, failed: failed.length, ms })

async function segmentItems(
  store: ObjectStore,
  place: MapPlace,
  parts: string,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<readonly Item[]> {
  const first = Math.floor(from / SEGMENT_ITEMS)
  const last = Math.floor((to - 1) / SEGMENT_ITEMS)
  const numbers = Array.from({ length: last - first + 1 }, (_, offset) => first + offset)
  const segments = await Promise.all(numbers.map((number) => readLines<Item>(store, segmentKey(place, parts, number))))
  return segments.flat().slice(from - first * SEGMENT_ITEMS, to - first * SEGMENT_ITEMS)
}

export interface CloseOptions {
  /** Share of the items, 0–1, that must have succeeded. */
  readonly atLeast: number
  /** A folder of this attempt alone. */
  readonly scratchDir: string
}

/**
 * Joins the results in item order; items that failed have no row.
 *
 * @throws {PlatformError} `MAP_ITEMS_FAILED` where fewer than `atLeast` succeeded.
 */
export async function closeMap(
  store: ObjectStore,
  request: MapRequest,
  { atLeast, scratchDir }: CloseOptions,
): Promise<Table<Json>> {
  const opened = (await readOpened(store, request))!
  const failures: ChunkRecord['failed'][number][] = []
  for await (const { failed } of chunksOf(store, request)) failures.push(...failed)
  if (failures.length > mayLose(opened.items, atLeast))
    throw tooManyFailed(request.node, opened.items, failures, atLeast)
  await mkdir(scratchDir, { recursive: true })
  try {
    const file = path.join(scratchDir, 'table.jsonl')
    let rows = 0
    const lines = async function* () {
      for await (const { output } of inItemOrder(hitsOf(store, request, opened), doneOf(store, request))) {
        rows += 1
        yield `${JSON.stringify(output)}\n`
      }
    }
    const blob = await putLines(store, file, lines())
    const failed = failures.length
    const told =
      failed === 0
        ? null
        : await putLines(
            store,
            file,
            failures.map((row) => `${JSON.stringify(row)}\n`),
          )
    return { kind: 'table', rows, blob, failed, failures: told }
  } finally {
    await rm(scratchDir, { recursive: true, force: true })
  }
}

function tooManyFailed(node: string, items: number, failures: ChunkRecord['failed'], atLeast: number): PlatformError {
  const [first] = failures
  const share = `${Number((100 * atLeast).toFixed(2))} %`
  return new PlatformError(
    'MAP_ITEMS_FAILED',
    `${failures.length} of ${items} items of ${node} failed, where ${share} must succeed; the first is item ${first!.index}: ${first!.error}`,
    { node, items, failed: failures.length },
  )
}

async function* hitsOf(store: ObjectStore, place: MapPlace, { hits, parts }: Opened): AsyncIterable<Hit> {
  for (let number = 0; number * SEGMENT_ITEMS < hits; number += 1)
    yield* await readLines<Hit>(store, hitsKey(place, parts, number))
}

async function* doneOf(store: ObjectStore, place: MapPlace): AsyncIterable<Hit> {
  for await (const { done } of chunksOf(store, place)) yield* done
}

/** Merges two streams that are in item order themselves. */
async function* inItemOrder(a: AsyncIterable<Hit>, b: AsyncIterable<Hit>): AsyncIterable<Hit> {
  const [left, right] = [a[Symbol.asyncIterator](), b[Symbol.asyncIterator]()]
  let [one, other] = await Promise.all([left.next(), right.next()])
  while (!one.done || !other.done) {
    if (other.done || (!one.done && one.value.index < other.value.index)) {
      yield one.value as Hit
      one = await left.next()
    } else {
      yield other.value
      other = await right.next()
    }
  }
}

async function putLines(
  store: ObjectStore,
  file: string,
  lines: Iterable<string> | AsyncIterable<string>,
): Promise<BlobRef> {
  await pipeline(Readable.from(lines), createWriteStream(file))
  return putBlobFile(store, file)
}

/** Rows on their way into objects of `SEGMENT_ITEMS`. */
class Batches<T> {
  count = 0
  #rows: T[] = []
  #number = 0

  constructor(private readonly write: (number: number, rows: readonly T[]) => Promise<void>) {}

  async add(row: T): Promise<void> {
    this.count += 1
    this.#rows.push(row)
    if (this.#rows.length === SEGMENT_ITEMS) await this.#flush()
  }

  async end(): Promise<void> {
    if (this.#rows.length > 0) await this.#flush()
  }

  async #flush(): Promise<void> {
    const rows = this.#rows
    this.#rows = []
    await this.write(this.#number, rows)
    this.#number += 1
  }
}

/** Whether the blobs of a result are all there; each is asked for once. */
class IntactBlobs {
  readonly #there = new Map<string, boolean>()

  constructor(private readonly store: ObjectStore) {}

  async all(output: Json): Promise<boolean> {
    for (const sha256 of blobsIn(output)) {
      const there = this.#there.get(sha256) ?? (await this.store.head(blobKey(sha256))) !== null
      this.#there.set(sha256, there)
      if (!there) return false
    }
    return true
  }
}
