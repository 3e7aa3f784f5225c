/**
 * What a certificate is worth now. It speaks of one version for ever; of other versions of the line it says what follows:
 * each label that was changed or added since may be wrong (`carry`). It is revoked
 *
 * R1  by a person, and by drift: a record in the store, for good;
 * R2  by relabelling: when, of the labels that it certified, so many differ in `latest` that the bound falls below the target;
 * R3  by a change of classes: when a session that ended later on the line asked for others.
 *
 * R2 and R3 are computed from the versions and the sessions whenever somebody asks, so no process has to be there when it
 * happens.
 */

import { openVersion, readLatest } from '#core/datasets'
import { PlatformError } from '#core/errors'
import type { DatasetVersion } from '#core/steps'
import type { ObjectStore } from '#core/storage'
import { carry, type Changed } from './bounds.ts'
import { listCertificates, readRevocation, revokeCertificate, type StoredCertificate } from './issued.ts'
import { itemsOf } from './items.ts'
import { listSessions, readOutcome } from './records.ts'
import { verifyStored } from './verify-stored.ts'

type Version = Pick<DatasetVersion, 'dataset' | 'version'>

/** What a certificate says of a version of its line. */
export interface Carried extends Changed {
  readonly version: string
  readonly labelled: number
  readonly atLeast: number
}

export interface Standing {
  /** `outgrown`: labels were added since, of which it says nothing; what it certified stands. */
  readonly state: 'stands' | 'outgrown' | 'revoked'
  /** In words, where it does not stand. */
  readonly why: string | null
  /** What follows for `latest`; null where the line has none any more. */
  readonly latest: Carried | null
}

/** @throws {PlatformError} `DATASET_NOT_FOUND` where a version is gone. */
export async function carriedTo(store: ObjectStore, certificate: StoredCertificate, to: string): Promise<Carried> {
  const { report, dataset, version } = certificate
  const wrongAtMost = Math.round((1 - report.atLeast) * report.labelled)
  const { labelled } = report
  if (to === version) return { version, labelled, atLeast: report.atLeast, changed: 0, added: 0, removed: 0 }
  const [was, is] = await Promise.all([version, to].map((name) => labelsOf(store, { dataset, version: name }, report)))
  const changes = changesBetween(was!, is!)
  return { version: to, ...changes, ...pick(carry({ labelled, wrongAtMost }, changes)) }
}

function pick({ labelled, atLeast }: { labelled: number; atLeast: number }): Pick<Carried, 'labelled' | 'atLeast'> {
  return { labelled, atLeast }
}

async function labelsOf(
  store: ObjectStore,
  version: Version,
  report: StoredCertificate['report'],
): Promise<Map<string, string>> {
  return itemsOf(await (await openVersion(store, version)).labels(), report)
}

function changesBetween(was: ReadonlyMap<string, string>, is: ReadonlyMap<string, string>): Changed {
  let [changed, removed] = [0, 0]
  for (const [name, label] of was)
    if (!is.has(name)) removed += 1
    else if (is.get(name) !== label) changed += 1
  return { changed, removed, added: is.size - (was.size - removed) }
}

export async function standingOf(store: ObjectStore, certificate: StoredCertificate): Promise<Standing> {
  const latest = await latestOf(store, certificate)
  const revoked = (why: string): Standing => ({ state: 'revoked', why, latest })
  const revocation = await readRevocation(store, certificate)
  if (revocation) {
    const { by, at, reason } = revocation
    return revoked(`revoked by ${by} on ${at.slice(0, 10)}: ${reason}`)
  }
  const classes = await otherClasses(store, certificate)
  if (classes) return revoked(classes)
  if (!latest) return { state: 'stands', why: null, latest }
  const { target, labelled } = certificate.report
  const relabelled = carry({ labelled, wrongAtMost: wrongOf(certificate) }, { ...latest, added: 0 })
  if (relabelled.atLeast < target)
    return revoked(
      `${latest.changed} of its labels were changed and ${latest.removed} removed since, so that it promises ${percent(relabelled.atLeast)}, less than the ${percent(target)} it was made for`,
    )
  if (latest.added > 0 && latest.atLeast < target)
    return { state: 'outgrown', why: `${latest.added} labels were added since, of which it says nothing`, latest }
  return { state: 'stands', why: null, latest }
}

function wrongOf({ report: { atLeast, labelled } }: StoredCertificate): number {
  return Math.round((1 - atLeast) * labelled)
}

async function latestOf(store: ObjectStore, certificate: StoredCertificate): Promise<Carried | null> {
  const latest = await readLatest(store, certificate.dataset)
  return latest && carriedTo(store, certificate, latest.value.version)
}

