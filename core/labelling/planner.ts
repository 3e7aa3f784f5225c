/**
 * Decides what people look at next. The course of a session:
 *
 * `explore`: typical images of far-apart clusters ("typical first" as in TypiClust, Hacohen et al., ICML 2022).
 * `learn`: the images whose predicted class is least certain, few of one cluster, in grids of one predicted class, and
 * among them random images of the held-out split.
 * `audit`, when verifying more would cost more seconds than it saves the audit: the labels are frozen and sampled.
 * `adjudicate`: blind second looks at what the audit disputes.
 *
 * Pure clusters are not grown page by page (MorphoCluster's galloping): the probe accepts the same images for no page at
 * all, and the audit answers for them.
 */

import { drawSample } from './certificate.ts'
import { drawOrder } from './draw.ts'
import type { ClusterMembers } from './explore.ts'
import { layOut, type Group } from './grids.ts'
import { packLabels, type Ledger } from './ledger.ts'
import { NextPlace } from './line.ts'
import { planLook, weighMoves, type LookPlan } from './look-plan.ts'
import { fitProbe, type Prediction } from './probe.ts'
import { GRID, LOOK_SHARES, type LabellingPolicy, type PlannedScreen, type Round } from './rounds.ts'
import type { LabelSpace } from './space.ts'

/** Images of one cluster on an exploring screen: more of the same teaches little. */
const TYPICAL = 12
/** A learning round grows with what is labelled, from two full grids to fifty. */
const ROUND_GROWTH = 0.25
const MIN_ROUND = 2 * GRID
const MAX_ROUND = 50 * GRID
/** Of one cluster in one round, so that a round is diverse. */
const PER_CLUSTER = 3

export interface PlannerParts {
  readonly policy: LabellingPolicy
  readonly space: LabelSpace
  readonly clusters: ClusterMembers
  /** Cluster of each image, [n]. */
  readonly assignment: Int32Array
  /** Clusters in the order in which they are explored. */
  readonly exploreOrder: readonly number[]
  /** Held-out images that somebody shall see for the sake of evaluation, in the order of their draw. */
  readonly heldOutDraw: readonly number[]
  /** The same images, as a set. */
  readonly drawn: ReadonlySet<number>
}

/** A round before it has its number. */
export type Draft = Omit<Round, 'number' | 'after'>

export class Planner {
  /** The next look's place on the dataset line. */
  private readonly next: NextPlace

  constructor(
    private readonly ledger: Ledger,
    private readonly parts: PlannerParts,
  ) {
    this.next = new NextPlace(parts.policy.line)
  }

  /**
   * @returns `wait` when all open screens must be answered first, `end` when no further work can lead to a certificate.
   */
  async draft(signal?: AbortSignal): Promise<Draft | 'wait' | 'end'> {
    return this.adjudication() ?? this.exploration() ?? (await this.learnOrFreeze(signal))
  }

  /** The newest model's view of every image; null as long as people named fewer than two classes. */
  async predict(signal?: AbortSignal): Promise<Prediction | null> {
    const labels = this.ledger.book.label
    if (new Set(labels.filter((label) => label >= 0)).size < 2) return null
    const lambda = this.ledger.rounds.findLast((round) => round.lambda !== undefined)?.lambda
    const classes = this.ledger.problem.classes.length
    return fitProbe(this.parts.space.features, labels, classes, { signal, lambda, drawn: this.parts.drawn })
  }

  /** Unseen images, the surest first, as long as the expected share of wrong predictions among them keeps to the target. */
  acceptable(prediction: Prediction): number[] {
    const { book, pessimism } = this.ledger
    const unseen = book.unjudged()
    unseen.sort((a, b) => prediction.errorChance[a]! - prediction.errorChance[b]! || a - b)
    let expected = 0
    const refused = unseen.findIndex((image, before) => {
      expected += prediction.errorChance[image]! * pessimism
      return expected > (1 - this.parts.policy.targetAccuracy) * (before + 1)
    })
    return refused < 0 ? unseen : unseen.slice(0, refused)
  }

  // The purposes of a round.

  private adjudication(): Draft | null {
    const disputes = this.ledger.disputes()
    if (disputes.length === 0) return null
    // Shuffled, and both candidate classes hidden: the second look is blind.
    const screens = drawOrder(disputes, `second look:${this.ledger.lastAudit()!.audit!.frozen}`).map((index) =>
      screenOf('single', null, [{ image: disputes[index]!, secondGuess: null }]),
    )
    const { accepted } = this.ledger.rounds.at(-1)!
    return { purpose: 'adjudicate', screens: this.numbered(screens), screensAfter: 0, accepted }
  }

