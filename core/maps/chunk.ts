/** Does a chunk of a map's items and keeps what came of them in one object. */

import type { Json } from '#core/plan'
import { sha256Hex, type ObjectStore } from '#core/storage'
import {
  chunkKey,
  itemCacheFolder,
  SEGMENT_ITEMS,
  segmentKey,
  type MapItem,
  type MapWork,
  type ResultLine,
  type TodoLine,
} from './layout.ts'
import { encodeLines, linesOf } from './lines.ts'

/** Items [from, to) among those to be done. */
export interface Chunk {
  readonly from: number
  readonly to: number
}

export interface ChunkSummary {
  readonly items: number
  readonly failed: number
  /** Milliseconds that the items took. */
  readonly ms: number
}

export type ItemResult =
  { readonly output: Json } | { readonly error: { readonly code: string; readonly message: string } }

/** Carries items out one after another. @returns as many results, in order. */
export type ItemRunner = (items: readonly MapItem[]) => Promise<readonly ItemResult[]>

/** @param folder - where the segments lie, as `openMap` said. */
export async function runChunk(
  store: ObjectStore,
  work: MapWork,
  folder: string,
  chunk: Chunk,
  run: ItemRunner,
): Promise<ChunkSummary> {
  const key = chunkKey(work, chunk.from)
  const before = await summaryOf(store, key)
  if (before) return before
  const todo = await itemsIn(store, folder, chunk)
  const started = performance.now()
  const results = await run(todo.map((line) => ({ index: line.i, input: line.in })))
  const ms = performance.now() - started
  const lines = todo.map(({ i, k }, at): ResultLine => {
    const result = results[at]!
    return 'error' in result ? { i, k, error: result.error } : { i, k, out: result.output }
  })
  const summary: ChunkSummary = { items: lines.length, failed: lines.filter(({ error }) => error).length, ms }
  const created = await store.create(key, encodeLines([summary, ...lines]))
  if (!created) return (await summaryOf(store, key))!
  if (work.cache) await rememberItems(store, work, lines)
  return summary
}

async function summaryOf(store: ObjectStore, key: string): Promise<ChunkSummary | null> {
  for await (const summary of linesOf<ChunkSummary>(store, key)) return summary
  return null
}

async function itemsIn(store: ObjectStore, folder: string, { from, to }: Chunk): Promise<readonly TodoLine[]> {
  const items: TodoLine[] = []
  for (let segment = Math.floor(from / SEGMENT_ITEMS); segment * SEGMENT_ITEMS < to; segment += 1) {
    let at = segment * SEGMENT_ITEMS
    for await (const line of linesOf<TodoLine>(store, segmentKey(folder, 'todo', segment))) {
      if (at >= from && at < to) items.push(line)
      at += 1
    }
  }
  return items
}

async function rememberItems(store: ObjectStore, work: MapWork, lines: readonly ResultLine[]): Promise<void> {
  const known = lines.filter(({ error }) => !error).map(({ k, out }) => ({ k, out }))
  if (known.length === 0) return
  const bytes = encodeLines(known)
  await store.create(`${itemCacheFolder(work)}${sha256Hex(bytes)}`, bytes)
}
