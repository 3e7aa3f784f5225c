/**
 * Decides what people look at next. The course of a session:
 *
 * `explore`: typical images of far-apart clusters ("typical first" as in TypiClust, Hacohen et al., ICML 2022).
 * `asked`: what somebody asked for, before all else that is not an audit.
 * Then, round by round, the move that certifies most images per second (`chooseMove`):
 * `learn`: the images whose predicted class is least certain, few of one cluster, in grids of one predicted class or in
 * two panes where the model confuses two, and among them random images of the held-out split and control tasks;
 * `grow`: one page far out in a large pure cluster, which vouches for the pages before it;
 * `review`: labels of people that the model without them contradicts.
 * `audit`, when verifying more would cost more seconds than it saves the audit: the labels are frozen and sampled.
 * `adjudicate`: blind second looks at what the audit disputes.
 */

import type { Matrix } from '#core/inference'
import { drawOrder } from './draw.ts'
import type { ClusterMembers } from './explore.ts'
import { freezeLabels } from './freezing.ts'
import { Growing } from './growing.ts'
import type { Ledger } from './ledger.ts'
import { NextPlace } from './line.ts'
import { planLook, weighMoves, type LookPlan } from './look-plan.ts'
import { chooseMove, secondsOf, showing, type Move } from './moves.ts'
import type { Neighbours } from './neighbours.ts'
import { outlookOf, type Outlook } from './outlook.ts'
import { besideBest } from './ordinal.ts'
import { pairUp } from './pair-grids.ts'
import { fitProbe, type Prediction } from './probe.ts'
import { doubtsOf, type Doubts } from './review.ts'
import { DEFAULT_CONTROLS, GRID, LOOK_SHARES, type LabellingPolicy, type PlannedScreen, type Round } from './rounds.ts'
import { groupBy, interleave, ScreenMaker, type ScreenDraft } from './screens.ts'
import type { LabelSpace } from './space.ts'
import { suggestedGroups } from './suggestions.ts'
import { missRate, secondLooks, surprise, type SecondLooks } from './track-record.ts'

/** Images of one cluster on an exploring screen: more of the same teaches little. */
const TYPICAL = 12
/** Of a cluster too large for two screens: enough to call it pure. */
const TYPICAL_OF_LARGE = 32
/** A learning round grows with what is labelled, from two full grids to fifty. */
const ROUND_GROWTH = 0.25
const MIN_ROUND = 2 * GRID
/** Images of each class in a round, or its grids are mostly overhead. */
const PER_CLASS = 20
const MAX_ROUND = 50 * GRID
/** A model is weak while it gets a larger share of the unseen images wrong, as expected. */
const WEAK = 0.05
/** Of one cluster in one round, so that a round is diverse. */
const PER_CLUSTER = 3
/** A class with fewer labels than that is looked for, among the neighbours of those it has, in this share of a round. */
const RARE = 20
const RARE_SHARE = 1 / 6
/** Fewer doubtful labels are looked at again among the uncertain images; more, or those before an audit, by themselves. */
const REVIEW_LEAST = 2 * GRID
/** So many wrong labels, as expected, are worth a round of their own before an audit. */
const REVIEW_WORTH = 0.5
/** Code in `REASONS` of images that people said are of a class that is missing; so many are worth a screen. */
const NEW_CLASS = 4
const NEW_LEAST = 6
/** Exploring goes on into a second round while some class has no image yet. */
export const EXPLORE_ROUNDS = 2

export interface PlannerParts {
  readonly policy: LabellingPolicy
  readonly space: LabelSpace
  readonly clusters: ClusterMembers
  /** Cluster of each image, [n]. */
  readonly assignment: Int32Array
  readonly neighbours: Neighbours
  /** Clusters in the order in which they are explored, and how many in one round. */
  readonly exploreOrder: readonly number[]
  readonly explored: number
  /** Held-out images that somebody shall see for the sake of evaluation, in the order of their draw. */
  readonly heldOutDraw: readonly number[]
  /** The same images, as a set. */
  readonly drawn: ReadonlySet<number>
}

