/**
 * The certificates of a store: those that were issued, whose revocation stands, and where to find one by what people know.
 *
 *   certificates/<dataset>/issued/<id>.json      the certificate itself; `id` is the SHA-256 of these bytes
 *   certificates/<dataset>/revoked/<id>.json     { by, at, cause, reason }
 *
 * Both are create-only. Certificates of earlier releases lie only where their session's outcome names them.
 */

import { isPlatformError, PlatformError } from '#core/errors'
import { canonicalJson, readBlob, sha256Hex, type ObjectKey, type ObjectStore } from '#core/storage'
import type { CertificateReport } from './certificate.ts'
import { listSessions, readOutcome, type SessionRecord } from './records.ts'

/** A certificate as it lies in the store. */
export interface StoredCertificate {
  /** SHA-256 of its bytes. */
  readonly id: string
  readonly dataset: string
  /** The version whose labels it speaks of. */
  readonly version: string
  /** ISO 8601. */
  readonly issuedAt: string
  readonly report: CertificateReport
}

export interface Revocation {
  readonly by: string
  /** ISO 8601. */
  readonly at: string
  readonly cause: 'person' | 'drift'
  readonly reason: string
}

export async function keepCertificate(
  store: ObjectStore,
  dataset: string,
  id: string,
  bytes: Uint8Array,
): Promise<void> {
  await store.create(`certificates/${dataset}/issued/${id}.json`, bytes)
}

/** Newest first; of one dataset line, or of all. */
export async function listCertificates(store: ObjectStore, dataset?: string): Promise<readonly StoredCertificate[]> {
  const issued = await issuedIn(store, dataset)
  const known = new Set(issued.map(({ report }) => report.session))
  const sessions = (await listSessions(store)).filter(
    (record) => !known.has(record.id) && (dataset === undefined || record.dataset === dataset),
  )
  const earlier = await Promise.all(sessions.map((record) => ofEarlierRelease(store, record)))
  const all = [...issued, ...earlier.filter((certificate) => certificate !== null)]
  return all.sort((a, b) => (a.issuedAt < b.issuedAt ? 1 : a.issuedAt > b.issuedAt ? -1 : a.id < b.id ? -1 : 1))
}

async function issuedIn(store: ObjectStore, dataset: string | undefined): Promise<StoredCertificate[]> {
  const found: StoredCertificate[] = []
  for await (const { key } of store.list(dataset === undefined ? 'certificates/' : `certificates/${dataset}/issued/`)) {
    const [, name, id] = /^certificates\/([^/]+)\/issued\/([0-9a-f]{64})\.json$/.exec(key) ?? []
    if (name && id) found.push(opened(await store.get(key), { id, dataset: name }))
  }
  return found
}

/** @throws {PlatformError} `CERTIFICATE_INVALID` for bytes that are not those of this id, or no certificate. */
function opened(bytes: Uint8Array, { id, dataset }: Pick<StoredCertificate, 'id' | 'dataset'>): StoredCertificate {
  if (sha256Hex(bytes) !== id)
    throw new PlatformError(
      'CERTIFICATE_INVALID',
      `certificate ${id.slice(0, 12)} of ${dataset} was altered: its bytes have another digest than its name; restore it from a backup`,
      { certificate: id, dataset },
    )
  const report = readReport(bytes)
  return { id, dataset, version: report.version ?? '', issuedAt: report.issuedAt ?? '', report }
}

/** @throws {PlatformError} `CERTIFICATE_INVALID` for what is no certificate. */
export function readReport(bytes: Uint8Array): CertificateReport {
  try {
    const report = JSON.parse(Buffer.from(bytes).toString()) as Partial<CertificateReport> | null
    if (report?.kind === 'gyre-certificate' && Array.isArray(report.looks) && typeof report.session === 'string')
      return report as CertificateReport
  } catch {
    // Said below.
  }
  throw new PlatformError('CERTIFICATE_INVALID', 'this is no certificate of Gyre: JSON with kind gyre-certificate')
}

async function ofEarlierRelease(store: ObjectStore, { id: session }: SessionRecord): Promise<StoredCertificate | null> {
  const outcome = await readOutcome(store, session)
  const certificate = outcome?.output.certificate
  if (!certificate) return null
  const { dataset, version } = outcome.output.version
  const report = readReport(await readBlob(store, certificate.report))
  return { id: certificate.report.sha256, dataset, version, issuedAt: report.issuedAt ?? outcome.endedAt, report }
}

/**
 * @param name - an id or at least six digits of it, a session, or a dataset: then its newest.
 * @throws {PlatformError} `CERTIFICATE_NOT_FOUND`.
 */
export async function findCertificate(store: ObjectStore, name: string): Promise<StoredCertificate> {
  const all = await listCertificates(store)
  const byId = /^[0-9a-f]{6,64}$/.test(name) ? all.filter(({ id }) => id.startsWith(name)) : []
  const [found] = [...byId, ...all.filter(({ report, dataset }) => report.session === name || dataset === name)]
  if (found && byId.length <= 1) return found
  throw new PlatformError(
    'CERTIFICATE_NOT_FOUND',
    byId.length > 1
      ? `${byId.length} certificates have ids that begin with ${name}; write more of it`
      : `no certificate is called "${name}" or belongs to a session or dataset of that name; list them with \`gyre annotate certificates\``,
    { certificate: name },
  )
}

/**
 * Takes a certificate back, for good. A second time changes nothing.
 *
 * @returns the revocation that stands.
 */
export async function revokeCertificate(
  store: ObjectStore,
  { dataset, id }: Pick<StoredCertificate, 'dataset' | 'id'>,
  revocation: Omit<Revocation, 'at'>,
): Promise<Revocation> {
  const record: Revocation = { ...revocation, at: new Date().toISOString() }
  await store.create(revocationKey(dataset, id), Buffer.from(canonicalJson(record)))
  return (await readRevocation(store, { dataset, id })) ?? record
}

export async function readRevocation(
  store: ObjectStore,
  { dataset, id }: Pick<StoredCertificate, 'dataset' | 'id'>,
): Promise<Revocation | null> {
  try {
    return JSON.parse(Buffer.from(await store.get(revocationKey(dataset, id))).toString()) as Revocation
  } catch (error) {
    if (isPlatformError(error) && error.code === 'OBJECT_NOT_FOUND') return null
    throw error
  }
}

const revocationKey = (dataset: string, id: string): ObjectKey => `certificates/${dataset}/revoked/${id}.json`
