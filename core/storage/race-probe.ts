/**
 * Finds out whether a store keeps S2 under contention. Some S3 servers accept `If-None-Match: *` and yet let two writers
 * win: on such a store two people could move one alias, each sure to have done it. Better not to start.
 */

import { randomUUID } from 'node:crypto'
import { PlatformError } from '#core/errors'
import type { ObjectKey, ObjectStore } from './object-store.ts'

const WRITERS = 8
const KEYS = 50

export interface RaceReport {
  /** Keys that eight writers fought for. */
  readonly keys: number
  /** Keys with two or more winners: 0 on a safe store. One probe finds a rare race with some luck only. */
  readonly doubleWins: number
}

/** Lets 8 writers race for each of 50 fresh keys under `probes/`, and removes them. */
export async function probeRaces(store: ObjectStore): Promise<RaceReport> {
  const folder = `probes/${randomUUID()}`
  const keys = Array.from({ length: KEYS }, (_, i) => `${folder}/${i}`)
  let doubleWins = 0
  try {
    for (const key of keys) if ((await countWinners(store, key)) > 1) doubleWins += 1
  } finally {
    await Promise.all(keys.map((key) => store.delete(key)))
  }
  return { keys: KEYS, doubleWins }
}

/** @throws {PlatformError} `STORE_UNSAFE` when the probe saw a key with two winners. */
export async function refuseUnsafeStore(store: ObjectStore): Promise<void> {
  const { keys, doubleWins } = await probeRaces(store)
  if (doubleWins > 0)
    throw new PlatformError(
      'STORE_UNSAFE',
      `in ${doubleWins} of ${keys} races on ${store.uri} two or more writers created the same key; use a store whose conditional writes are atomic`,
      { uri: store.uri, keys, doubleWins },
    )
}

async function countWinners(store: ObjectStore, key: ObjectKey): Promise<number> {
  const won = await Promise.all(
    Array.from({ length: WRITERS }, (_, i) => store.create(key, Buffer.from(`writer ${i}`))),
  )
  return won.filter(Boolean).length
}