/** A round before it has its number. */
export type Draft = Omit<Round, 'number' | 'after'>

/** What a choice of the next move starts from. */
interface Standing {
  readonly outlook: Outlook | null
  /** Unseen images that no open screen shows, the likeliest wrong first, and the chance of each image to be wrong. */
  readonly unseen: readonly number[]
  readonly wrong: (image: number) => number
  readonly doubts: Doubts | null
  /** Share of misfits that people are thought to overlook. */
  readonly overlooked: number
  /** Whether some screens are still open. */
  readonly waiting: boolean
}

export class Planner {
  /** The next look's place on the dataset line. */
  private readonly next: NextPlace
  private readonly make: ScreenMaker
  private readonly growing: Growing
  private readonly classesAtFirst: number
  /** The newest view of all images; null before there is one. */
  outlook: Outlook | null = null

  constructor(
    private readonly ledger: Ledger,
    private readonly parts: PlannerParts,
  ) {
    this.next = new NextPlace(parts.policy.line)
    this.make = new ScreenMaker(ledger.problem, parts.space)
    this.growing = new Growing(ledger, parts.policy.targetAccuracy, parts)
    this.classesAtFirst = ledger.problem.classes.length
  }

  /**
   * @returns `wait` when all open screens must be answered first, `end` when no further work can lead to a certificate.
   */
  async draft(signal?: AbortSignal): Promise<Draft | 'wait' | 'end'> {
    const first = this.adjudication() ?? (await this.asked(signal)) ?? this.exploration() ?? this.discovery()
    return first ?? this.worthMost(signal)
  }

  /** The newest model's view of every image; null as long as people named fewer than two classes. */
  async look(signal?: AbortSignal): Promise<Outlook | null> {
    const labels = this.growing.labels()
    if (new Set(labels.filter((label) => label >= 0)).size < 2) return null
    const lambda = this.ledger.rounds.findLast((round) => round.lambda !== undefined)?.lambda
    const { space, drawn, neighbours } = this.parts
    const classes = this.ledger.problem.classes.length
    const fitted = await fitProbe(space.features, labels, classes, { signal, lambda, drawn })
    const prediction = this.parts.policy.task === 'ordinal' ? besideBest(fitted, this.ledger.liveCodes) : fitted
    const factor = surprise(this.ledger)
    this.outlook = await outlookOf(prediction, labels, { neighbours, drawn, factor, signal })
    return this.outlook
  }

  get coordinates(): Matrix {
    return this.parts.space.coordinates
  }

  /** Unseen images, the surest first, as long as the expected share of wrong predictions among them keeps to the target. */
  acceptable({ wrong }: Outlook): number[] {
    const { book, pessimism } = this.ledger
    const unseen = book.unjudged()
    unseen.sort((a, b) => wrong[a]! - wrong[b]! || a - b)
    let expected = 0
    const refused = unseen.findIndex((image, before) => {
      expected += wrong[image]! * pessimism
      return expected > (1 - this.parts.policy.targetAccuracy) * (before + 1)
    })
    return refused < 0 ? unseen : unseen.slice(0, refused)
  }

  // Rounds that come of themselves.

  private adjudication(): Draft | null {
    const disputes = this.ledger.disputes()
    if (disputes.length === 0) return null
    // Shuffled, and both candidate classes hidden: the second look is blind.
    const screens = drawOrder(disputes, `second look:${this.ledger.lastAudit()!.audit!.frozen}`).map((index) =>
      this.make.single(this.ledger.row.get(disputes[index]!)!),
    )
    const { accepted } = this.ledger.rounds.at(-1)!
    const because = `${count(screens.length, 'label')} of the audit's sample ${screens.length === 1 ? 'is' : 'are'} disputed.`
    return { purpose: 'adjudicate', because, screens: this.numbered(screens), screensAfter: 0, accepted }
  }

