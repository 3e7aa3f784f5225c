/**
 * Decides what people look at next where an image may show several classes. One binary question per class, all over the
 * same images, by one probe each:
 *
 * `explore`: typical images of far-apart clusters, asked about every class; for a class that nobody has found yet, more.
 * `learn`: the pairs of image and class whose answer is least certain, a grid of one class at a time, and a few images
 * drawn by chance that are asked about every class: they say without bias how often the probes are wrong.
 * `audit` and `adjudicate` as for one label, over pairs.
 *
 * Saying no to everything is right for most images of a rare class. So each class is learnt until its wrong answers, as
 * far as the probes can tell, are few beside the images that show it, and not beside all images.
 */

import { drawSample } from './certificate.ts'
import { drawOrder } from './draw.ts'
import type { Features } from './features.ts'
import { layOut, type Group } from './grids.ts'
import { packLabels, type Ledger } from './ledger.ts'
import { NextPlace } from './line.ts'
import { planLook, weighMoves, type LookPlan } from './look-plan.ts'
import { pairLabel, VERDICTS, YES } from './pairs.ts'
import { errorCurve, fitProbe, type Prediction } from './probe.ts'
import { GRID, LOOK_SHARES, type LabellingPolicy, type PlannedScreen, type Round } from './rounds.ts'
import type { LabelSpace } from './space.ts'

/** A learning round grows with what is answered, from two full grids to fifty. */
const ROUND_GROWTH = 0.25
const MIN_ROUND = 2 * GRID
const MAX_ROUND = 50 * GRID
/** Of one cluster and class in one round, so that a round is diverse. */
const PER_CLUSTER = 3
/** Fewer pairs than this wait for company, so that no grid is shown for two or three images. */
const WORTH_A_GRID = 12
/** Sums of labels kept, 8 MB each: classes beyond share them, and fit more slowly. */
const MOST_SUMS = 24
/** With fewer random pairs, the chosen ones say, too, how often the probes are wrong; they are the hard ones. */
const ENOUGH_DRAWN = 200

export interface MultiPlannerParts {
  readonly policy: LabellingPolicy
  readonly digests: readonly string[]
  /** In the order of pairs: ascending. */
  readonly classes: readonly string[]
  readonly space: LabelSpace
  readonly assignment: Int32Array
  /** All images, the most typical of each cluster first, far-apart clusters before others. */
  readonly typical: readonly number[]
  /** Images asked about every class, in the order of their draw. */
  readonly drawn: readonly number[]
  /** Answers of models of before this session, by pair; −1 for none. */
  readonly suggested: Int8Array | null
}

/** What is thought of one class. */
interface Opinion {
  /** Code of the likelier verdict of each image, [n]. */
  readonly verdict: Uint8Array
  /** Chance that it is wrong, [n]. */
  readonly errorChance: Float32Array
  /** Lead of the likelier verdict, [n]. */
  readonly margin: Float32Array
}

/** A round of images, before it has its number. */
export type MultiDraft = Omit<Round, 'number' | 'after'>

/** Images to be asked about one class. */
interface Question {
  /** Place in the order of classes. */
  readonly asked: number
  readonly images: readonly number[]
}

export class MultiLabelPlanner {
  private readonly fitted = new Map<number, { readonly labels: Int32Array; readonly fit: Prediction }>()

  /** The same for all classes, but what labels come to is summed up for each by itself. */
  private readonly features: readonly Features[]

  /** The next look's place on the dataset line. */
  private readonly next: NextPlace

  constructor(
    private readonly ledger: Ledger,
    private readonly parts: MultiPlannerParts,
  ) {
    this.next = new NextPlace(parts.policy.line)
    const { length } = parts.classes
    this.features = Array.from({ length: Math.min(length, MOST_SUMS) }, () => ({ ...parts.space.features }))
  }

  /** @returns `wait` when all open screens must be answered first, `end` when no further work can lead to a certificate. */
  async draft(open: ReadonlySet<number>, signal?: AbortSignal): Promise<MultiDraft | 'wait' | 'end'> {
    const first = this.adjudication() ?? (await this.requested(open, signal)) ?? this.exploration(open)
    return first ?? (await this.learnOrFreeze(open, signal))
  }

  /** What is thought of every class, by the answers there are; null for one that nobody was asked about. */
  async opinions(signal?: AbortSignal): Promise<(Opinion | null)[]> {
    const { classes, digests } = this.parts
    const labels = classes.map((_, asked) => Int32Array.from(digests, (_, image) => this.verdictGiven(image, asked)))
    const fits: (Prediction | null)[] = []
    for (const [asked, own] of labels.entries())
      fits.push(own.includes(0) && own.includes(1) ? await this.fit(asked, own, signal) : null)
    const curve = this.errorsByMargin(fits, labels)
    return fits.map((fit, asked) => {
      if (!fit) return this.uniform(labels[asked]!)
      return { verdict: Uint8Array.from(fit.best), margin: fit.margin, errorChance: fit.margin.map(curve) }
    })
  }

