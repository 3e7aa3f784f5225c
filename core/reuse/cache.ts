/** Results that may stand in for computing again: the same code on the same inputs with the same parameters. */

import { isPlatformError } from '#core/errors'
import type { Json } from '#core/plan'
import { canonicalJson, digestJson, type ObjectStore } from '#core/storage'
import { artifactTrouble, type ArtifactTrouble } from './artifacts.ts'

export interface CacheEntry {
  readonly output: Json
  readonly run: string
  readonly node: string
}

/**
 * @param input - parsed by the step's schema, so that equal meanings have equal keys.
 * @param salt - of the node's policy.
 */
export function cacheKey(step: string, codeVersion: string, input: Json, salt?: string): string {
  return digestJson({ step, codeVersion, input, ...(salt === undefined ? {} : { salt }) })
}

const objectKey = (key: string): string => `cache/steps/${key.slice(0, 2)}/${key}.json`

/** @returns the entry, null where there is none, or what is wrong with its artifacts. */
export async function lookUp(store: ObjectStore, key: string): Promise<CacheEntry | ArtifactTrouble | null> {
  const entry = await readEntry(store, key)
  return entry && ((await artifactTrouble(store, entry.output)) ?? entry)
}

/** The entry as it was written, whatever became of its artifacts. */
export async function readEntry(store: ObjectStore, key: string): Promise<CacheEntry | null> {
  try {
    return JSON.parse(new TextDecoder().decode(await store.get(objectKey(key)))) as CacheEntry
  } catch (error) {
    if (isPlatformError(error) && error.code === 'OBJECT_NOT_FOUND') return null
    throw error
  }
}

export async function remember(store: ObjectStore, key: string, entry: CacheEntry): Promise<void> {
  await store.create(objectKey(key), new TextEncoder().encode(canonicalJson(entry)))
}

/** Lets the next result of this key be remembered. */
export function forget(store: ObjectStore, key: string): Promise<void> {
  return store.delete(objectKey(key))
}