  private exploration(): Draft | null {
    const { book, rounds, problem } = this.ledger
    const classesKnown = new Set(book.label.filter((label) => label >= 0)).size
    const explored = rounds.length > 0 || book.labelled >= 5 * problem.classes.length
    if (classesKnown >= 2 && explored) return null
    const order = rounds.length === 0 ? this.parts.exploreOrder : this.parts.clusters.keys()
    const screens: Omit<PlannedScreen, 'id'>[] = []
    for (const cluster of order) {
      const images = this.parts.clusters[cluster]!.filter((image) => book.isUnjudged(image)).slice(0, TYPICAL)
      const cells = images.map((image) => ({ image: problem.digests[image]!, secondGuess: null }))
      if (images.length > 0) screens.push(screenOf('cluster', null, cells))
      if (screens.length === this.parts.exploreOrder.length) break
    }
    if (screens.length === 0) return null
    return { purpose: 'explore', screens: this.numbered(screens), screensAfter: null, accepted: 0 }
  }

  private async learnOrFreeze(signal: AbortSignal | undefined): Promise<Draft | 'wait' | 'end'> {
    await this.next.expect(this.ledger.auditsBegun + 1)
    const prediction = await this.predict(signal)
    const { book, pessimism, row } = this.ledger
    const open = new Set(this.ledger.openScreens().flatMap((screen) => screen.images.map((image) => row.get(image)!)))
    const chance = (image: number): number => (prediction ? Math.min(1, pessimism * prediction.errorChance[image]!) : 1)
    const unseen = book.unjudged().filter((image) => !open.has(image))
    unseen.sort((a, b) => chance(b) - chance(a) || a - b)
    const drawn = this.parts.heldOutDraw.filter((image) => book.isUnjudged(image) && !open.has(image))

    const population = book.included
    const move = weighMoves(
      Float64Array.from(unseen, chance),
      book.missesExpected(),
      (expected) => this.planLook(population, expected),
      population,
    )
    const wanted = Math.max(move.verify, drawn.length)
    if (wanted > 0) return this.learning(prediction, { unseen, drawn, wanted, look: move.look })
    if (open.size > 0) return 'wait'
    if (!move.look) return 'end'
    if (!(await this.next.take(this.ledger.auditsBegun + 1))) return this.learnOrFreeze(signal)
    const expected = unseen.reduce((sum, image) => sum + chance(image), 0) / population
    return this.freeze(prediction, move.look, expected)
  }

  /** @param work - `unseen` images, the least certain first; those `drawn` for evaluation; how many are `wanted` by and by. */
  private learning(
    prediction: Prediction | null,
    work: { unseen: readonly number[]; drawn: readonly number[]; wanted: number; look: LookPlan | null },
  ): Draft {
    const { unseen, drawn, wanted, look } = work
    const grown = Math.round(ROUND_GROWTH * this.ledger.book.labelled)
    const size = Math.min(wanted, Math.max(MIN_ROUND, Math.min(MAX_ROUND, grown)))
    // The draw keeps pace with the learning, and is complete when it ends.
    const picked = new Set(drawn.slice(0, Math.ceil((size * drawn.length) / wanted)))
    for (const image of this.diverse(unseen, size)) {
      if (picked.size >= size) break
      picked.add(image)
    }
    const groups = groupBy([...picked], (image) => this.classFor(image, prediction))
    const left = wanted - picked.size + (look?.sample ?? 0)
    return {
      purpose: 'learn',
      screens: this.grids(groups, prediction),
      ...(prediction ? { lambda: prediction.lambda } : {}),
      screensAfter: look ? Math.ceil(left / GRID) : null,
      accepted: prediction ? this.acceptable(prediction).length : 0,
    }
  }

