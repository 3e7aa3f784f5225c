/** Results that may stand in for computing again: the same code on the same inputs with the same parameters. */

import { PlatformError } from '#core/errors'
import type { Json } from '#core/plan'
import { blobKey, blobsIn, canonicalJson, digestJson, type ObjectStore } from '#core/storage'

export interface CacheEntry {
  readonly output: Json
  readonly run: string
  readonly node: string
}

/** @param input - parsed by the step's schema, so that equal meanings have equal keys. */
export function cacheKey(step: string, codeVersion: string, input: Json): string {
  return digestJson({ step, codeVersion, input })
}

const objectKey = (key: string): string => `cache/steps/${key.slice(0, 2)}/${key}.json`

/** @returns the entry, or why there is none that can be used. */
export async function lookUp(store: ObjectStore, key: string): Promise<CacheEntry | 'none' | 'artifact is gone'> {
  let entry: CacheEntry
  try {
    entry = JSON.parse(new TextDecoder().decode(await store.get(objectKey(key)))) as CacheEntry
  } catch (error) {
    if (error instanceof PlatformError && error.code === 'OBJECT_NOT_FOUND') return 'none'
    throw error
  }
  for (const sha256 of blobsIn(entry.output))
    if ((await store.head(blobKey(sha256))) === null) {
      await store.delete(objectKey(key))
      return 'artifact is gone'
    }
  return entry
}

export async function remember(store: ObjectStore, key: string, entry: CacheEntry): Promise<void> {
  await store.create(objectKey(key), new TextEncoder().encode(canonicalJson(entry)))
}
