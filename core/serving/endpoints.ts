/**
 * Endpoints as the store knows them. `endpoints/<name>/revisions/<seq>.json` says what a revision is, the pointer log
 * `endpoints/<name>/traffic` who gets which share, `endpoints/<name>/retired/<seq>.json` which revisions are over.
 * A host (apps/gateway, or Kubernetes) makes it true; nothing else is remembered anywhere.
 */

import { z } from 'zod'
import type { RevisionSpec, Traffic } from '#core/compute'
import { PlatformError } from '#core/errors'
import { artifacts } from '#core/steps'
import {
  canonicalJson,
  movePointer,
  namesUnder,
  pointerHistory,
  readPointer,
  type ObjectStore,
  type PointerEntry,
} from '#core/storage'

export const revisionRecord = z.object({
  endpoint: artifacts.objectName,
  revision: z.int().positive(),
  model: z.object({ name: artifacts.objectName, version: z.int().positive(), digest: artifacts.sha256 }),
  replicas: z.int().positive(),
  queueLimit: z.int().positive(),
  captureBytes: z.int().nonnegative(),
  captureDataset: artifacts.objectName.nullable(),
  /** The bundle of an algorithm file and the values of its parameters; null: the model's scores are the answer. */
  algorithm: z.object({ bundle: artifacts.sha256, params: z.record(z.string(), z.json()) }).nullable(),
  createdAt: z.iso.datetime(),
})
export type RevisionRecord = z.infer<typeof revisionRecord>

export interface EndpointSummary {
  readonly name: string
  readonly traffic: Traffic
  /** Those that are not retired, ascending. */
  readonly revisions: readonly RevisionRecord[]
}

/**
 * Stores what a revision is, or finds it stored with the same content.
 *
 * @throws {PlatformError} `ENDPOINT_CONFLICT` when the number belongs to another specification.
 */
export async function createRevision(store: ObjectStore, spec: RevisionSpec): Promise<RevisionRecord> {
  const record = revisionRecord.parse({ algorithm: null, ...spec, createdAt: new Date().toISOString() })
  if (await store.create(revisionKey(spec.endpoint, spec.revision), Buffer.from(canonicalJson(record)))) return record
  const existing = await readRevision(store, spec.endpoint, spec.revision)
  if (!sameSpec(existing, record))
    throw new PlatformError(
      'ENDPOINT_CONFLICT',
      `revision ${spec.revision} of endpoint ${spec.endpoint} serves ${existing.model.name}@${existing.model.version} with other settings; use the next number`,
      { endpoint: spec.endpoint, revision: spec.revision },
    )
  return existing
}

/** Whether two revisions are the same but for their number and time. */
export function sameSpec(a: Omit<RevisionRecord, 'createdAt'>, b: Omit<RevisionRecord, 'createdAt'>): boolean {
  const content = (record: object) => canonicalJson({ ...record, revision: 0, createdAt: '' })
  return content(a) === content(b)
}

/** @throws {PlatformError} `ENDPOINT_NOT_FOUND`. */
export async function readRevision(store: ObjectStore, endpoint: string, revision: number): Promise<RevisionRecord> {
  const key = revisionKey(endpoint, revision)
  if (!(await store.head(key)))
    throw new PlatformError('ENDPOINT_NOT_FOUND', `endpoint ${endpoint} has no revision ${revision}`, { endpoint })
  return revisionRecord.parse(JSON.parse(Buffer.from(await store.get(key)).toString()))
}

/** Numbers of all revisions that ever were, ascending. */
export async function revisionNumbers(store: ObjectStore, endpoint: string): Promise<number[]> {
  return numbersUnder(store, `endpoints/${endpoint}/revisions/`)
}

export async function retiredNumbers(store: ObjectStore, endpoint: string): Promise<number[]> {
  return numbersUnder(store, `endpoints/${endpoint}/retired/`)
}

/** The revisions that are not over, ascending. One with a share never is, whatever its mark says (`wanted.ts`). */
export async function liveRevisions(store: ObjectStore, endpoint: string): Promise<RevisionRecord[]> {
  const [retired, traffic] = await Promise.all([retiredNumbers(store, endpoint), readTraffic(store, endpoint)])
  const alive = (await revisionNumbers(store, endpoint)).filter(
    (revision) => !retired.includes(revision) || shareOf(traffic, revision) > 0,
  )
  return Promise.all(alive.map((revision) => readRevision(store, endpoint, revision)))
}

/** Ends a revision for good. Its host lets its replicas finish what they have. */
export async function markRetired(store: ObjectStore, endpoint: string, revision: number): Promise<void> {
  const at = new Date().toISOString()
  await store.create(numberedKey(endpoint, 'retired', revision), Buffer.from(canonicalJson({ at })))
}

export async function readTraffic(store: ObjectStore, endpoint: string): Promise<PointerEntry<Traffic> | null> {
  return readPointer<Traffic>(store, trafficPrefix(endpoint))
}

