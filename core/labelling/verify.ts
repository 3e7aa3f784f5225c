/**
 * Computes a certificate anew, from the labels of its version, the session's rounds and its events, and says in words what
 * does not agree. Nobody has to be asked and nothing has to run for it.
 */

import { carry } from './bounds.ts'
import {
  alphasOf,
  CONFIDENCE,
  drawSample,
  evidenceOf,
  judgeLook,
  standingAnswers,
  type CertificateReport,
  type LookResult,
  type SinceFreeze,
} from './certificate.ts'
import { freezeDigest } from './draw.ts'
import { pairEvents, pairRound } from './pairs.ts'
import type { Audit, PlannedScreen, Round, SessionEvent } from './rounds.ts'

export interface CertificateEvidence {
  /** Name and label of everything labelled in the certified version: digest and class; in any order. */
  readonly labels: Iterable<readonly [name: string, label: string]>
  readonly rounds: readonly Round[]
  readonly events: readonly SessionEvent[]
}

export const NOTHING_SINCE: SinceFreeze = { changed: [], removed: [], added: [] }

/** @returns what does not agree, in words; empty when the certificate holds. */
export function verifyCertificate(report: CertificateReport, evidence: CertificateEvidence): string[] {
  const last = report.looks.at(-1)
  if (!last) return ['the certificate has no look']
  const { rounds, events } = report.task === 'multi' ? inPairs(report, evidence) : evidence
  const index = rounds.findIndex((round) => round.number === last.round)
  const round = rounds[index]
  if (!round?.audit) return [`round ${last.round} is missing or no audit`]
  const second = rounds[index + 1]?.purpose === 'adjudicate' ? [rounds[index + 1]!] : []
  const standing = standingAnswers(events)

  const labels = new Map(evidence.labels)
  const mended = undo(labels, report.since ?? NOTHING_SINCE)
  const frozen = new Map([...mended, ...last.sample.map(({ image, label }) => [image, label] as const)])
  const again = judgeLook(round.audit, [round, ...second], standing, countByLabel(frozen))
  return [
    ...evidenceTroubles(report, evidence),
    ...unanswered([round, ...second], standing),
    ...screenTroubles(round, frozen),
    ...drawTroubles(last, round.audit, frozen),
    ...mendingTroubles(last, mended),
    ...lookTroubles(last, again),
    ...statementTroubles(report, again, labels.size),
  ]
}

/** What a session with several labels an image was asked and told, pair by pair. */
function inPairs(
  { classes = [] }: CertificateReport,
  { rounds, events }: CertificateEvidence,
): Pick<CertificateEvidence, 'rounds' | 'events'> {
  const asked = new Map(rounds.flatMap(({ screens }) => screens.map(({ id, asks }) => [id, asks] as const)))
  return {
    rounds: rounds.map(pairRound),
    events: events.flatMap((event) => pairEvents(event, classes, (screen) => asked.get(screen))),
  }
}

/** Before the labels changed for other reasons than the sample's corrections. */
function undo(labels: ReadonlyMap<string, string>, { changed, removed, added }: SinceFreeze): Map<string, string> {
  const before = new Map([...labels, ...changed, ...removed])
  for (const name of added) before.delete(name)
  return before
}

function countByLabel(labels: ReadonlyMap<string, string>): Map<string, number> {
  const counts = new Map<string, number>()
  for (const label of labels.values()) counts.set(label, (counts.get(label) ?? 0) + 1)
  return counts
}

function evidenceTroubles({ evidence: stated }: CertificateReport, { rounds, events }: CertificateEvidence): string[] {
  if (!stated) return []
  const found = evidenceOf(rounds, events, stated.events.until)
  return (['rounds', 'events'] as const).flatMap((kind) => {
    const [was, is] = [stated[kind], found[kind]]
    if (was.sha256 === is.sha256) return []
    const change = was.count === is.count ? 'some were altered' : `${was.count} were signed for, ${is.count} are there`
    return [`the session's ${kind} are not those of the certificate: ${change}`]
  })
}

function unanswered(rounds: readonly Round[], standing: ReadonlyMap<string, unknown>): string[] {
  const open = rounds.flatMap(({ screens }) => screens.filter(({ id }) => !standing.has(id)))
  if (open.length === 0) return []
  return [`screens of the audit without an answer: ${listed(open.map(({ id }) => id))}`]
}

/** Each sampled label is shown once, under itself, and each gold misfit under a label that it does not have. */
function screenTroubles({ audit, screens }: Round, frozen: ReadonlyMap<string, string>): string[] {
  const shown = new Map<string, number>()
  const [misplaced, noMisfits]: [string[], string[]] = [[], []]
  for (const screen of screens) {
    const gold = new Set(screen.gold)
    noMisfits.push(...screen.gold.filter((image) => !isMisfit(screen, image, frozen)))
    screen.images.forEach((image, at) => {
      if (gold.has(image)) return
      shown.set(image, (shown.get(image) ?? 0) + 1)
      if (proposalOf(screen, at) !== frozen.get(image)) misplaced.push(image)
    })
  }
  const sampled = new Set(audit!.sample.map(({ image }) => image))
  const wrongly = [...sampled].filter((image) => shown.get(image) !== 1)
  const others = [...shown.keys()].filter((image) => !sampled.has(image))
  return [
    ...told('sampled images that were not shown exactly once', wrongly),
    ...told('images of the audit that are not of its sample', others),
    ...told('sampled images shown under another label than their own', misplaced),
    ...told('gold misfits that are none: shown under their own label, or without one', noMisfits),
  ]
}