  private async asked(signal: AbortSignal | undefined): Promise<Draft | null> {
    const requests = this.ledger.pendingRequests()
    if (requests.length === 0) return null
    const { book, row, problem, servedRequests } = this.ledger
    const outlook = await this.look(signal)
    const shown = this.onOpenScreens()
    const screens = requests.flatMap(({ images, proposed, by, review }) => {
      const rows = [...new Set(images)].flatMap((image) => row.get(image) ?? [])
      const wanted = rows.filter((image) =>
        review ? !book.excluded[image] : book.isUnjudged(image) && !shown.has(image),
      )
      const own = problem.classes.indexOf(proposed ?? '')
      return this.askedScreens(wanted, outlook?.prediction ?? null, own, review === true).map(
        (screen): ScreenDraft => ({ ...screen, requestedBy: by }),
      )
    })
    const images = screens.reduce((sum, screen) => sum + screen.images.length, 0)
    const asked = requests.reduce((sum, request) => sum + request.images.length, 0)
    return {
      purpose: 'asked',
      because: `${[...new Set(requests.map(({ by }) => by))].join(', ')} asked for ${count(asked, 'image')}, ${images} of which can be shown.`,
      requestsServed: servedRequests + requests.length,
      screens: this.numbered(screens),
      screensAfter: this.ledger.rounds.at(-1)?.screensAfter ?? null,
      accepted: this.ledger.rounds.at(-1)?.accepted ?? 0,
    }
  }

  /** Under the class that was asked for; for a review under the label there is; else under the prediction, if any. */
  private askedScreens(
    images: readonly number[],
    prediction: Prediction | null,
    own: number,
    review: boolean,
  ): ScreenDraft[] {
    const { label } = this.ledger.book
    const classOf = (image: number): number =>
      own >= 0 ? own : review && label[image]! >= 0 ? label[image]! : (prediction?.best[image] ?? -1)
    const [sure, open] = [images.filter((image) => classOf(image) >= 0), images.filter((image) => classOf(image) < 0)]
    const clusters = Array.from({ length: Math.ceil(open.length / GRID) }, (_, i) =>
      this.make.cluster(open.slice(i * GRID, (i + 1) * GRID)),
    )
    return [...this.make.grids(groupBy(sure, classOf), prediction), ...clusters]
  }

  /** Puts to the test what models said before the session. */
  private suggestions(suggested: Int32Array): Draft | null {
    const { book } = this.ledger
    const shown = this.onOpenScreens()
    const groups = suggestedGroups(
      suggested,
      this.parts.clusters,
      (image) => book.isUnjudged(image) && !shown.has(image),
    )
    if (groups.size === 0) return null
    const because = 'Predictions came with the images: grids of what they say show how far they are to be trusted.'
    const screens = this.numbered(this.make.grids(groups, null))
    return { purpose: 'explore', because, screens, screensAfter: null, accepted: 0 }
  }

  private exploration(): Draft | null {
    const { book, rounds, classes, problem } = this.ledger
    const known = this.knownClasses()
    const explored = rounds.filter(({ purpose }) => purpose === 'explore').length
    const missing = classes.length - known
    const started = explored > 0 || book.labelled >= 5 * classes.length
    if (known >= 2 && started && (missing <= 0 || explored === 0 || explored >= EXPLORE_ROUNDS)) return null
    if (explored === 0 && problem.suggested) {
      const round = this.suggestions(problem.suggested)
      if (round) return round
    }
    const { exploreOrder, clusters } = this.parts
    const order = explored < EXPLORE_ROUNDS ? exploreOrder : [...clusters.keys()]
    const screens: ScreenDraft[] = []
    const shown = this.onOpenScreens()
    for (const cluster of order) {
      if (screens.length === this.parts.explored) break
      const members = clusters[cluster]!
      const untouched = members.every((image) => book.label[image]! < 0 && !shown.has(image))
      if (explored > 0 && explored < EXPLORE_ROUNDS && !untouched) continue
      const images = members.filter((image) => book.isUnjudged(image) && !shown.has(image))
      if (images.length > 0) screens.push(this.make.cluster(images.slice(0, typicalOf(members))))
    }
    if (screens.length === 0) return null
    const because =
      explored === 0
        ? 'Nothing is known yet: typical images of clusters that lie far apart show what there is.'
        : `No image of ${count(missing, 'class', 'classes')} is known yet: more clusters may show ${missing === 1 ? 'it' : 'them'}.`
    return { purpose: 'explore', because, screens: this.numbered(screens), screensAfter: null, accepted: 0 }
  }

