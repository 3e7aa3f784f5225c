/**
 * The labelling engine: which screens to show next, and what all answers say about every image.
 *
 * E1  A pure function of problem, policy and events: the same ones give the same screens, rounds and labels, whether they
 *     came one by one or all at once after a restart. All chance comes from hashes of digests and the seed.
 * E2  Work is planned in rounds. A round is planned when at most two screens are open, so that nobody waits for a fit;
 *     before a freeze, and within an audit, all screens are answered first.
 * E3  Every `learn` round shows an image that nobody judged, after an audit come labels or the end, and there are at most
 *     four audits: a session ends.
 *
 * Which labels are used for what: the probe learns from all labels that people gave, of both splits, for it only proposes
 * and predicts. `randomDraw` marks images drawn for people to see whether or not the probe found them hard: the leading
 * part of one random order of the held-out split, and whole audit samples. Only they estimate a model's accuracy without
 * bias. Unseen images get the probe's prediction.
 */

import type { ImageLabel } from '#core/datasets'
import { REASONS } from './book.ts'
import type { LookResult } from './certificate.ts'
import type { Tally } from './cost-model.ts'
import { drawOrder } from './draw.ts'
import { farApart, typicalFirst } from './explore.ts'
import { frozenLabels, Ledger, type Ending } from './ledger.ts'
import { nearestNeighbours } from './neighbours.ts'
import { EXPLORE_ROUNDS, Planner } from './planner.ts'
import { reasonsFor } from './reasons.ts'
import type { LabellingPolicy, LabellingProblem, PlannedScreen, Round, SessionEvent } from './rounds.ts'
import { labelSpace } from './space.ts'
import type { Answer, ClassChange, Reasons } from './types.ts'

/** Screens that may still be open when the next round is planned. */
const LOOK_AHEAD = 2

const UNTOLD: Reasons = { chance: null, predicted: null, margin: null, cluster: null, neighbours: [] }

/** What the session says of one image; the dataset knows the rest of its row. */
export type FinalLabel = Omit<ImageLabel, 'split' | 'tags' | 'attributes'> & { readonly tags?: readonly string[] }

/** Decides what people look at next, from the events so far. See E1–E3. */
export interface Engine {
  /** Screens that want an answer, in order. */
  openScreens(): PlannedScreen[]
  screen(id: string): PlannedScreen | undefined
  roundOf(screen: string): Round | undefined
  /** Answers of different people that the screen still wants; 0 when it is closed, or was never planned. */
  answersWanted(screen: string): number
  /** @throws {PlatformError} `SCREEN_INVALID` when the answer does not fit its screen. */
  check(answer: Pick<Answer, 'screen' | 'class' | 'misfits'>): void
  /** @throws {PlatformError} `INVALID_INPUT` for a change that sessions of this task cannot take. */
  checkClassChange?(change: ClassChange): void
  /** Takes in one event; they come in ascending order of `at`, and after each one `plan` where that is due. */
  apply(event: SessionEvent): void
  /** Whether an answer may still be withdrawn: not when labels that rest on it are frozen, judged or final. */
  mayWithdraw(screen: string): boolean
  /** Whether it is time to call `plan`. */
  readonly due: boolean
  /** @returns null when all open screens must be answered first, or when the session has come to its end. */
  plan(signal?: AbortSignal): Promise<Round | null>
  /** Goes on with a round planned before, in another life, instead of planning it again. */
  adopt(round: Round): void
  readonly rounds: readonly Round[]
  /** Number of events taken in. */
  readonly eventCount: number
  readonly imageCount: number
  /** Images that have a label now: from a person, or accepted from the newest prediction. */
  readonly labelled: number
  /** The classes that people choose from now. */
  readonly classes: readonly string[]
  readonly tally: Tally
  /** Results of the audits, in their order. */
  readonly looks: readonly LookResult[]
  /** How the session ended by itself; null while it goes on. */
  readonly ending: Ending | null
  /** Screens that are open or expected; null before the engine can tell. */
  readonly screensLeft: number | null
  /** What the session says about every image, ascending by digest. */
  finalLabels(signal?: AbortSignal): Promise<FinalLabel[]>
  /** Why the engine thinks what it thinks of an image of this screen. */
  reasons(screen: string, image: string): Promise<Reasons>
}

