/**
 * Endpoints as the store knows them. `endpoints/<name>/revisions/<seq>.json` says what a revision is, the pointer log
 * `endpoints/<name>/traffic` who gets which share, `endpoints/<name>/retired/<seq>.json` which revisions are over.
 * A host (apps/gateway, or Kubernetes) makes it true; nothing else is remembered anywhere.
 */

import { z } from 'zod'
import type { RevisionSpec, Traffic } from '#core/compute'
import { PlatformError } from '#core/errors'
import { artifacts } from '#core/steps'
import { canonicalJson, movePointer, namesUnder, readPointer, type ObjectStore, type PointerEntry } from '#core/storage'

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

/** The revisions that are not retired, ascending. */
export async function liveRevisions(store: ObjectStore, endpoint: string): Promise<RevisionRecord[]> {
  const retired = new Set(await retiredNumbers(store, endpoint))
  const alive = (await revisionNumbers(store, endpoint)).filter((revision) => !retired.has(revision))
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

/** Moves the shares; equal ones leave no entry. @throws {PlatformError} `INVALID_INPUT` when they do not sum to 100. */
export async function writeTraffic(store: ObjectStore, endpoint: string, traffic: Traffic, by: string): Promise<void> {
  const shares = Object.values(traffic)
  const sum = shares.reduce((total, share) => total + share, 0)
  if (sum !== 100 || shares.some((share) => !Number.isInteger(share) || share < 0))
    throw new PlatformError('INVALID_INPUT', `the shares ${shares.join(' + ')} must be whole percents that sum to 100`)
  for (const revision of Object.keys(traffic)) await readRevision(store, endpoint, Number(revision))
  const current = await readTraffic(store, endpoint)
  if (current && canonicalJson(current.value) === canonicalJson(traffic)) return
  await movePointer(store, trafficPrefix(endpoint), traffic, { by })
}

/** All endpoints, ascending by name. */
export async function listEndpoints(store: ObjectStore): Promise<readonly EndpointSummary[]> {
  const names = await namesUnder(store, 'endpoints')
  return Promise.all(names.map((name) => describeEndpoint(store, name)))
}

/** @throws {PlatformError} `ENDPOINT_NOT_FOUND`. */
export async function describeEndpoint(store: ObjectStore, name: string): Promise<EndpointSummary> {
  const [revisions, traffic] = await Promise.all([liveRevisions(store, name), readTraffic(store, name)])
  if (revisions.length === 0 && !traffic)
    throw new PlatformError(
      'ENDPOINT_NOT_FOUND',
      `there is no endpoint ${name}; list them with \`gyre endpoint list\``,
      { name },
    )
  return { name, traffic: traffic?.value ?? {}, revisions }
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