/** Whether a later session on the line asked for other classes: the same image may then be right under another name. */
async function otherClasses(
  store: ObjectStore,
  { dataset, issuedAt, report }: StoredCertificate,
): Promise<string | null> {
  if (!report.classes) return null
  const mine = new Set(report.classes)
  for (const { id, dataset: line, task = 'single', openedAt } of await listSessions(store)) {
    if (line !== dataset || id === report.session || task !== (report.task ?? 'single') || openedAt < issuedAt) continue
    const classes = (await readOutcome(store, id))?.state.classes
    if (!classes) continue
    const [added] = classes.filter((name) => !mine.has(name))
    const [removed] = report.classes.filter((name) => !classes.includes(name))
    if (added === undefined && removed === undefined) continue
    const what = added === undefined ? `without "${removed}"` : `with "${added}"`
    return `session ${id} asked for other classes since, ${what}: what was right may be wrong among these`
  }
  return null
}

/**
 * Revokes what stands of the certificates that speak of a version whose images production has drifted from.
 *
 * @returns the ids of those that were revoked.
 */
export async function revokeForDrift(
  store: ObjectStore,
  { dataset, version }: Version,
  { reason, by }: { readonly reason: string; readonly by: string },
): Promise<readonly string[]> {
  const revoked: string[] = []
  for (const certificate of await listCertificates(store, dataset)) {
    if (await readRevocation(store, certificate)) continue
    const carried = await carriedTo(store, certificate, version)
    if (carried.labelled === 0 || carried.atLeast < certificate.report.target) continue
    await revokeCertificate(store, certificate, { by, cause: 'drift', reason })
    revoked.push(certificate.id)
  }
  return revoked
}

/** In short, for pages that tell of something else. */
export interface CertificateNote extends Pick<Standing, 'state' | 'why'> {
  readonly id: string
  readonly version: string
  readonly session: string
  readonly atLeast: number
  readonly labelled: number
}

/** The certificates of a line that speak of these versions themselves, newest first. */
export async function certificatesOf(
  store: ObjectStore,
  dataset: string,
  versions: ReadonlySet<string>,
): Promise<readonly CertificateNote[]> {
  const own = (await listCertificates(store, dataset)).filter(({ version }) => versions.has(version))
  return Promise.all(
    own.map(async (certificate): Promise<CertificateNote> => {
      const { id, version, report } = certificate
      const { state, why } = await standingOf(store, certificate)
      const { session, atLeast, labelled } = report
      return { id, version, session, atLeast, labelled, state, why }
    }),
  )
}

/** The best that holds of a version, and what it says of it. */
export interface CertifiedVersion extends Carried {
  readonly certificate: string
  readonly session: string
}

/**
 * The certificate of the line that promises most of a version, among those that nobody revoked.
 *
 * @returns null where none speaks of it.
 */
export async function certificateFor(
  store: ObjectStore,
  { dataset, version }: Version,
): Promise<CertifiedVersion | null> {
  const found: CertifiedVersion[] = []
  for (const certificate of await listCertificates(store, dataset)) {
    const { state } = await standingOf(store, certificate)
    if (state === 'revoked') continue
    const carried = await carriedTo(store, certificate, version)
    if (carried.labelled > 0)
      found.push({ ...carried, certificate: certificate.id, session: certificate.report.session })
  }
  return found.sort((a, b) => b.atLeast - a.atLeast)[0] ?? null
}

/**
 * Lets a training go on only with labels of which a certificate that stands promises enough, computed anew from its
 * session's answers.
 *
 * @throws {PlatformError} `CERTIFICATE_REQUIRED`; `CERTIFICATE_INVALID` where it does not agree with the evidence.
 */
export async function requireCertificate(store: ObjectStore, version: Version, atLeast: number): Promise<void> {
  const best = await certificateFor(store, version)
  const name = `version ${version.version.slice(0, 12)} of ${version.dataset}`
  if (!best || best.atLeast < atLeast)
    throw new PlatformError(
      'CERTIFICATE_REQUIRED',
      `the training wants at least ${percent(atLeast)} right labels, and ${name} has ${
        best ? `${percent(best.atLeast)} certified` : await whyNone(store, version)
      }; label until they are certified, or lower requireCertificate`,
      { ...version, atLeast, certified: best?.atLeast ?? null },
    )
  const { troubles } = await verifyStored(store, best.certificate)
  if (troubles.length > 0)
    throw new PlatformError(
      'CERTIFICATE_INVALID',
      `certificate ${best.certificate.slice(0, 12)} of ${name} does not hold: ${troubles[0]}; see gyre annotate verify ${best.certificate.slice(0, 12)}`,
      { certificate: best.certificate, troubles: troubles.length },
    )
}

async function whyNone(store: ObjectStore, { dataset }: Version): Promise<string> {
  const [newest] = await listCertificates(store, dataset)
  if (!newest) return 'no certificate'
  const { why } = await standingOf(store, newest)
  return `none that stands (${newest.id.slice(0, 12)}: ${why ?? 'it speaks of another version'})`
}

function percent(share: number): string {
  return `${(Math.floor(share * 10_000) / 100).toFixed(2)} %`
}