  /**
   * Images that people said are of a class that is missing, with unseen ones that look like them: under the class that was
   * added since, or else all together, to be named.
   */
  private discovery(): Draft | null {
    const { book, problem } = this.ledger
    const again = secondLooks(this.ledger).images
    const marked = [...book.excluded.keys()].filter((image) => book.excluded[image] === NEW_CLASS && !again.has(image))
    const added = [...problem.classes.keys()].find((name) => name >= this.classesAtFirst && this.isWaiting(name))
    if (marked.length < (added === undefined ? NEW_LEAST : 1)) return null
    const shown = this.onOpenScreens()
    const alike = this.nearTo(
      book.unjudged().filter((image) => !shown.has(image)),
      new Set(marked),
    )
    const images = [...marked, ...alike.slice(0, marked.length)]
    const cut = Array.from({ length: Math.ceil(images.length / GRID) }, (_, i) =>
      images.slice(i * GRID, (i + 1) * GRID),
    )
    const screens =
      added === undefined
        ? cut.map((some) => this.make.cluster(some))
        : this.make.grids(new Map([[added, { images, gold: [] }]]), null)
    const last = this.ledger.rounds.at(-1)
    return {
      purpose: 'explore',
      because:
        added === undefined
          ? `${count(marked.length, 'image is', 'images are')} said to be of a class that is missing: these and what looks like them may be one.`
          : `The class ${problem.classes[added]!} is new: these were said to be of a missing class, or look like those.`,
      screens: this.numbered(screens),
      screensAfter: last?.screensAfter ?? null,
      accepted: last?.accepted ?? 0,
    }
  }

  /** Whether a class is there and has no image yet. */
  private isWaiting(name: number): boolean {
    const { classes, problem, book } = this.ledger
    return classes.includes(problem.classes[name]!) && !book.label.includes(name)
  }

  // Rounds that are chosen.

  private async worthMost(signal: AbortSignal | undefined): Promise<Draft | 'wait' | 'end'> {
    await this.next.expect(this.ledger.auditsBegun + 1)
    const outlook = await this.look(signal)
    const { book, pessimism } = this.ledger
    const shown = this.onOpenScreens()
    const wrong = (image: number): number => (outlook ? Math.min(1, pessimism * outlook.wrong[image]!) : 1)
    const unseen = book.unjudged().filter((image) => !shown.has(image))
    unseen.sort((a, b) => wrong(b) - wrong(a) || a - b)
    const seen = secondLooks(this.ledger)
    const doubts = outlook && this.doubts(outlook, seen)
    const overlooked = missRate(this.ledger, seen)
    const standing = { outlook, unseen, wrong, doubts, overlooked, waiting: shown.size > 0 }
    return this.choose(standing, signal)
  }

  private async choose(standing: Standing, signal: AbortSignal | undefined): Promise<Draft | 'wait' | 'end'> {
    const { outlook, unseen, wrong, doubts, waiting } = standing
    const population = this.ledger.book.included
    const { verify, look } = weighMoves(
      Float64Array.from(unseen, wrong),
      doubts?.expected ?? 0,
      (expected) => this.planLook(population, expected, standing.overlooked),
      population,
      this.ledger.classes.length,
    )
    const free = new Set(unseen)
    const drawn = this.parts.heldOutDraw.filter((image) => free.has(image))
    const learning = Math.max(verify, drawn.length)
    const drafts = new Map<Move, () => Draft>()
    if (learning > 0) this.offerLearning(drafts, standing, { drawn, wanted: learning, look })
    this.offerReview(drafts, standing, { looking: learning === 0, look })
    if (learning > 0) this.offerGrowing(drafts, standing, look)
    const chosen = chooseMove([...drafts.keys()])
    if (chosen) return { ...drafts.get(chosen.move)!(), because: chosen.because }
    if (waiting) return 'wait'
    if (!look) return 'end'
    if (!(await this.next.take(this.ledger.auditsBegun + 1))) return this.worthMost(signal)
    const expected = (unseen.reduce((sum, image) => sum + wrong(image), 0) + (doubts?.expected ?? 0)) / population
    return this.freeze(outlook?.prediction ?? null, look, expected)
  }

