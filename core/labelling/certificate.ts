/**
 * The certificate: how many of all labels are right, at least, with what confidence, and why anybody may believe it.
 *
 * C1  It speaks of one frozen set of labels: every labelled image, whoever labelled it. Excluded images are counted apart.
 * C2  The sample is drawn after the freeze, from the digest of the frozen labels: nobody can choose it, anybody can redraw it.
 * C3  A sampled label is wrong when a person marks it a misfit and a second, blind look does not restore it. What has no
 *     class (do not know, broken, skipped) counts as wrong.
 * C4  The number of wrong labels is bounded by the hypergeometric distribution of the sample, thinned by the upper bound
 *     of the share of misfits that people overlook, which the gold misfits among the same screens measure. Gold and sample
 *     sizes are fixed before the first of their screens is shown. Of each screen the first standing answer counts, for
 *     gold and sample alike, however many people look at other images.
 * C5  The chance of error, 5 % in all, is shared out over all looks of a dataset line before the first, by their places on
 *     it, and within a look between the two bounds.
 * C6  Wrong labels found are mended or taken out: the certified set is the frozen one with the sample's corrections. What
 *     was skipped keeps its label and stays counted as wrong. Labels that changed after the freeze for any other reason
 *     count as wrong (`carry`).
 *
 * The proof, and what it rests on: docs/certificate.md.
 */

import type { Signature } from '#core/identity'
import { canonicalJson, digestJson } from '#core/storage'
import { errorsBound, missRateBound } from './bounds.ts'
import { judgements } from './book.ts'
import { drawOrder } from './draw.ts'
import {
  ALPHA,
  GOLD_SHARE,
  isAboutScreen,
  LOOK_SHARES,
  type Audit,
  type PlannedScreen,
  type Round,
  type SessionEvent,
} from './rounds.ts'
import type { Answer } from './types.ts'

export const CONFIDENCE = 1 - ALPHA

/** What names a look: its number in the session, and its place on the dataset line; earlier releases knew no places. */
export interface LookName {
  readonly look: number
  readonly place?: number | undefined
}

/**
 * The share of a line's chance of error that the look at this place may spend: a half, a quarter, an eighth, and of the
 * last eighth ever smaller parts without end, so that a line never runs out. The shares of all places sum to 1.
 */
export function lineShare(place: number): number {
  return place <= 3 ? 2 ** -place : 1 / (8 * (place - 3) * (place - 2))
}

/** The chances of error that one look may spend. */
export function alphasOf({ look, place }: LookName): { readonly errors: number; readonly gold: number } {
  const share = ALPHA * (place === undefined ? (LOOK_SHARES[look - 1] ?? 0) : lineShare(place))
  return { errors: share * (1 - GOLD_SHARE), gold: share * GOLD_SHARE }
}

/**
 * The `size` images that a look at these frozen labels must sample, ascending by rank of the draw.
 *
 * @param number - its place on the line, so that no two looks of a line share a draw; else its number in the session.
 */
export function drawSample(labelled: readonly string[], frozen: string, number: number, size: number): string[] {
  return drawOrder(labelled, `${frozen}:${number}`)
    .slice(0, size)
    .map((index) => labelled[index]!)
}

export interface ClassBound {
  readonly class: string
  readonly labelled: number
  readonly sample: number
  readonly found: number
  /** Share of right labels of this class, at least; each class by itself at the look's level, not all at once. */
  readonly atLeast: number
  /** The same for all classes at once, at the look's level. */
  readonly jointly?: number
}

/** Second looks at what an audit disputed. */
export interface Adjudicated {
  readonly disputes: number
  /** The second look gave the frozen label. */
  readonly restored: number
  /** Somebody else than who disputed the label took the second look. */
  readonly byOthers: number
}

export interface LookResult {
  readonly look: number
  /** Its place among all looks of the dataset line, from 1; missing where an earlier release took it. */
  readonly place?: number
  readonly round: number
  readonly frozen: string
  readonly population: number
  readonly sample: readonly {
    readonly image: string
    readonly label: string
    /** Class after the looks at it; null where people gave none, and so took the image out or skipped it. */
    readonly judged: string | null
    /** People skipped it, so that it keeps its label; earlier releases did not say. */
    readonly skipped?: true
  }[]
  /** Wrong labels in the sample; those of them that were taken out; and those skipped, which keep their label. */
  readonly found: number
  readonly takenOut: number
  readonly skipped: number
  readonly gold: { readonly shown: number; readonly missed: number; readonly missRateAtMost: number }
  readonly alpha: { readonly errors: number; readonly gold: number }
  /** Wrong labels in the frozen set at most, before the found ones were mended. */
  readonly errorsAtMost: number
  /** Share of right labels after mending, at least. */
  readonly atLeast: number
  readonly perClass: readonly ClassBound[]
  readonly adjudicated?: Adjudicated
}

