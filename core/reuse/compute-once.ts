/**
 * Equal steps at the same time, in any number of runs and workers, compute once: one does, the others wait and take its
 * result. Inside a process they share a promise; across processes a lease says who computes.
 *
 * O1  Nobody waits for one that ended: a failure lets the next compute.
 * O2  The lease saves double work and is no lock (L3): two that compute at once both give a valid result.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { isPlatformError } from '#core/errors'
import type { Json } from '#core/plan'
import { acquireLease, readLease, type Lease, type ObjectStore } from '#core/storage'
import { lookUp, remember, type CacheEntry } from './cache.ts'

export interface OncePorts {
  readonly store: ObjectStore
  /** No other process carries out steps: then nothing is written to the store for it. */
  readonly alone: boolean
  /** Takes work that nobody waits for. */
  readonly later: (work: Promise<unknown>) => void
}

/** Who computes what. */
export interface Claim {
  readonly key: string
  readonly run: string
  readonly node: string
}

export interface ClaimHooks {
  readonly signal: AbortSignal
  onProgress(progress: { readonly done: number; readonly unit: string; readonly waiting: string }): void
}

export type Computed =
  { readonly by: 'us'; readonly output: Json } | { readonly by: 'other'; readonly entry: CacheEntry }

const TTL_MS = 30_000
const RENEW_MS = 10_000
const LOOK_MS = 500

interface Shared {
  readonly run: string
  /** Null where it failed. */
  readonly result: Promise<CacheEntry | null>
}
const computing = new WeakMap<ObjectStore, Map<string, Shared>>()

/** @param body - computes; its result is remembered here, for equal steps to come. */
export async function computeOnce(
  ports: OncePorts,
  claim: Claim,
  hooks: ClaimHooks,
  body: () => Promise<Json>,
): Promise<Computed> {
  const here = computing.get(ports.store) ?? new Map<string, Shared>()
  computing.set(ports.store, here)
  for (let other = here.get(claim.key); other; other = here.get(claim.key)) {
    tellWaiting(hooks, other.run)
    const entry = await unlessAborted(hooks.signal, other.result)
    if (entry) return { by: 'other', entry }
  }
  const { run, node, key } = claim
  let share!: (entry: CacheEntry | null) => void
  const shared: Shared = { run, result: new Promise((resolve) => (share = resolve)) }
  const leave = (): void => {
    if (here.get(key) === shared) here.delete(key)
  }
  here.set(key, shared)
  try {
    const { computed, kept } = await acrossProcesses(ports, claim, hooks, body)
    ports.later(kept.finally(leave))
    share(computed.by === 'us' ? { output: computed.output, run, node } : computed.entry)
    return computed
  } catch (error) {
    leave()
    share(null)
    throw error
  }
}

interface Kept {
  readonly computed: Computed
  /** Until others find the result in the store. */
  readonly kept: Promise<void>
}

async function acrossProcesses(
  { store, alone }: OncePorts,
  claim: Claim,
  hooks: ClaimHooks,
  body: () => Promise<Json>,
): Promise<Kept> {
  const lease = alone ? null : await leaseOrResult(store, claim, hooks)
  if (lease && 'output' in lease) return { computed: { by: 'other', entry: lease }, kept: Promise.resolve() }
  const renewing = setInterval(() => void lease?.renew().catch(() => false), RENEW_MS)
  const end = async (): Promise<void> => {
    clearInterval(renewing)
    // It would run out by itself.
    await lease?.forget().catch(() => undefined)
  }
  try {
    const output = await body()
    const { key, run, node } = claim
    return { computed: { by: 'us', output }, kept: remember(store, key, { output, run, node }).finally(end) }
  } catch (error) {
    await end()
    throw error
  }
}

/** Waits while another process computes. */
async function leaseOrResult(store: ObjectStore, { key, run }: Claim, hooks: ClaimHooks): Promise<Lease | CacheEntry> {
  const name = `claims/${key}`
  for (;;) {
    const lease = await orGone(acquireLease(store, name, { holder: run, ttlMs: TTL_MS }))
    const entry = await lookUp(store, key)
    if (entry && typeof entry === 'object') {
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