  /** @param work - images `drawn` for evaluation, how many are `wanted` by and by, and the audit that shall follow. */
  private offerLearning(
    drafts: Map<Move, () => Draft>,
    { outlook, unseen, wrong, doubts }: Standing,
    { drawn, wanted, look }: { drawn: readonly number[]; wanted: number; look: LookPlan | null },
  ): void {
    const least = Math.max(MIN_ROUND, PER_CLASS * this.ledger.classes.length)
    const grown = Math.round(ROUND_GROWTH * this.ledger.book.labelled)
    const size = Math.min(wanted, Math.max(least, Math.min(MAX_ROUND, grown)))
    // The draw keeps pace with the learning, and is complete when it ends.
    const early = drawn.slice(0, Math.ceil((size * drawn.length) / wanted))
    const picked = new Set(early)
    for (const image of this.rareOnes(unseen, Math.floor(RARE_SHARE * size))) picked.add(image)
    for (const image of this.diverse(instructiveFirst(unseen, wrong), size)) {
      if (picked.size >= size) break
      picked.add(image)
    }
    const again = doubts && doubts.doubtful < REVIEW_LEAST ? doubts.images.slice(0, doubts.doubtful) : []
    const doubted = again.reduce((sum, _, i) => sum + doubts!.chances[i]!, 0)
    const expected = [...picked].reduce((sum, image) => sum + wrong(image), doubted)
    const what = `verify ${count(picked.size, 'uncertain image')}, ${Math.round(expected)} of them probably wrong`
    const move = showing(
      { purpose: 'learn', what, shown: picked.size, wrong: expected },
      this.parts.policy.targetAccuracy,
    )
    drafts.set(move, () => ({
      purpose: 'learn',
      screens: this.numbered(this.learningScreens([...picked], { drawn: early, again }, outlook, wrong)),
      ...(outlook ? { lambda: outlook.prediction.lambda, expected } : {}),
      screensAfter: look ? Math.ceil((wanted - picked.size + look.sample) / GRID) : null,
      accepted: outlook ? this.acceptable(outlook).length : 0,
    }))
  }

  private learningScreens(
    picked: readonly number[],
    { drawn, again }: { readonly drawn: readonly number[]; readonly again: readonly number[] },
    outlook: Outlook | null,
    wrong: (image: number) => number,
  ): ScreenDraft[] {
    const alone = this.controlsAmong(drawn, picked.length)
    const others = picked.filter((image) => !alone.includes(image))
    const singles = alone.map((image): ScreenDraft => ({ ...this.make.single(image), control: true }))
    const prediction = outlook?.prediction ?? null
    const { pairs, rest } = prediction ? pairUp(others, prediction, wrong) : { pairs: [], rest: others }
    // Doubtful labels are looked at again under themselves, for a right one must not be lost.
    const { label } = this.ledger.book
    const groups = groupBy([...rest, ...again], (image) =>
      label[image]! >= 0 ? label[image]! : this.classFor(image, prediction),
    )
    const grids = this.make.grids(groups, prediction)
    return interleave([...grids, ...(prediction ? this.make.pairs(pairs, prediction) : [])], singles)
  }

