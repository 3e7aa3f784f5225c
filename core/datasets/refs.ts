/** Refs: names that point to versions. Each is a pointer log; `latest` is one of them. */
import { isPlatformError } from '#core/errors'
import { movePointer, readPointer, type ObjectStore, type PointerEntry } from '#core/storage'
import type { Manifest } from './manifest.ts'

/** The value of a ref. */
export interface RefValue {
  readonly version: string
  readonly images: number
  readonly note: string
}

export function refPrefix(dataset: string, ref: string): string {
  return `datasets/${dataset}/refs/${ref}`
}

export function readRef(store: ObjectStore, dataset: string, ref: string): Promise<PointerEntry<RefValue> | null> {
  return readPointer<RefValue>(store, refPrefix(dataset, ref))
}

export function readLatest(store: ObjectStore, dataset: string): Promise<PointerEntry<RefValue> | null> {
  return readRef(store, dataset, 'latest')
}

export interface PublishOptions {
  readonly by: string
  readonly note: string
  /** `latest` by default. */
  readonly ref?: string
}

/**
 * Moves a ref to what `merge` makes of the version it points to, again and again until nobody else moved it meanwhile.
 *
 * V3  A ref only moves from the version that was merged with: of two concurrent writers the second merges again.
 *
 * @param merge - writes the version to move to; gets the digest that the ref has now, null where it has none yet.
 * @returns what `merge` gave in the end.
 */
export async function publish(
  store: ObjectStore,
  dataset: string,
  merge: (current: string | null) => Promise<Manifest>,
  { by, note, ref = 'latest' }: PublishOptions,
): Promise<Manifest> {
  for (;;) {
    const pointer = await readRef(store, dataset, ref)
    const manifest = await merge(pointer?.value.version ?? null)
    if (pointer?.value.version === manifest.version) return manifest
    const value: RefValue = { version: manifest.version, images: manifest.images, note }
    try {
      await movePointer(store, refPrefix(dataset, ref), value, { by, expectedSeq: pointer?.seq ?? 0 })
      return manifest
    } catch (error) {
      if (!isPlatformError(error) || error.code !== 'POINTER_MOVED') throw error // V3
    }
  }
}
