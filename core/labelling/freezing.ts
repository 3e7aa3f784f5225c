/** The beginning of an audit: all labels are frozen, a sample is drawn from them, and gold is hidden on its screens. */

import { drawSample } from './certificate.ts'
import { drawOrder } from './draw.ts'
import type { Group } from './grids.ts'
import { packLabels, type Ledger } from './ledger.ts'
import type { LookPlan } from './look-plan.ts'
import type { Prediction } from './probe.ts'
import type { Audit } from './rounds.ts'
import { groupBy } from './screens.ts'

export interface Frozen {
  readonly audit: Audit
  /** The sample under its frozen labels, and the gold. */
  readonly groups: ReadonlyMap<number, Group>
}

/**
 * @param labelOf - of images that nobody labelled.
 * @param expected - share of the labels thought wrong, 0–1.
 */
export function freezeLabels(
  ledger: Ledger,
  plan: LookPlan,
  {
    prediction,
    labelOf,
    place,
    seed,
    expected,
  }: {
    readonly prediction: Prediction | null
    readonly labelOf: (image: number) => number
    readonly place: number
    readonly seed: number
    readonly expected: number
  },
): Frozen {
  const { book, problem, row, auditsBegun } = ledger
  const labels = book.label.map((label, image) => {
    if (book.excluded[image]) return -1
    return label >= 0 ? label : labelOf(image)
  })
  const labelled = problem.digests.filter((_, image) => labels[image]! >= 0)
  const frozen = ledger.freezeDigest(labels)
  const look = auditsBegun + 1
  const images = drawSample(labelled, frozen, place, plan.sample).map((digest) => row.get(digest)!)
  const groups = groupBy(images, (image) => labels[image]!)
  hideGold(ledger, groups, { wanted: plan.gold, sampled: new Set(images), prediction, key: `gold:${seed}:${look}` })
  const sample = images.map((image) => ({ image: problem.digests[image]!, label: problem.classes[labels[image]!]! }))
  return {
    audit: { look, place, frozen, population: labelled.length, sample, labels: packLabels(labels), expected },
    groups,
  }
}

/** Adds known images under a wrong class, the likeliest wrong one that is on show; not those of the sample if it can be. */
function hideGold(
  { book, problem }: Ledger,
  groups: Map<number, Group>,
  {
    wanted,
    sampled,
    prediction,
    key,
  }: {
    readonly wanted: number
    readonly sampled: ReadonlySet<number>
    readonly prediction: Prediction | null
    readonly key: string
  },
): void {
  const known = drawOrder(problem.digests, key)
  known.sort((a, b) => Number(sampled.has(a)) - Number(sampled.has(b)))
  const onShow = [...groups.keys()].sort((a, b) => a - b)
  let left = wanted
  for (const image of known) {
    const label = book.label[image]!
    if (left === 0) break
    if (label < 0) continue
    const guesses = prediction ? [prediction.best[image]!, prediction.second[image]!] : []
    const wrong = [...guesses, ...onShow].find((guess) => guess !== label && groups.has(guess))
    if (wrong === undefined) continue
    groups.get(wrong)!.gold.push(image)
    left -= 1
  }
}