  /** Before an audit any doubtful label is reviewed; else enough of them to fill a part of a grid. */
  private offerReview(
    drafts: Map<Move, () => Draft>,
    { outlook, doubts }: Standing,
    { looking, look }: { looking: boolean; look: LookPlan | null },
  ): void {
    if (!outlook || !doubts) return
    const images = doubts.images.slice(0, Math.min(MAX_ROUND, doubts.doubtful))
    const wrong = images.reduce((sum, _, i) => sum + doubts.chances[i]!, 0)
    if (looking ? wrong < REVIEW_WORTH : images.length < REVIEW_LEAST) return
    const what = `look again at ${count(images.length, 'label')} that the model contradicts, ${Math.round(wrong)} of them probably wrong`
    const work = { purpose: 'review', what, shown: images.length, wrong } as const
    const move = showing(work, this.parts.policy.targetAccuracy)
    const { label } = this.ledger.book
    drafts.set(move, () => ({
      purpose: 'review',
      screens: this.numbered(
        this.make.grids(
          groupBy(images, (image) => label[image]!),
          outlook.prediction,
        ),
      ),
      lambda: outlook.prediction.lambda,
      screensAfter: look ? Math.ceil(look.sample / GRID) : null,
      accepted: this.acceptable(outlook).length,
    }))
  }

  private offerGrowing(
    drafts: Map<Move, () => Draft>,
    { outlook, wrong, unseen }: Standing,
    look: LookPlan | null,
  ): void {
    const target = this.parts.policy.targetAccuracy
    for (const { unit, page, shown, vouched, misfit } of this.growing.growths(new Set(unseen))) {
      // Only what the model is not sure of by itself gains anything.
      const gained = vouched.filter((image) => wrong(image) > 1 - target).length
      if (gained === 0) continue
      const what = `grow a pure cluster by ${count(vouched.length + shown.length, 'image')}`
      const work = { purpose: 'grow', what, shown: shown.length, wrong: misfit * shown.length, unseen: gained } as const
      drafts.set(showing(work, target), () => ({
        purpose: 'grow',
        screens: this.numbered(
          this.make
            .grids(new Map([[unit.class, { images: [...shown], gold: [] }]]), outlook?.prediction ?? null)
            .map((screen): ScreenDraft => ({ ...screen, vouches: vouched.length, grows: { unit: unit.key, page } })),
        ),
        ...(outlook ? { lambda: outlook.prediction.lambda } : {}),
        screensAfter: look ? Math.ceil(look.sample / GRID) : null,
        accepted: outlook ? this.acceptable(outlook).length : 0,
      }))
    }
  }

  private freeze(prediction: Prediction | null, plan: LookPlan, expected: number): Draft {
    const { audit, groups } = freezeLabels(this.ledger, plan, {
      ...{ prediction, expected },
      labelOf: (image) => this.classFor(image, prediction),
      place: this.next.place,
      seed: this.parts.policy.seed,
    })
    return {
      purpose: 'audit',
      because: `More verification would cost more seconds than it saves the audit: about ${(100 * expected).toFixed(2)} % of the labels are thought wrong.`,
      screens: this.numbered(this.make.grids(groups, prediction)),
      ...(prediction ? { lambda: prediction.lambda } : {}),
      audit,
      screensAfter: 0,
      accepted: audit.population - this.ledger.book.labelled,
    }
  }

  // Their parts.

  private planLook(population: number, expected: number, overlooked: number): LookPlan | null {
    const { auditsBegun, book } = this.ledger
    if (auditsBegun >= LOOK_SHARES.length) return null
    return planLook({
      look: auditsBegun + 1,
      place: this.next.place,
      population,
      target: this.parts.policy.targetAccuracy,
      expected,
      missRate: overlooked,
      goldAvailable: book.labelled,
    })
  }

  /** Images in the given order, few of one cluster first, until `size` are found. */
  private diverse(order: readonly number[], size: number): number[] {
    const taken = new Map<number, number>()
    const first: number[] = []
    const rest: number[] = []
    for (const image of order) {
      if (first.length === size) break
      const cluster = this.parts.assignment[image]!
      const already = taken.get(cluster) ?? 0
      taken.set(cluster, already + 1)
      if (already < PER_CLUSTER) first.push(image)
      else rest.push(image)
    }
    return [...first, ...rest].slice(0, size)
  }