  /** The probe of a class, fitted anew only when its answers have changed. */
  private async fit(asked: number, labels: Int32Array, signal: AbortSignal | undefined): Promise<Prediction> {
    const before = this.fitted.get(asked)
    if (before?.labels.every((label, image) => label === labels[image])) return before.fit
    const features = this.features[asked % this.features.length]!
    const fit = await fitProbe(features, labels, VERDICTS.length, { signal })
    this.fitted.set(asked, { labels, fit })
    return fit
  }

  /** One curve for all classes: random images are too few to draw one for each. */
  private errorsByMargin(
    fits: readonly (Prediction | null)[],
    labels: readonly Int32Array[],
  ): (margin: number) => number {
    const drawn = new Set(this.parts.drawn)
    const evidence = fits.flatMap((fit, asked) => {
      if (!fit) return []
      const { images, best, margin } = fit.outOfFold
      return Array.from(images, (image, i) => ({
        margin: margin[i]!,
        wrong: best[i] !== labels[asked]![image],
        drawn: drawn.has(image),
      }))
    })
    const unbiased = evidence.filter((one) => one.drawn)
    return errorCurve(unbiased.length >= ENOUGH_DRAWN ? unbiased : evidence)
  }

  /** Pairs that nobody judged and whose answer is taken over from the probes without a certificate, with that answer. */
  acceptable(opinions: readonly (Opinion | null)[]): Map<number, number> {
    const { pessimism } = this.ledger
    const unseen = opinions.flatMap((opinion, asked) =>
      opinion === null
        ? []
        : this.unjudged(asked).map((image) => ({
            pair: this.pair(image, asked),
            verdict: opinion.verdict[image]!,
            chance: Math.min(1, pessimism * opinion.errorChance[image]!),
          })),
    )
    unseen.sort((a, b) => a.chance - b.chance || a.pair - b.pair)
    const out = new Map<number, number>()
    let expected = 0
    for (const { pair, verdict, chance } of unseen) {
      expected += chance
      if (expected > (1 - this.parts.policy.targetAccuracy) * (out.size + 1)) break
      out.set(pair, verdict)
    }
    return out
  }

  // Pairs.

  pair(image: number, asked: number): number {
    return image * this.parts.classes.length + asked
  }

  /** Code of the verdict that people gave; −1 for none. */
  verdictGiven(image: number, asked: number): number {
    const label = this.ledger.book.label[this.pair(image, asked)]!
    return label < 0 ? -1 : label % VERDICTS.length
  }

  /** Whether the class is still one of the session's. */
  isLive(asked: number): boolean {
    return this.ledger.classes.includes(pairLabel(this.parts.classes[asked]!, YES))
  }

  /** Pairs that take part. */
  get population(): number {
    const live = this.parts.classes.map((_, asked) => this.isLive(asked))
    const { excluded } = this.ledger.book
    return excluded.reduce((count, reason, pair) => count + (!reason && live[pair % live.length] ? 1 : 0), 0)
  }

  private unjudged(asked: number): number[] {
    if (!this.isLive(asked)) return []
    const { book } = this.ledger
    return [...this.parts.digests.keys()].filter((image) => book.isUnjudged(this.pair(image, asked)))
  }

  /** Of a class of which people gave one verdict only. One more than those asked could be the other. */
  private uniform(labels: Int32Array): Opinion | null {
    const given = labels.reduce((count, label) => count + (label >= 0 ? 1 : 0), 0)
    if (given === 0) return null
    const verdict = labels.find((label) => label >= 0)!
    return {
      verdict: new Uint8Array(labels.length).fill(verdict),
      margin: new Float32Array(labels.length),
      errorChance: new Float32Array(labels.length).fill(1 / (given + 2)),
    }
  }

  // The purposes of a round.

  private adjudication(): MultiDraft | null {
    const disputes = this.ledger.disputes()
    if (disputes.length === 0) return null
    const screens = drawOrder(disputes, `second look:${this.ledger.lastAudit()!.audit!.frozen}`).map((index) => {
      const pair = this.ledger.row.get(disputes[index]!)!
      return this.screen('single', pair % this.parts.classes.length, null, [
        { image: Math.floor(pair / this.parts.classes.length), gold: false },
      ])
    })
    const because = 'What the audit disputes gets a second, blind look.'
    const { accepted } = this.ledger.rounds.at(-1)!
    return { purpose: 'adjudicate', because, screens: this.numbered(screens), screensAfter: 0, accepted }
  }

