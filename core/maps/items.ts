/** Items of a map: where they come from, what their step gets, and by which keys their results are found again. */

import { createHash } from 'node:crypto'
import { PlatformError } from '#core/errors'
import { resolveItem, type Json } from '#core/plan'
import type { BlobRef } from '#core/steps'
import { blobKey, canonicalJson, digestJson, type ObjectStore } from '#core/storage'

/** What a map node gets when its turn has come (`Schedule`). */
export interface MapInput {
  /** A JSON array, or a table. */
  readonly over: Json
  /** The input of the step, with `{ $ref: '$item', path }` where the item goes. */
  readonly input: Json
}

/** What names the code of the step, whatever its items are. */
export interface ItemStep {
  readonly step: string
  readonly codeVersion: string
  readonly salt?: string
  /** Inputs that results do not depend on. */
  readonly ignore?: readonly string[]
}

export interface Item {
  /** In the order of the map's items, from 0. */
  readonly index: number
  readonly key: string
  readonly input: Json
}

/** Folder of an item cache: equal for equal code alone. */
export function stepKey({ step, codeVersion, salt }: ItemStep): string {
  return digestJson({ step, codeVersion, salt: salt ?? null })
}

/** @throws {PlatformError} `INVALID_INPUT` where there is nothing to map over; `OBJECT_CORRUPT`. */
export async function* itemsOf(
  store: ObjectStore,
  { over, input: template }: MapInput,
  step: ItemStep,
): AsyncIterable<Item> {
  let index = 0
  for await (const item of valuesOf(store, over)) {
    const input = resolveItem(template, item)
    yield { index, key: itemKey(input, step.ignore ?? []), input }
    index += 1
  }
}

function itemKey(input: Json, ignore: readonly string[]): string {
  const counts =
    ignore.length > 0 && isObject(input)
      ? Object.fromEntries(Object.entries(input).filter(([name]) => !ignore.includes(name)))
      : input
  return createHash('sha256').update(canonicalJson(counts)).digest('base64url')
}

async function* valuesOf(store: ObjectStore, over: Json): AsyncIterable<Json> {
  if (Array.isArray(over)) yield* over as readonly Json[]
  else if (isObject(over) && over['kind'] === 'table') yield* linesOf<Json>(store, over['blob'] as unknown as BlobRef)
  else throw new PlatformError('INVALID_INPUT', 'over: is neither a list nor a table; map over one of these')
}

function isObject(value: Json): value is Readonly<Record<string, Json>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const PART_BYTES = 4 << 20

/** The lines of a blob, a part at a time. @throws {PlatformError} `OBJECT_CORRUPT` after the last one. */
export async function* linesOf<T>(store: ObjectStore, { sha256, sizeBytes }: BlobRef): AsyncIterable<T> {
  const hash = createHash('sha256')
  const decoder = new TextDecoder()
  let rest = ''
  for (let offset = 0; offset < sizeBytes; offset += PART_BYTES) {
    const part = await store.getRange(blobKey(sha256), offset, Math.min(PART_BYTES, sizeBytes - offset))
    hash.update(part)
    const lines = (rest + decoder.decode(part, { stream: true })).split('\n')
    rest = lines.pop()!
    for (const line of lines) yield JSON.parse(line) as T
  }
  if (rest !== '') yield JSON.parse(rest) as T
  if (sizeBytes > 0 && hash.digest('hex') !== sha256)
    throw new PlatformError('OBJECT_CORRUPT', `blob ${sha256} holds other bytes; restore it from a backup`, { sha256 })
}
