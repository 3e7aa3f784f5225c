/** Verifies a certificate against the store in which its session lies. Nothing has to run for it, and nobody is asked. */

import { openVersion } from '#core/datasets'
import { isPlatformError } from '#core/errors'
import { fingerprintOf, isSignedBy, listSigningKeys } from '#core/identity'
import { sha256Hex, type ObjectStore } from '#core/storage'
import { signedBytes, type CertificateReport } from './certificate.ts'
import { findCertificate, readReport, type StoredCertificate } from './issued.ts'
import { itemsOf } from './items.ts'
import { readPlaces } from './line.ts'
import { readEvents, readOutcome, readRounds } from './records.ts'
import { verifyCertificate } from './verify.ts'

/** `foreign`: rightly signed, by a key that this installation never published, or that is not the expected one. */
export type SignatureState = 'valid' | 'unsigned' | 'invalid' | 'foreign'

export interface Verification {
  readonly certificate: StoredCertificate
  readonly signature: { readonly state: SignatureState; readonly fingerprint: string | null }
  /** What does not agree, in words; empty when the certificate holds. */
  readonly troubles: readonly string[]
}

export interface VerifyOptions {
  /** Fingerprint that the key must have, as it came to the reader by another way. */
  readonly fingerprint?: string | undefined
}

/**
 * @param certificate - id, session or dataset, as for `findCertificate`; or the bytes of a certificate.
 * @throws {PlatformError} `CERTIFICATE_NOT_FOUND`; `CERTIFICATE_INVALID` for bytes that are no certificate.
 */
export async function verifyStored(
  store: ObjectStore,
  certificate: string | Uint8Array,
  options: VerifyOptions = {},
): Promise<Verification> {
  const found =
    typeof certificate === 'string' ? await findCertificate(store, certificate) : await located(store, certificate)
  const signature = await signatureOf(store, found.report, options)
  return {
    certificate: found,
    signature,
    troubles: [
      ...signatureTroubles(signature),
      ...(await placeTroubles(store, found)),
      ...(await evidenceTroubles(store, found)),
    ],
  }
}

/** Of a file: what its session came to says where it belongs. */
async function located(store: ObjectStore, bytes: Uint8Array): Promise<StoredCertificate> {
  const report = readReport(bytes)
  const outcome = await readOutcome(store, report.session)
  const version = outcome?.output.version
  return {
    id: sha256Hex(bytes),
    dataset: report.dataset ?? version?.dataset ?? '',
    version: report.version ?? version?.version ?? '',
    issuedAt: report.issuedAt ?? outcome?.endedAt ?? '',
    report,
  }
}

async function signatureOf(
  store: ObjectStore,
  report: CertificateReport,
  { fingerprint: expected }: VerifyOptions,
): Promise<Verification['signature']> {
  const { signature } = report
  if (!signature) return { state: 'unsigned', fingerprint: null }
  const fingerprint = fingerprintOf(signature.publicKey)
  if (!isSignedBy(signature, signedBytes(report))) return { state: 'invalid', fingerprint }
  const known = (await listSigningKeys(store)).some(({ publicKey }) => publicKey === signature.publicKey)
  const isOurs = expected === undefined ? known : expected === fingerprint
  return { state: isOurs ? 'valid' : 'foreign', fingerprint }
}

function signatureTroubles({ state, fingerprint }: Verification['signature']): string[] {
  if (state === 'invalid') return ['the signature is not that of this statement: the certificate was altered']
  if (state === 'foreign') return [`the signature is of key ${fingerprint}, which is not a key of this installation`]
  return []
}

/** The places of its looks on the dataset line are its session's own. */
async function placeTroubles(store: ObjectStore, { dataset, report }: StoredCertificate): Promise<string[]> {
  const wanted = report.looks.filter(({ place }) => place !== undefined)
  if (wanted.length === 0) return []
  const taken = new Map((await readPlaces(store, dataset)).map((place) => [place.place, place]))
  return wanted.flatMap(({ look, place }) => {
    const holder = taken.get(place!)
    if (holder?.session === report.session && holder.look === look) return []
    const whose = holder ? `look ${holder.look} of session ${holder.session}` : 'nobody'
    return [`place ${place} on the line of ${dataset} belongs to ${whose}, not to look ${look} of this session`]
  })
}

async function evidenceTroubles(store: ObjectStore, certificate: StoredCertificate): Promise<string[]> {
  const { report, dataset, version } = certificate
  try {
    const rows = await (await openVersion(store, { dataset, version })).labels()
    const [rounds, events] = await Promise.all([readRounds(store, report.session), readEvents(store, report.session)])
    return verifyCertificate(report, { labels: itemsOf(rows, report), rounds, events })
  } catch (error) {
    if (!isPlatformError(error) || error.code === 'INTERNAL') throw error
    return [`what it rests on cannot be read: ${error.message}`]
  }
}