  /** What people asked for, under the class that they named or under every class. */
  private async requested(open: ReadonlySet<number>, signal: AbortSignal | undefined): Promise<MultiDraft | null> {
    const requests = this.ledger.pendingRequests()
    if (requests.length === 0) return null
    const opinions = await this.opinions(signal)
    const { book, row } = this.ledger
    const taken = new Set(open)
    const screens = requests.flatMap(({ images, by, review }) => {
      const picked = this.parts.classes.map(() => new Set<number>())
      for (const name of images) {
        const pair = row.get(name)
        if (pair === undefined || book.excluded[pair] || taken.has(pair)) continue
        const asked = pair % picked.length
        if (!this.isLive(asked) || !(review || book.isUnjudged(pair))) continue
        taken.add(pair)
        picked[asked]!.add(Math.floor(pair / picked.length))
      }
      return this.grids(this.grouped(picked, opinions), opinions).map((screen) => ({ ...screen, requestedBy: by }))
    })
    if (screens.length === 0) return null
    const because = `${[...new Set(requests.map(({ by }) => by))].join(', ')} asked for these images.`
    const { screensAfter = null, accepted = 0 } = this.ledger.rounds.at(-1) ?? {}
    return { purpose: 'asked', because, screens: this.numbered(screens), screensAfter, accepted }
  }

  /** Classes that people have not met both ways are looked for, a grid at a time, among the most typical of each cluster. */
  private exploration(open: ReadonlySet<number>): MultiDraft | null {
    const { classes, digests, assignment } = this.parts
    const most = Math.max(2 * GRID, new Set(assignment).size)
    const questions = classes.flatMap((_, asked): Question[] => {
      const given = [0, 0]
      for (const image of digests.keys()) {
        const verdict = this.verdictGiven(image, asked)
        if (verdict >= 0) given[verdict]! += 1
      }
      if (!this.isLive(asked) || (given[0]! > 0 && given[1]! > 0) || given[0]! + given[1]! >= most) return []
      return [{ asked, images: this.likelyFirst(asked, open).slice(0, GRID) }]
    })
    const screens = questions.flatMap(({ asked, images }) => this.exploring(asked, images))
    if (screens.length === 0) return null
    const because = `Typical images, to find what shows ${questions.map(({ asked }) => classes[asked]!).join(', ')}.`
    return { purpose: 'explore', because, screens: this.numbered(screens), screensAfter: null, accepted: 0 }
  }

  /** Where a model of before has said something, half of those it says yes to, so that its word is put to the test. */
  private likelyFirst(asked: number, open: ReadonlySet<number>): number[] {
    const { typical, suggested } = this.parts
    const free = typical.filter((image) => {
      const pair = this.pair(image, asked)
      return this.ledger.book.isUnjudged(pair) && !open.has(pair)
    })
    if (!suggested) return free
    const yes = free.filter((image) => suggested[this.pair(image, asked)] === 1).slice(0, GRID / 2)
    const chosen = new Set(yes)
    return [...yes, ...free.filter((image) => !chosen.has(image))]
  }

  private exploring(asked: number, images: readonly number[]): Omit<PlannedScreen, 'id'>[] {
    const { suggested } = this.parts
    const byVerdict = VERDICTS.map((_, verdict) =>
      images.filter((image) => (suggested?.[this.pair(image, asked)] === 1 ? 1 : 0) === verdict),
    )
    return byVerdict.flatMap((own, verdict) =>
      own.length === 0
        ? []
        : [
            this.screen(
              'verify',
              asked,
              verdict,
              own.map((image) => ({ image, gold: false })),
            ),
          ],
    )
  }

