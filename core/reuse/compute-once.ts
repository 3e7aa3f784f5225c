/**
 * Equal steps at the same time, in any number of runs and workers, compute once: one does, the others wait and take its
 * result. Inside a process they share a promise; across processes a lease says who computes.
 *
 * O1  Nobody waits for one that ended: a failure lets the next compute.
 * O2  The lease saves double work and is no lock (L3): two that compute at once both give a valid result.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { isPlatformError } from '#core/errors'
import { acquireLease, readLease, type Lease, type ObjectStore } from '#core/storage'
import { lookUp, type CacheEntry } from './cache.ts'

export interface Claim {
  readonly key: string
  /** Who computes, for those that wait. */
  readonly run: string
}

export interface ClaimHooks {
  readonly signal: AbortSignal
  onProgress(progress: { readonly done: number; readonly unit: string; readonly waiting: string }): void
}

export type Computed<T> =
  { readonly by: 'us'; readonly value: T } | { readonly by: 'other'; readonly entry: CacheEntry }

const TTL_MS = 30_000
const RENEW_MS = 10_000
const LOOK_MS = 500

interface InProcess {
  readonly run: string
  readonly ended: Promise<void>
}
const computing = new WeakMap<ObjectStore, Map<string, InProcess>>()

/** @param body - computes, and remembers the result under the key before it returns. */
export async function computeOnce<T>(
  store: ObjectStore,
  claim: Claim,
  hooks: ClaimHooks,
  body: () => Promise<T>,
): Promise<Computed<T>> {
  const here = computing.get(store) ?? new Map<string, InProcess>()
  computing.set(store, here)
  for (let other = here.get(claim.key); other; other = here.get(claim.key)) {
    tellWaiting(hooks, other.run)
    await unlessAborted(hooks.signal, other.ended)
    const entry = await remembered(store, claim.key)
    if (entry) return { by: 'other', entry }
  }
  let end!: () => void
  here.set(claim.key, { run: claim.run, ended: new Promise((resolve) => (end = resolve)) })
  try {
    return await acrossProcesses(store, claim, hooks, body)
  } finally {
    here.delete(claim.key)
    end()
  }
}

async function acrossProcesses<T>(
  store: ObjectStore,
  claim: Claim,
  hooks: ClaimHooks,
  body: () => Promise<T>,
): Promise<Computed<T>> {
  const lease = await leaseOrResult(store, claim, hooks)
  if ('output' in lease) return { by: 'other', entry: lease }
  const renewing = setInterval(() => void lease.renew().catch(() => false), RENEW_MS)
  try {
    return { by: 'us', value: await body() }
  } finally {
    clearInterval(renewing)
    // It would run out by itself.
    await lease.forget().catch(() => undefined)
  }
}

/** Waits while another process computes. */
async function leaseOrResult(store: ObjectStore, { key, run }: Claim, hooks: ClaimHooks): Promise<Lease | CacheEntry> {
  const name = `claims/${key}`
  for (;;) {
    const lease = await orGone(acquireLease(store, name, { holder: run, ttlMs: TTL_MS }))
    const entry = await remembered(store, key)
    if (entry) {
      await lease?.forget()
      return entry
    }
    if (lease) return lease
    const holder = (await orGone(readLease(store, name)))?.holder
    if (holder !== undefined) tellWaiting(hooks, holder)
    await unlessAborted(hooks.signal, delay(LOOK_MS))
  }
}

/** A record that its holder removes while it is read is a lease that is free. */
async function orGone<T>(reading: Promise<T | null>): Promise<T | null> {
  try {
    return await reading
  } catch (error) {
    if (isPlatformError(error) && error.code === 'OBJECT_NOT_FOUND') return null
    throw error
  }
}

async function remembered(store: ObjectStore, key: string): Promise<CacheEntry | null> {
  const entry = await lookUp(store, key)
  return typeof entry === 'string' ? null : entry
}

function tellWaiting({ onProgress }: ClaimHooks, run: string): void {
  onProgress({ done: 0, unit: '', waiting: `run ${run} computes the same step` })
}

async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  signal.throwIfAborted()
  let stop!: () => void
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error)
    signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
