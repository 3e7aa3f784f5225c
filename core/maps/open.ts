/** Opens a map: reads its items, takes what is known of them, and writes what is to be done in segments. */

import { setImmediate } from 'node:timers/promises'
import { resolveItem, type Json } from '#core/plan'
import { canonicalJson, type ObjectStore } from '#core/storage'
import {
  generationFolder,
  itemCacheFolder,
  itemKey,
  mapFolder,
  SEGMENT_ITEMS,
  segmentKey,
  type MapWork,
  type ResultLine,
  type TodoLine,
} from './layout.ts'
import { encodeLines, itemsOf, linesOf, linesUnder } from './lines.ts'

export interface OpenedMap {
  readonly total: number
  /** Items whose results stood in. */
  readonly hits: number
  readonly todo: number
  /** Where the segments lie. */
  readonly folder: string
}

/**
 * The same answer however often it is asked within a generation.
 *
 * @param attempt - whose segments these are; those of an attempt that died are left alone.
 * @throws {PlatformError} as `itemsOf`; the signal's reason.
 */
export async function openMap(
  store: ObjectStore,
  work: MapWork,
  { attempt, signal }: { readonly attempt: number; readonly signal: AbortSignal },
): Promise<OpenedMap> {
  const openedKey = `${generationFolder(work)}opened.json`
  for await (const opened of linesOf<OpenedMap>(store, openedKey)) return opened
  const known = await knownResults(store, work)
  const folder = `${generationFolder(work)}a${attempt}/`
  const todo = new Segments<TodoLine>(store, folder, 'todo')
  const hits = new Segments<ResultLine>(store, folder, 'known')
  let total = 0
  for await (const item of itemsOf(store, work.over)) {
    const input = resolveItem(work.template, item)
    const key = itemKey(work, input)
    const out = known.ofItem(total, key)
    if (out === undefined) await todo.add({ i: total, k: key, in: input })
    else await hits.add({ i: total, k: key, out })
    total += 1
    if (total % SEGMENT_ITEMS === 0) {
      await setImmediate()
      signal.throwIfAborted()
    }
  }
  await Promise.all([todo.flush(), hits.flush()])
  const opened: OpenedMap = { total, hits: hits.count, todo: todo.count, folder }
  if (await store.create(openedKey, Buffer.from(canonicalJson(opened)))) return opened
  return openMap(store, work, { attempt, signal })
}

/** What this run had done before it was resumed, by place; what any run has done, by key. */
async function knownResults(store: ObjectStore, work: MapWork) {
  const byPlace = new Map<string, Json>()
  const byKey = new Map<string, Json>()
  if (work.generation > 1)
    for await (const { i, k, out } of linesUnder<Partial<ResultLine>>(store, mapFolder(work)))
      if (i !== undefined && out !== undefined) byPlace.set(`${i} ${k}`, out)
  if (work.cache)
    for await (const { k, out } of linesUnder<Pick<ResultLine, 'k' | 'out'>>(store, itemCacheFolder(work)))
      byKey.set(k, out!)
  return { ofItem: (index: number, key: string): Json | undefined => byPlace.get(`${index} ${key}`) ?? byKey.get(key) }
}

/** Lines on their way to objects of 1,000 each. */
class Segments<Line> {
  count = 0
  #lines: Line[] = []

  constructor(
    private readonly store: ObjectStore,
    private readonly folder: string,
    private readonly kind: 'todo' | 'known',
  ) {}

  async add(line: Line): Promise<void> {
    this.#lines.push(line)
    this.count += 1
    if (this.#lines.length === SEGMENT_ITEMS) await this.flush()
  }

  async flush(): Promise<void> {
    if (this.#lines.length === 0) return
    const segment = Math.ceil(this.count / SEGMENT_ITEMS) - 1
    await this.store.create(segmentKey(this.folder, this.kind, segment), encodeLines(this.#lines))
    this.#lines = []
  }
}
