/**
 * Leases: who may do a thing that one process at a time should do (host a labelling session, publish with shared blobs).
 *
 * L1  Each change of holder creates the next epoch record, so an epoch has one holder for ever (S2).
 * L2  A holder that does not renew in time loses the lease: `renew` then says false and never true again.
 * L3  A lease saves double work; it is no lock. Whoever must be safe against a paused former holder, whose clock or
 *     process stood still, puts the epoch into the names of what it creates.
 *
 * Records: `leases/<name>/<epoch>.json`, and beneath `leases/<name>/<epoch>/` one empty record per renewal, named by the
 * time of its expiry, and `released`. Clocks of hosts that share a store must agree to well below the time to live.
 */

import { canonicalJson } from './canonical-json.ts'
import { checkKey } from './keys.ts'
import type { ObjectKey, ObjectStore } from './object-store.ts'

export interface LeaseOptions<T> {
  /** Who takes it, for a person to read: host, process id. */
  readonly holder: string
  readonly ttlMs: number
  /** JSON that others may read while it is held: the holder's address. */
  readonly data?: T
  /** Milliseconds since 1970; the system's clock where left out. */
  readonly now?: () => number
}

export interface LeaseState<T> {
  /** Counts from 1, one up with each change of holder. */
  readonly epoch: number
  readonly holder: string
  readonly data: T | null
  readonly expiresAtMs: number
}

export interface Lease {
  readonly epoch: number
  /** Prolongs it by its time to live from now. @returns false once it is lost, then and for ever. */
  renew(): Promise<boolean>
  /** Lets the next one take it at once. */
  release(): Promise<void>
  /** As `release`, and leaves nothing behind: for leases of many names, whose epochs nobody speaks of. */
  forget(): Promise<void>
}

/** @returns null when somebody else holds it. */
export async function acquireLease<T>(
  store: ObjectStore,
  name: string,
  { holder, ttlMs, data, now = Date.now }: LeaseOptions<T>,
): Promise<Lease | null> {
  const former = await latestEpoch(store, name)
  if (former && !former.released && now() < former.expiresAtMs) return null
  const epoch = (former?.epoch ?? 0) + 1
  const expiresAtMs = now() + ttlMs
  const record = Buffer.from(canonicalJson({ holder, data: data ?? null, expiresAtMs }))
  if (!(await store.create(epochKey(name, epoch), record))) return null
  if (former) await removeRenewals(store, name, former.epoch)
  return new HeldLease(store, name, epoch, ttlMs, expiresAtMs, now)
}

/** Who holds it now, or null. */
export async function readLease<T>(
  store: ObjectStore,
  name: string,
  now: () => number = Date.now,
): Promise<LeaseState<T> | null> {
  const latest = await latestEpoch(store, name)
  if (!latest || latest.released || latest.expiresAtMs <= now()) return null
  const { holder, data } = await readRecord<T>(store, name, latest.epoch)
  return { epoch: latest.epoch, holder, data, expiresAtMs: latest.expiresAtMs }
}

class HeldLease implements Lease {
  #lost = false
  /** The expiry that the last renewal put off. */
  #formerExpiryMs: number | null = null

  constructor(
    readonly store: ObjectStore,
    readonly name: string,
    readonly epoch: number,
    readonly ttlMs: number,
    private expiresAtMs: number,
    readonly now: () => number,
  ) {}

  async renew(): Promise<boolean> {
    const next = this.now() + this.ttlMs
    if (this.#lost || this.now() >= this.expiresAtMs) return this.#lose()
    await this.store.create(renewalKey(this.name, this.epoch, next), new Uint8Array())
    // A taker that looked after the old expiry may not have seen a renewal that arrived later than that.
    if (this.now() >= this.expiresAtMs || (await this.store.head(epochKey(this.name, this.epoch + 1))))
      return this.#lose()
    await this.#prolong(next)
    return true
  }

  async release(): Promise<void> {
    this.#lost = true
    await this.store.create(`${folderOf(this.name, this.epoch)}/${RELEASED}`, new Uint8Array())
  }

  async forget(): Promise<void> {
    this.#lost = true
    await removeRenewals(this.store, this.name, this.epoch)
    await this.store.delete(epochKey(this.name, this.epoch))
  }

  /** Leaves the two newest renewals: a listing that runs meanwhile misses at most the newest. */
  async #prolong(expiresAtMs: number): Promise<void> {
    if (expiresAtMs === this.expiresAtMs) return
    if (this.#formerExpiryMs !== null) await this.store.delete(renewalKey(this.name, this.epoch, this.#formerExpiryMs))
    this.#formerExpiryMs = this.expiresAtMs
    this.expiresAtMs = expiresAtMs
  }

  #lose(): false {
    this.#lost = true
    return false
  }
}

const RELEASED = 'released'

interface LatestEpoch {
  readonly epoch: number
  readonly expiresAtMs: number
  readonly released: boolean
}

async function latestEpoch(store: ObjectStore, name: string): Promise<LatestEpoch | null> {
  const root = `leases/${name}/`
  checkKey(`${root}x`)
  let epoch = 0
  let renewedUntilMs = 0
  let released = false
  for await (const { key } of store.list(root)) {
    const [, number, detail] = /^(\d{10})(?:\.json|\/(\d{15}|released))$/.exec(key.slice(root.length)) ?? []
    if (number === undefined) continue // Of a lease whose name continues this one.
    if (detail === undefined) {
      epoch = Number(number)
      renewedUntilMs = 0
      released = false
    } else if (detail === RELEASED) released = true
    else renewedUntilMs = Number(detail)
  }
  if (epoch === 0) return null
  if (released || renewedUntilMs > 0) return { epoch, expiresAtMs: renewedUntilMs, released }
  return { epoch, expiresAtMs: (await readRecord(store, name, epoch)).expiresAtMs, released }
}

async function readRecord<T>(
  store: ObjectStore,
  name: string,
  epoch: number,
): Promise<{ holder: string; data: T | null; expiresAtMs: number }> {
  return JSON.parse(Buffer.from(await store.get(epochKey(name, epoch))).toString()) as {
    holder: string
    data: T | null
    expiresAtMs: number
  }
}

async function removeRenewals(store: ObjectStore, name: string, epoch: number): Promise<void> {
  const folder = folderOf(name, epoch)
  for await (const { key } of store.list(`${folder}/`)) if (!key.endsWith(RELEASED)) await store.delete(key)
}

function folderOf(name: string, epoch: number): ObjectKey {
  return `leases/${name}/${String(epoch).padStart(10, '0')}`
}

function epochKey(name: string, epoch: number): ObjectKey {
  return `${folderOf(name, epoch)}.json`
}

/** 15 digits, so that renewals sort by time. */
function renewalKey(name: string, epoch: number, expiresAtMs: number): ObjectKey {
  return `${folderOf(name, epoch)}/${String(expiresAtMs).padStart(15, '0')}`
}
