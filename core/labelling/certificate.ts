/**
 * The certificate: how many of all labels are right, at least, with what confidence, and why anybody may believe it.
 *
 * C1  It speaks of one frozen set of labels: every labelled image, whoever labelled it. Excluded images are counted apart.
 * C2  The sample is drawn after the freeze, from the digest of the frozen labels: nobody can choose it, anybody can redraw it.
 * C3  A sampled label is wrong when a person marks it a misfit and a second, blind look does not restore it. What has no
 *     class (do not know, broken, skipped) counts as wrong.
 * C4  The number of wrong labels is bounded by the hypergeometric distribution of the sample, thinned by the upper bound
 *     of the share of misfits that people overlook, which the gold misfits among the same screens measure. Gold and sample
 *     sizes are fixed before the first of their screens is shown.
 * C5  The chance of error, 5 % in all, is shared out over at most four looks before the first, and within a look between
 *     the two bounds.
 * C6  Wrong labels found are mended or taken out: the certified set is the frozen one with the sample's corrections. What
 *     was skipped keeps its label and stays counted as wrong.
 *
 * What it rests on: people overlook the misfits of the sample no more often than gold ones, and their blind looks are right.
 */

import { errorsBound, missRateBound } from './bounds.ts'
import { judgements } from './book.ts'
import { drawOrder, freezeDigest } from './draw.ts'
import { ALPHA, GOLD_SHARE, LOOK_SHARES, type Audit, type Round, type SessionEvent } from './rounds.ts'
import type { Answer } from './types.ts'

export const CONFIDENCE = 1 - ALPHA

/** The chances of error that one look may spend. */
export function alphasOf(look: number): { readonly errors: number; readonly gold: number } {
  const share = ALPHA * (LOOK_SHARES[look - 1] ?? 0)
  return { errors: share * (1 - GOLD_SHARE), gold: share * GOLD_SHARE }
}

/** The `size` images that a look at these frozen labels must sample, ascending by rank of the draw. */
export function drawSample(labelled: readonly string[], frozen: string, look: number, size: number): string[] {
  return drawOrder(labelled, `${frozen}:${look}`)
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
}

export interface LookResult {
  readonly look: number
  readonly round: number
  readonly frozen: string
  readonly population: number
  readonly sample: readonly {
    readonly image: string
    readonly label: string
    /** Class after the looks at it; null where people gave none, and so took the image out or skipped it. */
    readonly judged: string | null
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
}

/** The blob behind `certificate.report`. With the session's rounds and answers it can be computed anew. */
export interface CertificateReport {
  readonly kind: 'gyre-certificate'
  readonly session: string
  readonly confidence: number
  readonly target: number
  readonly atLeast: number
  readonly labelled: number
  /** Images without a label, by reason. */
  readonly excluded: Readonly<Record<string, number>>
  readonly looks: readonly LookResult[]
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
    for (const screen of round.screens) {
      const answer = standing.get(screen.id)
      if (!answer) continue
      const misfits = new Set(answer.misfits.map((misfit) => misfit.image))
      shown += screen.gold.length
      missed += screen.gold.filter((image) => answer.class === null || !misfits.has(image)).length
      for (const { image, class: name, why } of judgements(screen, answer)) {
        judged.set(image, name)
        if (why !== 'skipped') skips.delete(image)
      }
    }
  const sample = audit.sample.map(({ image, label }) => ({ image, label, judged: judged.get(image) ?? null }))
  const wrong = sample.filter((s) => s.judged !== s.label)
  const takenOut = wrong.filter((s) => s.judged === null && !skips.has(s.image)).length
  const alpha = alphasOf(audit.look)
  const missRate = missRateBound(missed, shown, alpha.gold)
  const bound = (population: number, size: number, found: number): number =>
    errorsBound({ population, sample: size, found, missRate }, alpha.errors)
  const errorsAtMost = bound(audit.population, sample.length, wrong.length)