function isMisfit(screen: PlannedScreen, image: string, frozen: ReadonlyMap<string, string>): boolean {
  const at = screen.images.indexOf(image)
  return at >= 0 && frozen.has(image) && frozen.get(image) !== proposalOf(screen, at)
}

function proposalOf({ proposals, proposed }: PlannedScreen, at: number): string | null {
  return proposals?.[at] ?? proposed
}

function drawTroubles(last: LookResult, audit: Audit, frozen: ReadonlyMap<string, string>): string[] {
  const sorted = [...frozen].sort(([a], [b]) => (a < b ? -1 : 1))
  const digest = freezeDigest(sorted)
  const names = sorted.map(([name]) => name)
  const drawn = new Set(drawSample(names, digest, last.place ?? last.look, last.sample.length))
  const foreign = last.sample.filter(({ image }) => !drawn.has(image))
  return [
    ...differing('digest of the frozen labels', last.frozen, digest),
    ...differing('digest of the frozen labels in the round', audit.frozen, digest),
    ...differing('labels at the freeze', last.population, sorted.length),
    ...differing('number of the look', last.look, audit.look),
    ...differing('place of the look on the dataset line', last.place, audit.place),
    ...told(
      'sampled images that the frozen labels do not draw',
      foreign.map(({ image }) => image),
    ),
  ]
}

/** The version has what people judged; what they skipped, as it was. */
function mendingTroubles(last: LookResult, mended: ReadonlyMap<string, string>): string[] {
  const unmended = last.sample.filter(({ image, label, judged, skipped }) => {
    const certified = mended.get(image) ?? null
    const mayBeSkipped = last.place === undefined ? judged === null && last.skipped > 0 : skipped === true
    return certified !== judged && !(mayBeSkipped && certified === label)
  })
  return told(
    'sampled images whose label is not what people judged',
    unmended.map(({ image }) => image),
  )
}

function lookTroubles(stated: LookResult, again: LookResult): string[] {
  const judged = new Map(again.sample.map((s) => [s.image, s.judged]))
  const misjudged = stated.sample.filter((s) => judged.get(s.image) !== s.judged).map(({ image }) => image)
  return [
    ...told('sampled images of which people said something else', misjudged),
    ...differing('wrong labels found', countsOf(stated), countsOf(again)),
    ...differing('gold misfits', stated.gold, again.gold),
    ...differing('chance of error', stated.alpha, alphasOf(stated)),
    ...differing('errors at most', stated.errorsAtMost, again.errorsAtMost),
    ...differing('right labels at least, at the look', stated.atLeast, again.atLeast),
    ...differing('bounds per class', byClass(stated), byClass(again)),
    ...differing('second looks', stated.adjudicated, again.adjudicated),
  ]
}

function countsOf({ found, takenOut, skipped }: LookResult): Pick<LookResult, 'found' | 'takenOut' | 'skipped'> {
  return { found, takenOut, skipped }
}

function byClass({ perClass }: LookResult): LookResult['perClass'] {
  return [...perClass].sort((a, b) => (a.class < b.class ? -1 : 1))
}

function statementTroubles(report: CertificateReport, look: LookResult, labelled: number): string[] {
  const { atLeast } = carriedFrom(look, report.since ?? NOTHING_SINCE)
  return [
    ...differing('right labels at least', report.atLeast, atLeast),
    ...differing('confidence', report.confidence, CONFIDENCE),
    ...(report.task === 'multi' ? [] : differing('labels', report.labelled, labelled)),
  ]
}

/** Wrong labels left when the sample is mended, at most, carried to the version. */
export function carriedFrom(look: LookResult, { changed, removed, added }: SinceFreeze): ReturnType<typeof carry> {
  const labelled = look.population - look.takenOut
  const wrongAtMost = Math.min(labelled, look.errorsAtMost - look.found + look.skipped)
  const counts = { changed: changed.length, removed: removed.length, added: added.length }
  return carry({ labelled, wrongAtMost }, counts)
}

// Words.

function differing(what: string, stated: unknown, computed: unknown): string[] {
  const [was, is] = [JSON.stringify(stated), JSON.stringify(computed)]
  return was === is ? [] : [`${what}: stated ${was ?? 'nothing'}, computed ${is ?? 'nothing'}`]
}

function told(what: string, names: readonly string[]): string[] {
  return names.length === 0 ? [] : [`${what}: ${names.length} (${listed(names)})`]
}

function listed(names: readonly string[]): string {
  return `${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}`
}
