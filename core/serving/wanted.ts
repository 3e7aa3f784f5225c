/**
 * What a host must make true, read with one listing of the store: which revisions of which endpoints are to run.
 *
 * W1  A revision with a share runs, whatever else is said of it; so a mark that crosses a change of the shares harms nobody.
 * W2  Any other revision runs until it is marked as retired. One without traffic stays warm for a while, so that moving
 *     back is instant; then its host marks it.
 */

import type { Traffic } from '#core/compute'
import type { ObjectStore } from '#core/storage'
import { readTraffic, type RevisionRecord } from './endpoints.ts'

/** What the keys alone say of one endpoint. */
export interface EndpointKeys {
  readonly revisions: ReadonlySet<number>
  readonly retired: ReadonlySet<number>
  /** Number of the newest entry of its shares; 0 where there is none. */
  readonly trafficSeq: number
}

/** The shares of an endpoint since a moment. */
export interface Shares {
  readonly seq: number
  readonly shares: Traffic
  /** Milliseconds since 1970. */
  readonly at: number
}

/** A revision that never had traffic may be in the middle of its roll-out. */
const UPCOMING_MS = 3_600_000

export async function listEndpointKeys(store: ObjectStore): Promise<ReadonlyMap<string, EndpointKeys>> {
  const listed = new Map<string, { revisions: Set<number>; retired: Set<number>; trafficSeq: number }>()
  for await (const { key } of store.list('endpoints/')) {
    const [, name = '', kind = '', digits = ''] =
      /^endpoints\/([^/]+)\/(revisions|retired|traffic)\/(\d+)\.json$/.exec(key) ?? []
    if (name === '') continue
    const entry = listed.get(name) ?? { revisions: new Set<number>(), retired: new Set<number>(), trafficSeq: 0 }
    listed.set(name, entry)
    if (kind === 'traffic') entry.trafficSeq = Math.max(entry.trafficSeq, Number(digits))
    else entry[kind === 'revisions' ? 'revisions' : 'retired'].add(Number(digits))
  }
  return listed
}

/** The newest shares, read only where the keys tell of newer ones. */
export async function readShares(
  store: ObjectStore,
  endpoint: string,
  { trafficSeq }: EndpointKeys,
  known: Shares | null,
): Promise<Shares | null> {
  if (trafficSeq <= (known?.seq ?? 0)) return known
  const entry = await readTraffic(store, endpoint)
  return entry ? { seq: entry.seq, shares: entry.value, at: Date.parse(entry.at) } : known
}

/** The revisions that are to run (W1, W2), ascending. */
export function wantedRevisions({ revisions, retired }: EndpointKeys, shares: Shares | null): number[] {
  const isWanted = (revision: number) => !retired.has(revision) || hasShare(shares, revision)
  return [...revisions].filter(isWanted).sort((a, b) => a - b)
}

/** Whether a revision has been without traffic for so long that nobody will want it back (W2). */
export function isIdle(
  { revision, createdAt }: Pick<RevisionRecord, 'revision' | 'createdAt'>,
  shares: Shares | null,
  warmMs: number,
): boolean {
  if (hasShare(shares, revision)) return false
  const newest = Math.max(0, ...Object.keys(shares?.shares ?? {}).map(Number))
  if (!shares || revision > newest) return Date.now() - Date.parse(createdAt) > UPCOMING_MS
  return Date.now() - shares.at > warmMs
}

function hasShare(shares: Shares | null, revision: number): boolean {
  return (shares?.shares[revision] ?? 0) > 0
}