  const perClass = [...labelledByClass].map(([name, labelled]): ClassBound => {
    const own = sample.filter((s) => s.label === name)
    const found = own.filter((s) => s.judged !== name).length
    return {
      class: name,
      labelled,
      sample: own.length,
      found,
      atLeast: rightShare(labelled, bound(labelled, own.length, found), {
        found,
        takenOut: own.filter((s) => s.judged === null && !skips.has(s.image)).length,
        skipped: own.filter((s) => skips.has(s.image)).length,
      }),
    }
  })
  return {
    look: audit.look,
    round: rounds[0]!.number,
    frozen: audit.frozen,
    population: audit.population,
    sample,
    found: wrong.length,
    takenOut,
    skipped: skips.size,
    gold: { shown, missed, missRateAtMost: missRate },
    alpha,
    errorsAtMost,
    atLeast: rightShare(audit.population, errorsAtMost, { found: wrong.length, takenOut, skipped: skips.size }),
    perClass,
  }
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
  return round.screens
    .flatMap((screen) => {
      const answer = standing.get(screen.id)
      return answer ? judgements(screen, answer) : []
    })
    .filter((judgement) => judgement.class !== null && judgement.class !== frozen.get(judgement.image))
    .map((judgement) => judgement.image)
    .sort()
}

/** The answer that holds for each screen: the first by time that was not withdrawn. */
export function standingAnswers(events: readonly SessionEvent[]): Map<string, Answer> {
  const standing = new Map<string, Answer[]>()
  for (const event of events) {
    const answers = (standing.get(event.screen) ?? []).filter((answer) => answer.annotator !== event.annotator)
    if (event.type === 'answer') answers.push(event)
    standing.set(event.screen, answers)
  }
  return new Map([...standing].flatMap(([screen, answers]) => (answers[0] ? [[screen, answers[0]]] : [])))
}

/**
 * Computes a certificate anew from the certified labels and the session's rounds and events.
 *
 * @param labels - digest and class of every labelled image of the certified version, ascending by digest.
 * @returns what does not agree, in words; empty when the certificate holds.
 */
export function verifyCertificate(
  report: CertificateReport,
  evidence: {
    readonly labels: Iterable<readonly [digest: string, label: string]>
    readonly rounds: readonly Round[]
    readonly events: readonly SessionEvent[]
  },
): string[] {
  const last = report.looks.at(-1)
  if (!last) return ['the report has no look']
  const index = evidence.rounds.findIndex((round) => round.number === last.round)
  const round = evidence.rounds[index]
  if (!round?.audit) return [`round ${last.round} is not an audit`]

  const frozenLabels = new Map(evidence.labels)
  const unmended = last.sample.filter(({ image, label, judged }) => {
    const certified = frozenLabels.get(image) ?? null
    return certified !== judged && !(judged === null && certified === label && last.skipped > 0)
  })
  for (const { image, label } of last.sample) frozenLabels.set(image, label)
  const sorted = [...frozenLabels].sort(([a], [b]) => (a < b ? -1 : 1))
  const frozen = freezeDigest(sorted)
  const drawn = drawSample(
    sorted.map(([image]) => image),
    frozen,
    last.look,
    last.sample.length,
  ).sort()
  const sampled = last.sample.map((s) => s.image).sort()
  const byClass = new Map<string, number>()
  for (const [, label] of sorted) byClass.set(label, (byClass.get(label) ?? 0) + 1)
  const following = evidence.rounds[index + 1]
  const own = following?.purpose === 'adjudicate' ? [round, following] : [round]
  const again = judgeLook(round.audit, own, standingAnswers(evidence.events), byClass)

  const troubles: string[] = []
  const expect = (what: string, stated: unknown, computed: unknown): void => {
    if (JSON.stringify(stated) !== JSON.stringify(computed))
      troubles.push(`${what}: stated ${JSON.stringify(stated)}, computed ${JSON.stringify(computed)}`)
  }
  expect('sampled images whose label is not what people judged', [], unmended)
  expect('digest of the frozen labels', last.frozen, frozen)
  expect('labels at the freeze', last.population, sorted.length)
  expect('the draw', sampled.join(' '), drawn.join(' '))
  expect('wrong labels found', countsOf(last), countsOf(again))
  expect('gold misfits', last.gold, again.gold)
  expect('errors at most', last.errorsAtMost, again.errorsAtMost)
  expect('right labels at least', report.atLeast, again.atLeast)
  return troubles
}

function countsOf({ found, takenOut, skipped }: LookResult): Pick<LookResult, 'found' | 'takenOut' | 'skipped'> {
  return { found, takenOut, skipped }
}