export class LabellingEngine implements Engine {
  /** Set when the next plan needs the answers to all open screens. */
  private awaitsAll = false

  private constructor(
    private readonly ledger: Ledger,
    private readonly planner: Planner,
    private readonly heldOutDraw: readonly number[],
  ) {}

  /** Prepares the space of likeness: seconds for 60,000 images. The problem's embeddings may be let go afterwards. */
  static async open(
    problem: LabellingProblem,
    policy: LabellingPolicy,
    signal?: AbortSignal,
  ): Promise<LabellingEngine> {
    const clusters = typicalFirst(problem)
    const explored = exploredClusters(problem)
    const exploreOrder = farApart(problem.centroids, clusters, EXPLORE_ROUNDS * explored)
    const space = await labelSpace(problem.embeddings, signal)
    const neighbours = await nearestNeighbours(space.coordinates, clusters, signal)
    const heldOutDraw = drawHeldOut(problem, policy.seed)
    const ledger = new Ledger({ ...problem, embeddings: { data: new Float32Array(), rows: 0, cols: 0 } }, policy)
    const { assignment } = problem
    const planner = new Planner(ledger, {
      policy,
      space,
      clusters,
      assignment,
      neighbours,
      exploreOrder,
      explored,
      heldOutDraw,
      drawn: new Set(heldOutDraw),
    })
    return new LabellingEngine(ledger, planner, heldOutDraw)
  }

  // Screens and answers.

  /** What people asked for first, else in the order of the plans. */
  openScreens(): PlannedScreen[] {
    const isAsked = ({ id }: PlannedScreen): boolean => this.ledger.roundOf(id)?.purpose === 'asked'
    const open = this.ledger.openScreens()
    return [...open.filter(isAsked), ...open.filter((screen) => !isAsked(screen))]
  }

  screen(id: string): PlannedScreen | undefined {
    return this.ledger.screen(id)
  }

  roundOf(screen: string): Round | undefined {
    return this.ledger.roundOf(screen)
  }

  answersWanted(screen: string): number {
    return this.ledger.answersWanted(screen)
  }

  /** @throws {PlatformError} `SCREEN_INVALID` when the answer does not fit its screen. */
  check(answer: Pick<Answer, 'screen' | 'class' | 'misfits'>): void {
    this.ledger.check(answer)
  }

  /** Takes in one event; they come in ascending order of `at`, and after each one `plan` where that is due. */
  apply(event: SessionEvent): void {
    this.ledger.apply(event)
  }

  /** Whether an answer may still be withdrawn: not when labels that rest on it are frozen, judged or final. */
  mayWithdraw(screen: string): boolean {
    return this.ledger.mayWithdraw(screen)
  }

  // Rounds.

  /** Whether it is time to call `plan`. */
  get due(): boolean {
    if (this.ledger.ending) return false
    const purpose = this.ledger.rounds.at(-1)?.purpose
    const judging = purpose === 'audit' || purpose === 'adjudicate'
    if (!judging && this.ledger.pendingRequests().length > 0) return true
    const all = this.awaitsAll || judging
    return all ? this.openScreens().length === 0 : this.ledger.freshScreens().length <= LOOK_AHEAD
  }

  /**
   * Plans the next round from the answers so far.
   *
   * @returns null when all open screens must be answered first, or when the session has come to its end.
   */
  async plan(signal?: AbortSignal): Promise<Round | null> {
    this.ledger.concludeLook()
    if (this.ledger.ending) return null
    const draft = await this.planner.draft(signal)
    if (draft === 'wait') this.awaitsAll = true
    if (draft === 'end') this.ledger.ending = 'finished'
    if (typeof draft === 'string') return null
    const round = { number: this.ledger.rounds.length + 1, after: this.ledger.eventCount, ...draft }
    this.adopt(round)
    return round
  }

  /** Goes on with a round planned before, in another life, instead of planning it again. */
  adopt(round: Round): void {
    this.ledger.concludeLook()
    this.awaitsAll = false
    this.ledger.addRound(round)
  }

  get rounds(): readonly Round[] {
    return this.ledger.rounds
  }