  private async learnOrFreeze(
    open: ReadonlySet<number>,
    signal: AbortSignal | undefined,
  ): Promise<MultiDraft | 'wait' | 'end'> {
    await this.next.expect(this.ledger.auditsBegun + 1)
    const opinions = await this.opinions(signal)
    const { book, pessimism } = this.ledger
    const chance = (asked: number, image: number): number =>
      Math.min(1, pessimism * (opinions[asked]?.errorChance[image] ?? 1))
    const unseen = opinions.map((_, asked) => {
      const free = this.unjudged(asked).filter((image) => !open.has(this.pair(image, asked)))
      return free.sort((a, b) => chance(asked, b) - chance(asked, a) || a - b)
    })
    const chances = Float64Array.from(unseen.flatMap((images, asked) => images.map((image) => chance(asked, image))))
    chances.sort().reverse()
    const { population } = this
    const move = weighMoves(
      chances,
      book.missesExpected(),
      (expected) => this.planLook(population, expected),
      population,
    )
    const least = chances[move.verify - 1] ?? Infinity
    const drawn = this.undrawn(open)
    const wanted = unseen.map((images, asked) => {
      const doubtful = images.findIndex((image) => chance(asked, image) < least)
      const owed = this.owed(asked, images, opinions[asked] ?? null, (image) => chance(asked, image))
      return Math.max(doubtful < 0 ? images.length : doubtful, owed)
    })
    const all = wanted.reduce((sum, count) => sum + count, 0) + drawn.length
    if (all > 0) return this.learning(opinions, { unseen, wanted, drawn, look: move.look })
    if (open.size > 0) return 'wait'
    if (!move.look) return 'end'
    if (!(await this.next.take(this.ledger.auditsBegun + 1))) return this.learnOrFreeze(open, signal)
    return this.freeze(opinions, move.look, chances.reduce((sum, one) => sum + one, 0) / population)
  }

  /** Pairs of the drawn images that nobody was asked about, a few images' worth. */
  private undrawn(open: ReadonlySet<number>): { image: number; asked: number }[] {
    const { drawn, classes } = this.parts
    const live = [...classes.keys()].filter((asked) => this.isLive(asked))
    return drawn.flatMap((image) =>
      live.flatMap((asked) => {
        const pair = this.pair(image, asked)
        return this.ledger.book.isUnjudged(pair) && !open.has(pair) ? [{ image, asked }] : []
      }),
    )
  }

  /** How many of the least certain must be asked until wrong answers are few beside the images that show the class. */
  private owed(
    asked: number,
    images: readonly number[],
    opinion: Opinion | null,
    chance: (image: number) => number,
  ): number {
    if (!opinion) return images.length
    let shows = 0
    for (const image of this.parts.digests.keys()) {
      const given = this.verdictGiven(image, asked)
      shows += given >= 0 ? given : this.ledger.book.excluded[this.pair(image, asked)] ? 0 : opinion.verdict[image]!
    }
    const tolerated = (1 - this.parts.policy.targetAccuracy) * Math.max(1, shows)
    let expected = images.reduce((sum, image) => sum + chance(image), 0)
    let count = 0
    while (count < images.length && expected > tolerated) expected -= chance(images[count++]!)
    // A handful more would not be worth a grid; and a class that nobody ever found is no reason to see all images.
    return count < WORTH_A_GRID || opinion.margin.every((margin) => margin === 0) ? 0 : count
  }

  private learning(
    opinions: readonly (Opinion | null)[],
    work: {
      readonly unseen: readonly (readonly number[])[]
      readonly wanted: readonly number[]
      readonly drawn: readonly { readonly image: number; readonly asked: number }[]
      readonly look: LookPlan | null
    },
  ): MultiDraft {
    const grown = Math.round(ROUND_GROWTH * this.ledger.book.labelled)
    const size = Math.max(MIN_ROUND, Math.min(MAX_ROUND, grown))
    const picked = this.parts.classes.map(() => new Set<number>())
    // The draw comes whole: the fewer rounds wait for it, the sooner the estimates are without bias.
    for (const { image, asked } of work.drawn) picked[asked]!.add(image)
    let count = work.drawn.length
    const needs = work.wanted.map((wanted, asked) => ({ asked, wanted })).filter(({ wanted }) => wanted > 0)
    needs.sort((a, b) => b.wanted - a.wanted || a.asked - b.asked)
    const share = Math.max(GRID, Math.ceil(size / Math.max(1, needs.length)))
    for (const { asked, wanted } of needs) {
      if (count >= size) break
      const images = this.diverse(work.unseen[asked]!, Math.min(wanted, share))
      for (const image of images) picked[asked]!.add(image)
      count += images.length
    }
    const groups = this.grouped(picked, opinions)
    const worth = [...groups].filter(([, group]) => group.images.length >= WORTH_A_GRID)
    const screens = this.grids(worth.length > 0 ? new Map(worth) : groups, opinions)
    const left = work.wanted.reduce((sum, wanted) => sum + wanted, 0) - count + (work.look?.sample ?? 0)
    return {
      purpose: 'learn',
      because: `The least certain answers about ${needs
        .slice(0, 3)
        .map(({ asked }) => this.parts.classes[asked]!)
        .join(', ')}${needs.length > 3 ? ` and ${needs.length - 3} more classes` : ''}.`,
      screens: this.numbered(screens),
      screensAfter: work.look ? Math.max(0, Math.ceil(left / GRID)) : null,
      accepted: this.acceptable(opinions).size,
    }
  }

