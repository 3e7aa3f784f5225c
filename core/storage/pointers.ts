/**
 * Pointers: names that move (a dataset's ref, a model's alias, an endpoint's traffic). A pointer is a log of create-only
 * entries `<prefix>/<seq, 10 digits>.json`; the highest seq is its value, and the rest is its history for free.
 *
 * P1  Moving creates exactly the next seq, so of two concurrent moves from one state one wins and the other learns it (S2).
 * P2  A crash leaves the former value or the new one, nothing between (S3).
 */

import { PlatformError } from '#core/errors'
import { canonicalJson } from './canonical-json.ts'
import type { ObjectKey, ObjectStore } from './object-store.ts'

export interface PointerEntry<T> {
  /** Counts from 1. */
  readonly seq: number
  readonly value: T
  /** ISO 8601. */
  readonly at: string
  /** Who moved it: a user's name, a run's id. */
  readonly by: string
}

export interface MoveOptions {
  readonly by: string
  /** The seq that must be the highest for the move to happen; 0 where there must be no entry yet. */
  readonly expectedSeq?: number
}

/** The value now, or null when the pointer was never set. */
export async function readPointer<T>(store: ObjectStore, prefix: string): Promise<PointerEntry<T> | null> {
  const seq = await highestSeq(store, prefix)
  return seq === 0 ? null : readEntry<T>(store, prefix, seq)
}

/**
 * Sets the pointer to a JSON value.
 *
 * @returns the seq of the new entry.
 * @throws {PlatformError} `POINTER_MOVED` when `expectedSeq` is given and somebody else moved it first.
 */
export async function movePointer(
  store: ObjectStore,
  prefix: string,
  value: unknown,
  { by, expectedSeq }: MoveOptions,
): Promise<number> {
  const entry = Buffer.from(canonicalJson({ value, at: new Date().toISOString(), by }))
  let seq = (expectedSeq ?? (await highestSeq(store, prefix))) + 1
  while (!(await store.create(entryKey(prefix, seq), entry))) {
    if (expectedSeq !== undefined)
      throw new PlatformError(
        'POINTER_MOVED',
        `${prefix} was moved by somebody else since entry ${expectedSeq}; look again`,
        {
          prefix,
          expectedSeq,
        },
      )
    seq += 1
  }
  return seq
}

/** All entries, oldest first. */
export async function pointerHistory<T>(store: ObjectStore, prefix: string): Promise<readonly PointerEntry<T>[]> {
  const history: PointerEntry<T>[] = []
  for await (const { key } of store.list(`${prefix}/`)) {
    const seq = seqOf(key)
    if (seq !== null) history.push(await readEntry<T>(store, prefix, seq))
  }
  return history
}

/** The distinct first segments of the keys under a prefix: `models` → names of models. One short listing per name. */
export async function namesUnder(store: ObjectStore, prefix: string): Promise<readonly string[]> {
  const names: string[] = []
  for (let key = await firstKey(store, `${prefix}/`); key !== null;) {
    const name = key.slice(prefix.length + 1).split('/')[0] ?? ''
    names.push(name)
    key = await firstKey(store, `${prefix}/`, `${prefix}/${name}/${LAST_CHARACTER}`)
  }
  return names.sort()
}

/** No key sorts after it among those that begin alike: the highest code point. */
const LAST_CHARACTER = '\u{10ffff}'

async function firstKey(store: ObjectStore, prefix: string, startAfter?: ObjectKey): Promise<ObjectKey | null> {
  for await (const { key } of store.list(prefix, { limit: 1, ...(startAfter === undefined ? {} : { startAfter }) }))
    return key
  return null
}

function entryKey(prefix: string, seq: number): ObjectKey {
  return `${prefix}/${String(seq).padStart(10, '0')}.json`
}

function seqOf(key: ObjectKey): number | null {
  const digits = /\/(\d{10})\.json$/.exec(key)?.[1]
  return digits === undefined ? null : Number(digits)
}

async function highestSeq(store: ObjectStore, prefix: string): Promise<number> {
  let highest = 0
  for await (const { key } of store.list(`${prefix}/`)) highest = seqOf(key) ?? highest
  return highest
}

async function readEntry<T>(store: ObjectStore, prefix: string, seq: number): Promise<PointerEntry<T>> {
  const entry = JSON.parse(Buffer.from(await store.get(entryKey(prefix, seq))).toString()) as Omit<
    PointerEntry<T>,
    'seq'
  >
  return { seq, ...entry }
}
