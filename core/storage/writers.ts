/**
 * Who writes for long outside of a run says so by a lease, so that what it stored or found stored, and names in no
 * record yet, is not taken for garbage. A run in flight says as much by its records.
 */

import { randomUUID } from 'node:crypto'
import { acquireLease, readLease } from './leases.ts'
import type { ObjectStore } from './object-store.ts'
import { namesUnder } from './pointers.ts'

const TTL_MS = 24 * 3_600_000
const RENEW_MS = 3_600_000
const WRITERS = 'leases/writers'

/** Does the work under a writer's lease of a day, renewed every hour. */
export async function asWriter<T>(store: ObjectStore, holder: string, work: () => Promise<T>): Promise<T> {
  const data: WriterFacts = { since: Date.now() }
  const lease = await acquireLease(store, `writers/${randomUUID()}`, { holder, ttlMs: TTL_MS, data })
  const renewing = setInterval(() => void lease?.renew().catch(() => false), RENEW_MS).unref()
  try {
    return await work()
  } finally {
    clearInterval(renewing)
    // Where the store is away, it runs out by itself.
    await lease?.forget().catch(() => undefined)
  }
}

interface WriterFacts {
  /** Milliseconds since 1970. */
  readonly since: number
}

export interface Writer {
  readonly holder: string
  readonly sinceMs: number
}

/** Those whose lease has not run out. */
export async function liveWriters(store: ObjectStore, now: () => number = Date.now): Promise<readonly Writer[]> {
  const writers: Writer[] = []
  for (const id of await namesUnder(store, WRITERS)) {
    const state = await readLease<WriterFacts>(store, `writers/${id}`, now)
    if (state) writers.push({ holder: state.holder, sinceMs: state.data?.since ?? 0 })
  }
  return writers
}
