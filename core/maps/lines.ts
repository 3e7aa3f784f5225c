/** JSON lines in objects: written whole, read in parts, so that a table of any size needs little memory. */

import { PlatformError } from '#core/errors'
import type { Json } from '#core/plan'
import { blobKey, type ObjectKey, type ObjectStore } from '#core/storage'

const PART_BYTES = 1 << 20

export const encodeLines = (lines: readonly unknown[]): Uint8Array =>
  Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))

export async function* linesOf<T>(store: ObjectStore, key: ObjectKey): AsyncGenerator<T> {
  const { sizeBytes } = (await store.head(key)) ?? { sizeBytes: 0 }
  const decoder = new TextDecoder()
  let rest = ''
  for (let offset = 0; offset < sizeBytes; offset += PART_BYTES) {
    rest += decoder.decode(await store.getRange(key, offset, PART_BYTES), { stream: true })
    const lines = rest.split('\n')
    rest = lines.pop()!
    for (const line of lines) yield JSON.parse(line) as T
  }
  if (rest !== '') yield JSON.parse(rest) as T
}

/** The lines of all objects under a prefix, in the order of their keys. */
export async function* linesUnder<T>(store: ObjectStore, prefix: string): AsyncGenerator<T> {
  for await (const { key } of store.list(prefix)) yield* linesOf<T>(store, key)
}

/**
 * The items of a map.
 *
 * @throws {PlatformError} `INVALID_INPUT` for what is neither a list nor a table; `OBJECT_NOT_FOUND`.
 */
export async function* itemsOf(store: ObjectStore, over: Json): AsyncGenerator<Json> {
  if (Array.isArray(over)) return yield* over as readonly Json[]
  const { kind, blob } = (over ?? {}) as { readonly kind?: Json; readonly blob?: { readonly sha256: string } }
  if (kind !== 'table' || !blob)
    throw new PlatformError('INVALID_INPUT', 'over: a map goes over a list or a table; it was given neither')
  const key = blobKey(blob.sha256)
  if (!(await store.head(key))) await store.get(key)
  yield* linesOf<Json>(store, key)
}