  /** Number of events taken in. */
  get eventCount(): number {
    return this.ledger.eventCount
  }

  // Where the session stands.

  get imageCount(): number {
    return this.ledger.problem.digests.length
  }

  /** Images that have a label now: from a person, or accepted from the newest prediction. */
  get labelled(): number {
    const { book, rounds } = this.ledger
    return Math.min(book.included, book.labelled + (rounds.at(-1)?.accepted ?? 0))
  }

  get classes(): readonly string[] {
    return this.ledger.classes
  }

  get tally(): Tally {
    return this.ledger.book.tally
  }

  /** Results of the audits, in their order. */
  get looks(): readonly LookResult[] {
    return this.ledger.looks
  }

  /** How the session ended by itself; null while it goes on. */
  get ending(): Ending | null {
    return this.ledger.ending
  }

  /** Screens that are open or expected; null before the engine can tell. */
  get screensLeft(): number | null {
    const expected = this.ledger.rounds.at(-1)?.screensAfter ?? null
    return this.ending ? 0 : expected === null ? null : expected + this.openScreens().length
  }

  // Outcome.

  /**
   * What the session says about every image, ascending by digest. Unseen images get the certified prediction; without a
   * certificate the newest one, and only where the engine expects the share of wrong ones to keep to the target.
   */
  async finalLabels(signal?: AbortSignal): Promise<FinalLabel[]> {
    const { book, problem } = this.ledger
    const predicted = await this.trustedPredictions(signal)
    const random = this.randomDraws()
    return problem.digests.map((digest, image): FinalLabel => {
      const person = book.label[image]!
      const excluded = book.excluded[image]!
      const label = excluded ? -1 : person >= 0 ? person : predicted[image]!
      return {
        digest,
        label: problem.classes[label] ?? null,
        origin: label < 0 ? null : person >= 0 ? 'human' : 'predicted',
        humanSeen: book.seen[image] === 1,
        randomDraw: random.has(image),
        excluded: REASONS[excluded] ?? null,
      }
    })
  }

  async reasons(screen: string, image: string): Promise<Reasons> {
    this.ledger.checkShown(screen, image)
    const { book, problem, row } = this.ledger
    // A second look is blind, and a control task is to cost what labelling without any help costs.
    if (this.screen(screen)!.kind === 'single') return UNTOLD
    const outlook = this.planner.outlook ?? (await this.planner.look())
    return reasonsFor(row.get(image)!, outlook, { problem, labels: book.label, coordinates: this.planner.coordinates })
  }

  private async trustedPredictions(signal: AbortSignal | undefined): Promise<Int32Array> {
    if (this.ending === 'certified') return frozenLabels(this.ledger.lastAudit()!)
    const out = new Int32Array(this.imageCount).fill(-1)
    const outlook = await this.planner.look(signal)
    if (outlook) for (const image of this.planner.acceptable(outlook)) out[image] = outlook.prediction.best[image]!
    return out
  }

  private randomDraws(): Set<number> {
    const { book, rounds, row } = this.ledger
    const missing = this.heldOutDraw.findIndex((image) => book.isUnjudged(image))
    const out = new Set(missing < 0 ? this.heldOutDraw : this.heldOutDraw.slice(0, missing))
    for (const round of rounds)
      if (round.audit && this.ledger.isAnswered(round))
        for (const { image } of round.audit.sample) out.add(row.get(image)!)
    return out
  }
}

/** Thirty clusters show what there is to tell apart; small sets need fewer, many classes more. */
function exploredClusters({ digests, classes }: LabellingProblem): number {
  return Math.max(2 * classes.length, Math.min(30, Math.round(digests.length / 50)))
}

/** A twelfth of the held-out images, but at least 400 (or all) and at most 1,000, in random order. */
function drawHeldOut({ digests, heldOut, excluded }: LabellingProblem, seed: number): number[] {
  const candidates = [...digests.keys()].filter((image) => heldOut[image] && !excluded[image])
  const size = Math.max(400, Math.min(1_000, Math.round(candidates.length / 12)))
  const order = drawOrder(
    candidates.map((image) => digests[image]!),
    `held-out:${seed}`,
  )
  return order.slice(0, size).map((index) => candidates[index]!)
}