/** Labels that differ between the freeze and the version, but for the sample's corrections: an image deleted, a class merged. */
export interface SinceFreeze {
  /** Image and frozen label. */
  readonly changed: readonly (readonly [image: string, was: string])[]
  readonly removed: readonly (readonly [image: string, was: string])[]
  readonly added: readonly string[]
}

/** What the certificate was computed from, named by digests: `until` is the time of the last event. */
export interface Evidence {
  readonly rounds: { readonly count: number; readonly sha256: string }
  readonly events: { readonly count: number; readonly sha256: string; readonly until: string }
}

/**
 * The blob behind `certificate.report`. With the session's rounds and answers it can be computed anew. What is optional
 * was not stated by earlier releases.
 */
export interface CertificateReport {
  readonly kind: 'gyre-certificate'
  readonly format?: 2
  readonly session: string
  readonly dataset?: string
  /** The version whose labels these are. */
  readonly version?: string
  readonly task?: 'single' | 'multi' | 'ordinal'
  readonly classes?: readonly string[]
  /** When the last answer came that it rests on, ISO 8601. */
  readonly issuedAt?: string
  readonly confidence: number
  readonly target: number
  readonly atLeast: number
  readonly labelled: number
  /** Images without a label, by reason. */
  readonly excluded: Readonly<Record<string, number>>
  /** Of several labels an image: answers that nobody could give, which a version holds as no. They are not certified. */
  readonly apart?: readonly string[]
  readonly looks: readonly LookResult[]
  readonly since?: SinceFreeze
  readonly evidence?: Evidence
  /** Of all that stands above, in canonical JSON; missing where the installation has no key. */
  readonly signature?: Signature
}

/** Of everything in the report but the signature itself. */
export function signedBytes({ signature: _signature, ...statement }: CertificateReport): Uint8Array {
  return Buffer.from(canonicalJson(statement))
}

/** Names rounds and events up to a time, so that any change of any of them shows. */
export function evidenceOf(rounds: readonly Round[], events: readonly SessionEvent[], until: string): Evidence {
  const counted = events.filter(({ at }) => at <= until)
  return {
    rounds: { count: rounds.length, sha256: digestJson(rounds) },
    events: { count: counted.length, sha256: digestJson(counted), until },
  }
}

/**
 * @param rounds - the audit's round and the adjudication that followed, if any.
 * @param standing - the answer that holds for each screen.
 * @param labelledByClass - frozen labels of each class.
 */
export function judgeLook(
  audit: Audit,
  rounds: readonly Round[],
  standing: ReadonlyMap<string, Answer>,
  labelledByClass: ReadonlyMap<string, number>,
): LookResult {
  const judged = new Map<string, string | null>()
  const skips = new Set(audit.sample.map((s) => s.image))
  let [shown, missed] = [0, 0]
  for (const round of rounds)
    for (const { screen, answer } of answered(round, standing)) {
      const misfits = new Set(answer.misfits.map((misfit) => misfit.image))
      shown += screen.gold.length
      missed += screen.gold.filter((image) => answer.class === null || !misfits.has(image)).length
      for (const { image, class: name, why } of judgements(screen, answer)) {
        judged.set(image, name)
        if (why !== 'skipped') skips.delete(image)
      }
    }
  const sample = audit.sample.map(({ image, label }) => ({
    image,
    label,
    judged: judged.get(image) ?? null,
    ...(audit.place !== undefined && skips.has(image) && { skipped: true as const }),
  }))
  const found = sample.filter(isWrong).length
  const alpha = alphasOf(audit)
  const missRate = missRateBound(missed, shown, alpha.gold)
  const check = { population: audit.population, sample: sample.length, found, missRate }
  const errorsAtMost = errorsBound(check, alpha.errors)
  const shares = (own: typeof sample, population: number, level: number): number => {
    const found = own.filter(isWrong).length
    const most = errorsBound({ population, sample: own.length, found, missRate }, level)
    return rightShare(population, most, { found, ...lostOf(own, skips) })
  }
  const perClass = [...labelledByClass].map(([name, labelled]): ClassBound => {
    const own = sample.filter((s) => s.label === name)
    return {
      class: name,
      labelled,
      sample: own.length,
      found: own.filter(isWrong).length,
      atLeast: shares(own, labelled, alpha.errors),
      ...(audit.place !== undefined && { jointly: shares(own, labelled, alpha.errors / labelledByClass.size) }),
    }
  })
  const lost = lostOf(sample, skips)
  return {
    look: audit.look,
    ...(audit.place !== undefined && { place: audit.place }),
    round: rounds[0]!.number,
    frozen: audit.frozen,
    population: audit.population,
    sample,
    found,
    ...lost,
    gold: { shown, missed, missRateAtMost: missRate },
    alpha,
    errorsAtMost,
    atLeast: rightShare(audit.population, errorsAtMost, { found, ...lost }),
    perClass,
    ...(audit.place !== undefined && { adjudicated: adjudicationOf(audit, rounds, standing) }),
  }
}