  private freeze(prediction: Prediction | null, plan: LookPlan, expected: number): Draft {
    const { book, problem, row, auditsBegun } = this.ledger
    const labels = book.label.map((label, image) => {
      if (book.excluded[image]) return -1
      return label >= 0 ? label : this.classFor(image, prediction)
    })
    const labelled = problem.digests.filter((_, image) => labels[image]! >= 0)
    const frozen = this.ledger.freezeDigest(labels)
    const look = auditsBegun + 1
    const { place } = this.next
    const images = drawSample(labelled, frozen, place, plan.sample).map((digest) => row.get(digest)!)
    const groups = groupBy(images, (image) => labels[image]!)
    this.hideGold(groups, plan.gold, new Set(images), prediction)
    const sample = images.map((image) => ({
      image: problem.digests[image]!,
      label: problem.classes[labels[image]!]!,
    }))
    return {
      purpose: 'audit',
      screens: this.grids(groups, prediction),
      ...(prediction ? { lambda: prediction.lambda } : {}),
      audit: { look, place, frozen, population: labelled.length, sample, labels: packLabels(labels), expected },
      screensAfter: 0,
      accepted: labelled.length - book.labelled,
    }
  }

  // Their parts.

  private planLook(population: number, expected: number): LookPlan | null {
    const { auditsBegun, book } = this.ledger
    if (auditsBegun >= LOOK_SHARES.length) return null
    return planLook({
      look: auditsBegun + 1,
      place: this.next.place,
      population,
      target: this.parts.policy.targetAccuracy,
      expected,
      missRate: book.missRate,
      goldAvailable: book.labelled,
    })
  }

  /** Adds known images under a wrong class, the likeliest wrong one that is on show; not those of the sample if it can be. */
  private hideGold(
    groups: Map<number, Group>,
    wanted: number,
    sampled: ReadonlySet<number>,
    prediction: Prediction | null,
  ): void {
    const { book, problem, auditsBegun } = this.ledger
    const known = drawOrder(problem.digests, `gold:${this.parts.policy.seed}:${auditsBegun + 1}`)
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

  /** Images in the given order, few of one cluster first, until `size` are found. */
  private diverse(order: readonly number[], size: number): number[] {
    const taken = new Map<number, number>()
    const first: number[] = []
    const rest: number[] = []
    for (const image of order) {
      if (first.length === size) break
      const cluster = this.parts.assignment[image]!
      const count = taken.get(cluster) ?? 0
      taken.set(cluster, count + 1)
      if (count < PER_CLUSTER) first.push(image)
      else rest.push(image)
    }
    return [...first, ...rest].slice(0, size)
  }

  /** The predicted class; before there is a prediction, the only class that people named. */
  private classFor(image: number, prediction: Prediction | null): number {
    return prediction ? prediction.best[image]! : (this.ledger.book.label.find((label) => label >= 0) ?? 0)
  }

  private grids(groups: ReadonlyMap<number, Group>, prediction: Prediction | null): PlannedScreen[] {
    const { digests, classes } = this.ledger.problem
    const certainty = (image: number, proposed: number): number => {
      const margin = prediction?.margin[image] ?? 0
      return prediction?.best[image] === proposed ? margin : -margin
    }
    const screens = layOut(groups, this.parts.space.coordinates, certainty).map(({ proposed, cells }) => {
      const shown = cells.map(({ image }) => {
        const guess = prediction ? nextGuess(prediction, image, proposed) : -1
        return { image: digests[image]!, secondGuess: classes[guess] ?? null }
      })
      const gold = cells.filter((cell) => cell.gold).map(({ image }) => digests[image]!)
      return screenOf('verify', classes[proposed]!, shown, gold)
    })
    return this.numbered(screens)
  }

  private numbered(screens: readonly Omit<PlannedScreen, 'id'>[]): PlannedScreen[] {
    const before = this.ledger.screenCount
    return screens.map((screen, i) => ({ id: String(before + i + 1).padStart(6, '0'), ...screen }))
  }
}

function groupBy(images: readonly number[], classOf: (image: number) => number): Map<number, Group> {
  const groups = new Map<number, Group>()
  for (const image of images) {
    const proposed = classOf(image)
    const group = groups.get(proposed) ?? { images: [], gold: [] }
    group.images.push(image)
    groups.set(proposed, group)
  }
  return groups
}

function nextGuess({ best, second }: Prediction, image: number, proposed: number): number {
  return best[image] === proposed ? second[image]! : best[image]!
}

function screenOf(
  kind: PlannedScreen['kind'],
  proposed: string | null,
  cells: readonly { readonly image: string; readonly secondGuess: string | null }[],
  gold: readonly string[] = [],
): Omit<PlannedScreen, 'id'> {
  return {
    kind,
    proposed,
    images: cells.map((cell) => cell.image),
    secondGuess: cells.map((cell) => cell.secondGuess),
    gold,
  }
}
