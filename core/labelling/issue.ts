/** Writes the certificate of a session that has passed its audit, signs it, and keeps it where its dataset finds it. */

import { inflateSync } from 'node:zlib'
import { openSigningKey, publishSigningKey, type SigningKey } from '#core/identity'
import type { Certificate, DatasetVersion } from '#core/steps'
import { putBlob, type ObjectStore } from '#core/storage'
import {
  CONFIDENCE,
  evidenceOf,
  signedBytes,
  type CertificateReport,
  type LookResult,
  type SinceFreeze,
} from './certificate.ts'
import { freezeDigest } from './draw.ts'
import type { FinalLabel } from './engine.ts'
import { keepCertificate } from './issued.ts'
import { itemsOf } from './items.ts'
import { pairLabels, pairName } from './pairs.ts'
import { readEvents, readRounds } from './records.ts'
import type { Audit, LabellingPolicy, SessionEvent } from './rounds.ts'
import { carriedFrom } from './verify.ts'

type CertificateTask = NonNullable<LabellingPolicy['task']>

export interface Certified {
  readonly session: string
  /** What the session's labels became. */
  readonly version: DatasetVersion
  /** Rows of it that the session speaks of, ascending by digest. */
  readonly labels: readonly FinalLabel[]
  /** With which the session was opened. */
  readonly classes: readonly string[]
  readonly policy: { readonly targetAccuracy: number; readonly task?: CertificateTask | undefined }
  readonly looks: readonly LookResult[]
  /** Private key in PEM; left out, the certificate is unsigned. */
  readonly signingKey?: string | undefined
}

/**
 * @returns null where the labels changed so much after the freeze that the target is missed, or where what was frozen
 *   cannot be told any more.
 */
export async function issueCertificate(store: ObjectStore, certified: Certified): Promise<Certificate | null> {
  const statement = await state(store, certified)
  if (!statement || statement.atLeast < statement.target) return null
  const key = certified.signingKey === undefined ? null : openSigningKey(certified.signingKey)
  if (key) await publishSigningKey(store, key)
  const bytes = Buffer.from(JSON.stringify(signed(statement, key)))
  const report = await putBlob(store, bytes)
  await keepCertificate(store, certified.version.dataset, report.sha256, bytes)
  return { kind: 'certificate', report, atLeast: statement.atLeast, confidence: CONFIDENCE }
}

function signed(statement: CertificateReport, key: SigningKey | null): CertificateReport {
  return key ? { ...statement, signature: key.sign(signedBytes(statement)) } : statement
}

async function state(store: ObjectStore, certified: Certified): Promise<CertificateReport | null> {
  const { session, version, labels, looks, policy } = certified
  const { task = 'single', targetAccuracy: target } = policy
  const [rounds, events] = await Promise.all([readRounds(store, session), readEvents(store, session)])
  const look = looks.at(-1)!
  const audit = rounds.find(({ number }) => number === look.round)?.audit
  const classes = classesOf(certified.classes, events)
  const found = audit && sinceFreeze(certified, { look, audit, classes })
  if (!found) return null
  const { since, apart } = found
  const items = itemsOf(labels, { task, classes, apart })
  // Of the last answer, not of the clock: issued again after a crash, it is the same certificate.
  const last = events.at(-1)?.at ?? ''
  return {
    kind: 'gyre-certificate',
    format: 2,
    session,
    dataset: version.dataset,
    version: version.version,
    task,
    classes,
    issuedAt: last,
    confidence: CONFIDENCE,
    target,
    atLeast: carriedFrom(look, since).atLeast,
    labelled: items.size,
    excluded: excludedIn(labels),
    ...(apart.length > 0 && { apart }),
    looks,
    since,
    evidence: evidenceOf(rounds, events, last),
  }
}

/** All classes there ever were in the session, in the order in which the engine numbers them. */
function classesOf(opened: readonly string[], events: readonly SessionEvent[]): string[] {
  const added = events.flatMap((event) => (event.type === 'class-added' ? [event.name] : []))
  return [...new Set([...opened, ...added])]
}

function excludedIn(labels: readonly FinalLabel[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { excluded } of labels) if (excluded) counts[excluded] = (counts[excluded] ?? 0) + 1
  return counts
}

/** How the labels of the version differ from the frozen ones, the sample's corrections apart. */
function sinceFreeze(
  { labels, policy: { task = 'single' } }: Certified,
  { look, audit, classes }: { look: LookResult; audit: Audit; classes: readonly string[] },
): { since: SinceFreeze; apart: readonly string[] } | null {
  const mended = frozenItems(labels, audit, { task, classes })
  if (freezeDigest(mended) !== audit.frozen) return null
  for (const { image, judged, skipped } of look.sample) {
    if (judged !== null) mended.set(image, judged)
    else if (!skipped) mended.delete(image)
  }
  const now = itemsOf(labels, { task, classes })
  const was = [...mended]
  const added = [...now.keys()].filter((name) => !mended.has(name))
  const since: SinceFreeze = {
    changed: was.filter(([name, label]) => now.has(name) && now.get(name) !== label),
    removed: was.filter(([name]) => !now.has(name)),
    added: task === 'multi' ? [] : added,
  }
  // Of several labels an image, an answer that nobody could give reads as no: it is not certified.
  return { since, apart: task === 'multi' ? added : [] }
}

/** Ascending by name. */
function frozenItems(
  labels: readonly FinalLabel[],
  audit: Audit,
  { task, classes }: { task: CertificateTask; classes: readonly string[] },
): Map<string, string> {
  const bytes = inflateSync(Buffer.from(audit.labels, 'base64'))
  const codes = new Int16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2)
  const multi = task === 'multi'
  const ordered = [...classes].sort()
  const words = multi ? pairLabels(ordered) : classes
  const names = labels.flatMap(({ digest }) => (multi ? ordered.map((name) => pairName(digest, name)) : [digest]))
  return new Map(names.flatMap((name, at) => (codes[at]! >= 0 ? [[name, words[codes[at]!]!] as const] : [])))
}