/** Every state of the shares, oldest first. */
export async function trafficHistory(store: ObjectStore, endpoint: string): Promise<readonly PointerEntry<Traffic>[]> {
  return pointerHistory<Traffic>(store, trafficPrefix(endpoint))
}

/** Whole percents that a revision gets. */
export function shareOf(traffic: { readonly value: Traffic } | null, revision: number): number {
  return traffic?.value[revision] ?? 0
}

/**
 * Moves the shares; equal ones leave no entry.
 *
 * @throws {PlatformError} `INVALID_INPUT` when they do not sum to 100; `ENDPOINT_NOT_FOUND` for a revision that never was;
 *   `ENDPOINT_CONFLICT` for one that is over.
 */
export async function writeTraffic(store: ObjectStore, endpoint: string, traffic: Traffic, by: string): Promise<void> {
  const shares = Object.values(traffic)
  const sum = shares.reduce((total, share) => total + share, 0)
  if (sum !== 100 || shares.some((share) => !Number.isInteger(share) || share < 0))
    throw new PlatformError('INVALID_INPUT', `the shares ${shares.join(' + ')} must be whole percents that sum to 100`)
  for (const revision of Object.keys(traffic)) await readRevision(store, endpoint, Number(revision))
  const current = await readTraffic(store, endpoint)
  if (current && canonicalJson(current.value) === canonicalJson(traffic)) return
  const retired = await retiredNumbers(store, endpoint)
  const over = retired.find((revision) => (traffic[revision] ?? 0) > 0 && shareOf(current, revision) === 0)
  if (over !== undefined)
    throw new PlatformError(
      'ENDPOINT_CONFLICT',
      `revision ${over} of endpoint ${endpoint} is over and no longer runs; roll its model out again`,
      { endpoint, revision: over },
    )
  await movePointer(store, trafficPrefix(endpoint), traffic, { by })
}

/**
 * Ends an endpoint: no shares, every revision over. Its record stays, and its next revision takes the next number.
 *
 * @throws {PlatformError} `ENDPOINT_NOT_FOUND` when there never was one of this name.
 */
export async function closeEndpoint(store: ObjectStore, endpoint: string, by: string): Promise<void> {
  const [revisions, current] = await Promise.all([revisionNumbers(store, endpoint), readTraffic(store, endpoint)])
  if (revisions.length === 0) throw noSuchEndpoint(endpoint)
  if (current && Object.keys(current.value).length > 0) await movePointer(store, trafficPrefix(endpoint), {}, { by })
  for (const revision of revisions) await markRetired(store, endpoint, revision)
}

/** All endpoints that were not removed, ascending by name. */
export async function listEndpoints(store: ObjectStore): Promise<readonly EndpointSummary[]> {
  const endpoints = (await namesUnder(store, 'endpoints')).map((name) => findEndpoint(store, name))
  return (await Promise.all(endpoints)).filter((endpoint) => endpoint !== null)
}

/** @throws {PlatformError} `ENDPOINT_NOT_FOUND`, also for one that was removed. */
export async function describeEndpoint(store: ObjectStore, name: string): Promise<EndpointSummary> {
  const endpoint = await findEndpoint(store, name)
  if (!endpoint) throw noSuchEndpoint(name)
  return endpoint
}

async function findEndpoint(store: ObjectStore, name: string): Promise<EndpointSummary | null> {
  const [revisions, traffic] = await Promise.all([liveRevisions(store, name), readTraffic(store, name)])
  return revisions.length === 0 ? null : { name, traffic: traffic?.value ?? {}, revisions }
}

function noSuchEndpoint(name: string): PlatformError {
  return new PlatformError(
    'ENDPOINT_NOT_FOUND',
    `there is no endpoint ${name}; list them with \`gyre endpoint list\``,
    { name },
  )
}

/** Where the gateway of this store answers now; it says so here at every start. */
const GATEWAY_ADDRESS = 'gateway/address'

export async function readGatewayUrl(store: ObjectStore): Promise<string | null> {
  return (await readPointer<string>(store, GATEWAY_ADDRESS))?.value ?? null
}

export async function announceGateway(store: ObjectStore, url: string): Promise<void> {
  if ((await readGatewayUrl(store)) !== url) await movePointer(store, GATEWAY_ADDRESS, url, { by: 'gateway' })
}

function trafficPrefix(endpoint: string): string {
  return `endpoints/${endpoint}/traffic`
}

function revisionKey(endpoint: string, revision: number): string {
  return numberedKey(endpoint, 'revisions', revision)
}

function numberedKey(endpoint: string, kind: 'revisions' | 'retired', revision: number): string {
  return `endpoints/${endpoint}/${kind}/${String(revision).padStart(10, '0')}.json`
}

async function numbersUnder(store: ObjectStore, prefix: string): Promise<number[]> {
  const numbers: number[] = []
  for await (const { key } of store.list(prefix)) numbers.push(Number(/(\d+)\.json$/.exec(key)?.[1]))
  return numbers
}