  private freeze(opinions: readonly (Opinion | null)[], plan: LookPlan, expected: number): MultiDraft {
    const { book, problem, row, auditsBegun } = this.ledger
    const { classes } = this.parts
    const labels = book.label.map((label, pair) => {
      if (book.excluded[pair]) return -1
      if (label >= 0) return label
      const asked = pair % classes.length
      if (!this.isLive(asked)) return -1
      const verdict = opinions[asked]?.verdict[Math.floor(pair / classes.length)]
      return verdict === undefined ? -1 : asked * VERDICTS.length + verdict
    })
    const labelled = problem.digests.filter((_, pair) => labels[pair]! >= 0)
    const frozen = this.ledger.freezeDigest(labels)
    const look = auditsBegun + 1
    const { place } = this.next
    const pairs = drawSample(labelled, frozen, place, plan.sample).map((name) => row.get(name)!)
    const groups = new Map<number, Group>()
    for (const pair of pairs) groupOf(groups, labels[pair]!).images.push(Math.floor(pair / classes.length))
    this.hideGold(groups, plan.gold, new Set(pairs))
    const sample = pairs.map((pair) => ({ image: problem.digests[pair]!, label: problem.classes[labels[pair]!]! }))
    return {
      purpose: 'audit',
      because: `Verifying more would now cost more time than it saves: ${plan.sample} pairs of image and class are checked.`,
      screens: this.numbered(this.grids(groups, opinions)),
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

  /** Adds pairs whose answer is known under the other one, where that is on show; not those of the sample if it can be. */
  private hideGold(groups: Map<number, Group>, wanted: number, sampled: ReadonlySet<number>): void {
    const { book, problem, auditsBegun } = this.ledger
    const known = drawOrder(problem.digests, `gold:${this.parts.policy.seed}:${auditsBegun + 1}`)
    known.sort((a, b) => Number(sampled.has(a)) - Number(sampled.has(b)))
    let left = wanted
    for (const pair of known) {
      const label = book.label[pair]!
      if (left === 0) break
      const group = label < 0 ? undefined : groups.get(label ^ 1)
      const image = Math.floor(pair / this.parts.classes.length)
      if (!group || group.images.includes(image)) continue
      group.gold.push(image)
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

  /** By the label under which they are shown. */
  private grouped(picked: readonly ReadonlySet<number>[], opinions: readonly (Opinion | null)[]): Map<number, Group> {
    const groups = new Map<number, Group>()
    picked.forEach((images, asked) => {
      for (const image of images) {
        const given = this.verdictGiven(image, asked)
        const verdict = given >= 0 ? given : (opinions[asked]?.verdict[image] ?? 0)
        groupOf(groups, asked * VERDICTS.length + verdict).images.push(image)
      }
    })
    return groups
  }

  private grids(
    groups: ReadonlyMap<number, Group>,
    opinions: readonly (Opinion | null)[],
  ): Omit<PlannedScreen, 'id'>[] {
    const certainty = (image: number, label: number): number => {
      const opinion = opinions[label >> 1]
      if (!opinion) return 0
      return opinion.verdict[image] === (label & 1) ? opinion.margin[image]! : -opinion.margin[image]!
    }
    return layOut(groups, this.parts.space.coordinates, certainty).map(({ proposed: label, cells }) =>
      this.screen('verify', label >> 1, label & 1, cells),
    )
  }

  private screen(
    kind: PlannedScreen['kind'],
    asked: number,
    verdict: number | null,
    cells: readonly { readonly image: number; readonly gold: boolean }[],
  ): Omit<PlannedScreen, 'id'> {
    const { digests, classes } = this.parts
    return {
      kind,
      asks: classes[asked]!,
      proposed: verdict === null ? null : VERDICTS[verdict]!,
      images: cells.map(({ image }) => digests[image]!),
      // There is one other answer, and it needs no guess.
      secondGuess: cells.map(() => (verdict === null ? null : VERDICTS[1 - verdict]!)),
      gold: cells.filter(({ gold }) => gold).map(({ image }) => digests[image]!),
    }
  }

  private numbered(screens: readonly Omit<PlannedScreen, 'id'>[]): PlannedScreen[] {
    const before = this.ledger.screenCount
    return screens.map((screen, i) => ({ id: String(before + i + 1).padStart(6, '0'), ...screen }))
  }
}

function groupOf(groups: Map<number, Group>, label: number): Group {
  const group = groups.get(label) ?? { images: [], gold: [] }
  groups.set(label, group)
  return group
}