type Judged = LookResult['sample'][number]

function isWrong({ label, judged }: Judged): boolean {
  return judged !== label
}

/** Of the sampled labels: those that were taken out, and those skipped, which keep their label. */
function lostOf(sample: readonly Judged[], skips: ReadonlySet<string>): { takenOut: number; skipped: number } {
  const skipped = sample.filter(({ image }) => skips.has(image)).length
  return { takenOut: sample.filter(({ judged }) => judged === null).length - skipped, skipped }
}

function adjudicationOf(
  audit: Audit,
  [first, second]: readonly Round[],
  standing: ReadonlyMap<string, Answer>,
): Adjudicated {
  const frozen = new Map(audit.sample.map(({ image, label }) => [image, label]))
  const disputedBy = new Map<string, string>()
  for (const { screen, answer } of answered(first!, standing))
    for (const { image, class: name } of judgements(screen, answer))
      if (name !== null && name !== frozen.get(image)) disputedBy.set(image, answer.annotator)
  const seconds = (second ? answered(second, standing) : []).flatMap(({ screen, answer }) =>
    judgements(screen, answer).map((judgement) => ({ ...judgement, by: answer.annotator })),
  )
  return {
    disputes: disputedBy.size,
    restored: seconds.filter(({ image, class: name }) => name === frozen.get(image)).length,
    byOthers: seconds.filter(({ image, by }) => by !== disputedBy.get(image)).length,
  }
}

function answered(
  { screens }: Round,
  standing: ReadonlyMap<string, Answer>,
): { readonly screen: PlannedScreen; readonly answer: Answer }[] {
  return screens.flatMap((screen) => {
    const answer = standing.get(screen.id)
    return answer ? [{ screen, answer }] : []
  })
}

/** Of the labels left when the wrong ones found are mended or taken out. Skipped ones stay wrong, as far as anybody knows. */
function rightShare(
  population: number,
  errorsAtMost: number,
  { found, takenOut, skipped }: { found: number; takenOut: number; skipped: number },
): number {
  const left = population - takenOut
  return left === 0 ? 1 : 1 - Math.min(left, errorsAtMost - found + skipped) / left
}

/** Images whose frozen label somebody disputed in the audit's screens, in order of digest. */
export function disputesOf(audit: Audit, round: Round, standing: ReadonlyMap<string, Answer>): string[] {
  const frozen = new Map(audit.sample.map(({ image, label }) => [image, label]))
  return answered(round, standing)
    .flatMap(({ screen, answer }) => judgements(screen, answer))
    .filter((judgement) => judgement.class !== null && judgement.class !== frozen.get(judgement.image))
    .map((judgement) => judgement.image)
    .sort()
}

/** The answer that holds for each screen: the first by time that was not withdrawn. */
export function standingAnswers(events: readonly SessionEvent[]): Map<string, Answer> {
  const standing = new Map<string, Answer[]>()
  for (const event of events) {
    if (!isAboutScreen(event)) continue
    const answers = (standing.get(event.screen) ?? []).filter((answer) => answer.annotator !== event.annotator)
    if (event.type === 'answer') answers.push(event)
    standing.set(event.screen, answers)
  }
  return new Map([...standing].flatMap(([screen, answers]) => (answers[0] ? [[screen, answers[0]]] : [])))
}
