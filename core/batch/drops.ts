/**
 * Images that somebody dropped on a page, on their way to a task: objects of the store, so that the process that takes
 * them in and the one that reads them share no disk.
 *
 *   uploads/<id>/begun.json        when, first
 *   uploads/<id>/images/<name>
 */

import { PlatformError } from '#core/errors'
import { namesUnder, type ObjectStore } from '#core/storage'
import { createOnce, readOrNull } from './records.ts'

/** A task reads its images within days, also after a resume. */
const KEPT_MS = 14 * 24 * 3_600_000
const SCHEME = 'upload:'

interface Begun {
  /** ISO 8601. */
  readonly at: string
}

export interface ImageDrop {
  /** What a task is given as its source. */
  readonly source: string
  /** @param file - local, and the caller's to remove. */
  keep(name: string, file: string): Promise<void>
  /** Leaves nothing behind. */
  discard(): Promise<void>
}

export async function openDrop(store: ObjectStore, id: string, now: number = Date.now()): Promise<ImageDrop> {
  await createOnce<Begun>(store, begunKey(id), { at: new Date(now).toISOString() })
  return {
    source: SCHEME + id,
    keep: async (name, file) => void (await store.createFromFile(imagesOf(id) + name, file)),
    discard: () => discard(store, id),
  }
}

/** The id in a task's source; null where it is a folder. */
export function dropIn(source: string): string | null {
  return source.startsWith(SCHEME) ? source.slice(SCHEME.length) : null
}

/** Names in ascending order. @throws {PlatformError} `DATASET_SOURCE_NOT_FOUND` when they are gone. */
export async function listDrop(store: ObjectStore, id: string): Promise<readonly string[]> {
  const names: string[] = []
  for await (const { key } of store.list(imagesOf(id))) names.push(key.slice(imagesOf(id).length))
  if (names.length > 0) return names
  throw new PlatformError(
    'DATASET_SOURCE_NOT_FOUND',
    'the dropped images are gone: they are kept for two weeks; drop them again',
    { id },
  )
}

export function readFromDrop(store: ObjectStore, id: string, name: string): Promise<Uint8Array> {
  return store.get(imagesOf(id) + name)
}

/** Removes what nobody can need any more. */
export async function removeOldDrops(store: ObjectStore, now: number = Date.now()): Promise<void> {
  for (const id of await namesUnder(store, 'uploads')) {
    const begun = await readOrNull<Begun>(store, begunKey(id))
    if (!begun || now - Date.parse(begun.at) > KEPT_MS) await discard(store, id)
  }
}

/** When it began goes last, so that an interrupted removal is taken up again. */
async function discard(store: ObjectStore, id: string): Promise<void> {
  for await (const { key } of store.list(imagesOf(id))) await store.delete(key)
  await store.delete(begunKey(id))
}

const begunKey = (id: string): string => `uploads/${id}/begun.json`
const imagesOf = (id: string): string => `uploads/${id}/images/`