  /** Unseen neighbours of the labelled images of rare classes, those with most such neighbours first. */
  private rareOnes(unseen: readonly number[], most: number): number[] {
    const { label } = this.ledger.book
    const sizes = new Map<number, number>()
    for (const name of label) if (name >= 0) sizes.set(name, (sizes.get(name) ?? 0) + 1)
    const usual = this.ledger.book.labelled / Math.max(1, this.ledger.classes.length)
    const rare = new Set([...sizes].flatMap(([name, size]) => (size < RARE && size < usual / 4 ? [name] : [])))
    if (rare.size === 0) return []
    const rareImages = new Set([...label.keys()].filter((image) => rare.has(label[image]!)))
    return this.nearTo(unseen, rareImages).slice(0, most)
  }

  /** Of `images` those with neighbours in `targets`, those with most of them first. */
  private nearTo(images: readonly number[], targets: ReadonlySet<number>): number[] {
    const { neighbours } = this.parts
    const found = images.flatMap((image) => {
      const own = neighbours.images.subarray(image * neighbours.size, (image + 1) * neighbours.size)
      const near = own.reduce((sum, other) => sum + Number(targets.has(other)), 0)
      return near > 0 ? [{ image, near }] : []
    })
    return found.sort((a, b) => b.near - a.near || a.image - b.image).map(({ image }) => image)
  }

  /** Of the images drawn at random, as many to be shown alone as keep their share of all that is shown. */
  private controlsAmong(drawn: readonly number[], size: number): number[] {
    const { policy } = this.parts
    const { book, rounds, problem } = this.ledger
    const before = rounds.reduce((sum, { screens }) => sum + screens.filter(({ control }) => control).length, 0)
    const wanted = Math.floor((policy.controls ?? DEFAULT_CONTROLS) * (book.tally.shown + size)) - before
    if (wanted <= 0) return []
    const digests = drawn.map((image) => problem.digests[image]!)
    return drawOrder(digests, `control:${policy.seed}`)
      .slice(0, wanted)
      .map((index) => drawn[index]!)
  }

  // What is known.

  private doubts({ prediction, outOfFoldWrong }: Outlook, seen: SecondLooks): Doubts {
    const { book } = this.ledger
    const rates = { wrongChance: outOfFoldWrong, missRate: missRate(this.ledger, seen) }
    const isSettled = (image: number): boolean => seen.images.has(image) || book.label[image]! < 0
    return doubtsOf(prediction, book.label, rates, isSettled)
  }

  private knownClasses(): number {
    return new Set(this.ledger.book.label.filter((label) => label >= 0)).size
  }

  private onOpenScreens(): Set<number> {
    const { row } = this.ledger
    return new Set(this.ledger.openScreens().flatMap((screen) => screen.images.map((image) => row.get(image)!)))
  }

  /** The predicted class; before there is a prediction, the only class that people named. */
  private classFor(image: number, prediction: Prediction | null): number {
    return prediction ? prediction.best[image]! : (this.ledger.book.label.find((label) => label >= 0) ?? 0)
  }

  private numbered(screens: readonly ScreenDraft[]): PlannedScreen[] {
    const before = this.ledger.screenCount
    return screens.map((screen, i) => ({ id: String(before + i + 1).padStart(6, '0'), ...screen }))
  }
}

/**
 * While the model is weak, images of middling uncertainty come first: those it gets wrong for sure cost a correction each,
 * and most of them it will get right once it knows more. Later the least certain come first.
 */
function instructiveFirst(unseen: readonly number[], wrong: (image: number) => number): readonly number[] {
  const mean = unseen.reduce((sum, image) => sum + wrong(image), 0) / Math.max(1, unseen.length)
  if (mean < WEAK) return unseen
  const worth = (image: number): number => (wrong(image) * (1 - wrong(image))) / secondsOf(wrong(image))
  return [...unseen].sort((a, b) => worth(b) - worth(a) || a - b)
}

function typicalOf(members: readonly number[]): number {
  return members.length > 2 * GRID ? TYPICAL_OF_LARGE : TYPICAL
}

function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`
}
