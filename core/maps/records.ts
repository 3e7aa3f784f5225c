/**
 * A map in the store.
 *
 * Q1  `opened.json` is written last of the opening and names the folder of its segments, so whoever finds it finds them all.
 * Q2  A chunk is one create-only object: it is there whole or not at all, and the first one stands.
 * Q3  What a chunk gave is found again by the keys of its items, in this run as in others.
 */

import { isPlatformError } from '#core/errors'
import type { Json } from '#core/plan'
import { sha256Hex, type ObjectStore } from '#core/storage'

/** One generation of one map node. */
export interface MapPlace {
  readonly run: string
  readonly node: string
  /** Counts from 1; a resume of the run is the next one. */
  readonly generation: number
}

export interface Opened {
  readonly items: number
  /** Items whose results exist already. */
  readonly hits: number
  /** Items in segments. */
  readonly todo: number
  /** Folder of segments and hits: an attempt to open that died left one of its own. */
  readonly parts: string
}

/** What one chunk of items gave. */
export interface ChunkRecord {
  /** Among the items to do. */
  readonly from: number
  readonly to: number
  readonly ms: number
  readonly done: readonly { readonly index: number; readonly key: string; readonly output: Json }[]
  readonly failed: readonly { readonly index: number; readonly error: string }[]
}

/** Items of one segment; a chunk reads one or a few. */
export const SEGMENT_ITEMS = 1_000

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const padded = (count: number): string => String(count).padStart(9, '0')

const nodeFolder = ({ run, node }: Pick<MapPlace, 'run' | 'node'>): string => `runs/${run}/maps/${node}`
const folder = (place: MapPlace): string => `${nodeFolder(place)}/g${String(place.generation).padStart(4, '0')}`
export const segmentKey = (place: MapPlace, parts: string, number: number): string =>
  `${folder(place)}/${parts}/segments/${padded(number)}.jsonl`
export const hitsKey = (place: MapPlace, parts: string, number: number): string =>
  `${folder(place)}/${parts}/hits/${padded(number)}.jsonl`
const openedKey = (place: MapPlace): string => `${folder(place)}/opened.json`
const chunkKey = (place: MapPlace, from: number): string => `${folder(place)}/chunks/${padded(from)}.json`
const packFolder = (stepKey: string): string => `cache/items/${stepKey}/`

export const readOpened = (store: ObjectStore, place: MapPlace): Promise<Opened | null> =>
  readJson<Opened>(store, openedKey(place))

/** @returns the record that stands. */
export async function writeOpened(store: ObjectStore, place: MapPlace, opened: Opened): Promise<Opened> {
  if (await store.create(openedKey(place), encode(opened))) return opened
  return (await readOpened(store, place))!
}

export async function writeLines(store: ObjectStore, key: string, rows: readonly unknown[]): Promise<void> {
  await store.create(key, encoder.encode(rows.map((row) => `${JSON.stringify(row)}\n`).join('')))
}

export async function readLines<T>(store: ObjectStore, key: string): Promise<readonly T[]> {
  const text = decoder.decode(await store.get(key))
  return text === ''
    ? []
    : text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as T)
}

export const readChunk = (store: ObjectStore, place: MapPlace, from: number): Promise<ChunkRecord | null> =>
  readJson<ChunkRecord>(store, chunkKey(place, from))

/** @returns the record that stands. */
export async function writeChunk(store: ObjectStore, place: MapPlace, record: ChunkRecord): Promise<ChunkRecord> {
  if (await store.create(chunkKey(place, record.from), encode(record))) return record
  return (await readChunk(store, place, record.from))!
}

/** The chunks of this generation in the order of their items. */
export async function* chunksOf(store: ObjectStore, place: MapPlace): AsyncIterable<ChunkRecord> {
  for (const key of await keysUnder(store, `${folder(place)}/chunks/`)) yield (await readJson<ChunkRecord>(store, key))!
}

/** Offers the results of a chunk to every later map over the same code. */
export async function keepPack(store: ObjectStore, stepKey: string, { done }: ChunkRecord): Promise<void> {
  if (done.length === 0) return
  const pack = encode(done.map(({ key, output }) => [key, output]))
  await store.create(`${packFolder(stepKey)}${sha256Hex(pack)}.json`, pack)
}

/** Results by key: what earlier generations of this map gave and, where it is cached, what any map over the same code did. */
export async function knownResults(
  store: ObjectStore,
  place: MapPlace,
  stepKey: string | null,
): Promise<ReadonlyMap<string, Json>> {
  const known = new Map<string, Json>()
  const packs = stepKey === null ? [] : await keysUnder(store, packFolder(stepKey))
  for (const key of packs)
    for (const [item, output] of (await readJson<readonly [string, Json][]>(store, key)) ?? []) known.set(item, output)
  for (let generation = 1; generation < place.generation; generation += 1)
    for await (const { done } of chunksOf(store, { ...place, generation }))
      for (const { key, output } of done) known.set(key, output)
  return known
}

async function keysUnder(store: ObjectStore, prefix: string): Promise<readonly string[]> {
  const keys: string[] = []
  for await (const { key } of store.list(prefix)) keys.push(key)
  return keys.sort()
}

const encode = (value: unknown): Uint8Array => encoder.encode(JSON.stringify(value))

async function readJson<T>(store: ObjectStore, key: string): Promise<T | null> {
  try {
    return JSON.parse(decoder.decode(await store.get(key))) as T
  } catch (error) {
    if (isPlatformError(error) && error.code === 'OBJECT_NOT_FOUND') return null
    throw error
  }
}
