/**
 * The engine of sessions in which an image may show several classes: the same face and promises as that for one label
 * (E1–E3 in engine.ts), over pairs of image and class (pairs.ts).
 *
 * Nothing about an image is known until each of its pairs is: an image counts as labelled when all have an answer, as
 * seen when a person gave them all, as drawn at random when it belongs to the leading part of one random order whose
 * images were all seen.
 */

import { PlatformError } from '#core/errors'
import { REASONS } from './book.ts'
import type { LookResult } from './certificate.ts'
import type { Tally } from './cost-model.ts'
import { drawOrder } from './draw.ts'
import type { Engine, FinalLabel } from './engine.ts'
import { farApart, typicalFirst } from './explore.ts'
import { frozenLabels, Ledger, type Ending } from './ledger.ts'
import { MultiLabelPlanner } from './multi-label-planner.ts'
import { pairAnswer, pairEvents, pairLabels, pairName, pairRound, VERDICTS, YES } from './pairs.ts'
import type { LabellingPolicy, LabellingProblem, PlannedScreen, Round, SessionEvent } from './rounds.ts'
import { labelSpace, type LabelSpace } from './space.ts'
import { byTurns } from './suggestions.ts'
import type { Answer, ClassChange, Reasons } from './types.ts'

/** Screens that may still be open when the next round is planned. */
const LOOK_AHEAD = 2
/** Images drawn at random for every class, so that there are some hundred random pairs. */
const RANDOM_PAIRS = 400
const MIN_DRAWN = 24
/** What a session may hold in memory: names, labels and what people said of each pair. */
const MOST_PAIRS = 4_000_000
const NEIGHBOURS = 8

interface Parts {
  readonly ledger: Ledger
  readonly planner: MultiLabelPlanner
  readonly digests: readonly string[]
  readonly classes: readonly string[]
  readonly ordered: readonly string[]
  readonly space: LabelSpace
  readonly assignment: Int32Array
  readonly drawn: readonly number[]
}

export class MultiLabelEngine implements Engine {
  /** As they are shown and stored; the ledger has them as pairs. */
  readonly rounds: Round[] = []
  eventCount = 0
  private readonly planned = new Map<string, { readonly screen: PlannedScreen; readonly round: Round }>()
  /** Set when the next plan needs the answers to all open screens. */
  private awaitsAll = false

  private constructor(private readonly parts: Parts) {}

  /**
   * @param problem - `knownPairs` and `suggestedPairs` in place of `known` and `suggested`.
   * @throws {PlatformError} `INVALID_INPUT` where images times classes are more than a session holds.
   */
  static async open(
    problem: LabellingProblem,
    policy: LabellingPolicy,
    signal?: AbortSignal,
  ): Promise<MultiLabelEngine> {
    const { digests, classes, assignment } = problem
    if (digests.length * classes.length > MOST_PAIRS)
      throw new PlatformError(
        'INVALID_INPUT',
        `${digests.length} images times ${classes.length} classes are more than the ${MOST_PAIRS} questions that one session holds; label a part of the images, or fewer classes at a time`,
        { images: digests.length, classes: classes.length },
      )
    const clusters = typicalFirst(problem)
    const order = farApart(problem.centroids, clusters, clusters.length)
    const space = await labelSpace(problem.embeddings, signal)
    const drawn = drawOrder(digests, `drawn:${policy.seed}`)
      .filter((image) => !problem.excluded[image])
      .slice(0, Math.max(MIN_DRAWN, Math.ceil(RANDOM_PAIRS / classes.length)))
    const ordered = [...classes].sort()
    const ledger = new Ledger(pairProblem(problem, ordered), policy)
    const typical = byTurns(clusters, [...order, ...clusters.keys()])
    const suggested = inOrder(problem.suggestedPairs, classes, ordered)
    const shared = { digests, space, assignment, drawn }
    const planner = new MultiLabelPlanner(ledger, { policy, classes: ordered, typical, suggested, ...shared })
    return new MultiLabelEngine({ ledger, planner, classes, ordered, ...shared })
  }

  // Screens and answers.

  openScreens(): PlannedScreen[] {
    return this.parts.ledger.openScreens().map(({ id }) => this.screen(id)!)
  }

  /** As planned, without images that are no more. */
  screen(id: string): PlannedScreen | undefined {
    const planned = this.planned.get(id)?.screen
    const now = this.parts.ledger.screen(id)
    if (!planned || !now || now.images.length === planned.images.length) return planned
    const left = new Set(now.images)
    const stays = (image: string): boolean => left.has(pairName(image, planned.asks!))
    return {
      ...planned,
      images: planned.images.filter(stays),
      secondGuess: planned.secondGuess.filter((_, i) => stays(planned.images[i]!)),
      gold: planned.gold.filter(stays),
    }
  }

  roundOf(screen: string): Round | undefined {
    return this.planned.get(screen)?.round
  }

  answersWanted(screen: string): number {
    return this.parts.ledger.answersWanted(screen)
  }

  /** @throws {PlatformError} `SCREEN_INVALID` when the answer does not fit its screen. */
  check(answer: Pick<Answer, 'screen' | 'class' | 'misfits'>): void {
    const asked = this.screen(answer.screen)?.asks
    this.parts.ledger.check(asked === undefined ? answer : pairAnswer(answer, asked))
  }

  apply(event: SessionEvent): void {
    const { ledger, classes } = this.parts
    const before = ledger.eventCount
    for (const own of pairEvents(event, classes, (screen) => this.screen(screen)?.asks)) ledger.apply(own)
    if (ledger.eventCount > before || !('screen' in event)) this.eventCount += 1
  }

  mayWithdraw(screen: string): boolean {
    return this.parts.ledger.mayWithdraw(screen)
  }

  /** @throws {PlatformError} `INVALID_INPUT` for what changes the questions that were put to people. */
  checkClassChange(change: ClassChange): void {
    if ('remove' in change && change.into === null) return
    throw new PlatformError(
      'INVALID_INPUT',
      'a session of several labels an image cannot get or merge classes; end it and open one with the new classes: what people said is kept',
    )
  }

  // Rounds.

  get due(): boolean {
    if (this.ending) return false
    const purpose = this.rounds.at(-1)?.purpose
    const all = this.awaitsAll || purpose === 'audit' || purpose === 'adjudicate'
    const { ledger } = this.parts
    return all ? ledger.openScreens().length === 0 : ledger.freshScreens().length <= LOOK_AHEAD
  }

  async plan(signal?: AbortSignal): Promise<Round | null> {
    const { ledger, planner } = this.parts
    ledger.concludeLook()
    if (ledger.ending) return null
    const open = ledger.openScreens().flatMap(({ images }) => images.map((name) => ledger.row.get(name)!))
    const draft = await planner.draft(new Set(open), signal)
    if (draft === 'wait') this.awaitsAll = true
    if (draft === 'end') ledger.ending = 'finished'
    if (typeof draft === 'string') return null
    const requestsServed = ledger.servedRequests + ledger.pendingRequests().length
    const served = requestsServed > 0 ? { requestsServed } : {}
    const round = { number: this.rounds.length + 1, after: this.eventCount, ...draft, ...served }
    this.adopt(round)
    return round
  }

  adopt(round: Round): void {
    const { ledger } = this.parts
    ledger.concludeLook()
    this.awaitsAll = false
    this.rounds.push(round)
    for (const screen of round.screens) this.planned.set(screen.id, { screen, round })
    ledger.addRound(pairRound(round))
  }

  // Where the session stands.

  get imageCount(): number {
    return this.parts.digests.length
  }

  /** So many images' worth of pairs have an answer now. */
  get labelled(): number {
    const { ledger, planner } = this.parts
    const pairs = Math.min(planner.population, ledger.book.labelled + (this.rounds.at(-1)?.accepted ?? 0))
    return Math.floor(pairs / Math.max(1, this.classes.length))
  }

  get classes(): readonly string[] {
    const { classes, ordered, planner } = this.parts
    return classes.filter((name) => planner.isLive(ordered.indexOf(name)))
  }

  get tally(): Tally {
    return this.parts.ledger.book.tally
  }

  get looks(): readonly LookResult[] {
    return this.parts.ledger.looks
  }

  get ending(): Ending | null {
    return this.parts.ledger.ending
  }

  get screensLeft(): number | null {
    const expected = this.rounds.at(-1)?.screensAfter ?? null
    return this.ending ? 0 : expected === null ? null : expected + this.parts.ledger.openScreens().length
  }

  // Outcome.

  async finalLabels(signal?: AbortSignal): Promise<FinalLabel[]> {
    const { ledger, planner, digests, ordered } = this.parts
    const { book } = ledger
    const trusted = await this.trustedVerdicts(signal)
    const live = [...ordered.keys()].filter((asked) => planner.isLive(asked))
    const rows = digests.map((digest, image): FinalLabel => {
      const pairs = live.map((asked) => planner.pair(image, asked))
      const reasons = pairs.map((pair) => book.excluded[pair]!)
      const verdicts = pairs.map((pair, at) => {
        const given = planner.verdictGiven(image, live[at]!)
        return given >= 0 || reasons[at] ? given : (trusted.get(pair) ?? -1)
      })
      const broken = reasons.find((reason) => REASONS[reason] === 'broken')
      const excluded = broken ?? (reasons.every((reason) => reason > 0) ? reasons[0]! : 0)
      const complete = !excluded && verdicts.every((verdict, at) => verdict >= 0 || reasons[at]! > 0)
      const humanSeen = pairs.every((pair) => book.seen[pair] === 1)
      return {
        digest,
        label: null,
        tags: live.flatMap((asked, at) => (VERDICTS[verdicts[at]!] === YES ? [ordered[asked]!] : [])),
        origin: complete ? (humanSeen ? 'human' : 'predicted') : null,
        humanSeen,
        randomDraw: false,
        excluded: REASONS[excluded] ?? null,
      }
    })
    const random = this.randomDraws(rows)
    return rows.map((row, image) => (random.has(image) ? { ...row, randomDraw: true } : row))
  }

  async reasons(screen: string, image: string): Promise<Reasons> {
    const asked = this.screen(screen)?.asks ?? ''
    this.parts.ledger.checkShown(screen, pairName(image, asked))
    const { planner, digests, ordered, assignment } = this.parts
    const row = digests.indexOf(image)
    const opinion = (await planner.opinions())[ordered.indexOf(asked)]
    return {
      chance: opinion ? 1 - opinion.errorChance[row]! : null,
      predicted: opinion ? VERDICTS[opinion.verdict[row]!]! : null,
      margin: opinion ? opinion.margin[row]! : null,
      cluster: assignment[row]!,
      neighbours: this.neighbours(row, ordered.indexOf(asked)),
    }
  }

  /** The likest images that people answered the same question for. */
  private neighbours(image: number, asked: number): Reasons['neighbours'] {
    const { planner, digests, space } = this.parts
    const { data, cols } = space.coordinates
    const dot = (a: number, b: number): number => {
      let sum = 0
      for (let j = 0; j < cols; j++) sum += data[a * cols + j]! * data[b * cols + j]!
      return sum
    }
    const length = Math.sqrt(dot(image, image)) || 1
    return [...digests.keys()]
      .flatMap((other) => {
        const verdict = planner.verdictGiven(other, asked)
        if (verdict < 0 || other === image) return []
        const similarity = dot(image, other) / (length * (Math.sqrt(dot(other, other)) || 1))
        return [{ digest: digests[other]!, class: VERDICTS[verdict]!, similarity }]
      })
      .sort((a, b) => b.similarity - a.similarity || (a.digest < b.digest ? -1 : 1))
      .slice(0, NEIGHBOURS)
  }

  /** By pair: the certified verdict; without a certificate those that the probes are sure enough of. */
  private async trustedVerdicts(signal: AbortSignal | undefined): Promise<ReadonlyMap<number, number>> {
    const { ledger, planner } = this.parts
    if (this.ending !== 'certified') return planner.acceptable(await planner.opinions(signal))
    const frozen = frozenLabels(ledger.lastAudit()!)
    return new Map([...frozen].flatMap((label, pair) => (label < 0 ? [] : [[pair, label % VERDICTS.length] as const])))
  }

  private randomDraws(rows: readonly FinalLabel[]): Set<number> {
    const { drawn } = this.parts
    const missing = drawn.findIndex((image) => !rows[image]!.humanSeen && rows[image]!.excluded === null)
    return new Set(missing < 0 ? drawn : drawn.slice(0, missing))
  }
}

/** The problem that the ledger keeps: pairs in place of images. */
function pairProblem(problem: LabellingProblem, ordered: readonly string[]): LabellingProblem {
  const { digests, classes, excluded } = problem
  const known = inOrder(problem.knownPairs, classes, ordered)
  const nothing = { data: new Float32Array(), rows: 0, cols: 0 }
  const pairs = digests.flatMap((digest) => ordered.map((name) => pairName(digest, name)))
  return {
    digests: pairs,
    embeddings: nothing,
    centroids: nothing,
    assignment: new Int32Array(),
    classes: pairLabels(ordered),
    heldOut: new Uint8Array(pairs.length),
    known: Int32Array.from(pairs, (_, pair) => {
      const verdict = known?.[pair] ?? -1
      return verdict < 0 ? -1 : (pair % ordered.length) * VERDICTS.length + verdict
    }),
    excluded: Uint8Array.from(pairs, (_, pair) => excluded[Math.floor(pair / ordered.length)]!),
  }
}

/** Values of pairs with the classes as given, as of pairs with their classes in order. */
function inOrder(
  values: Int8Array | undefined,
  classes: readonly string[],
  ordered: readonly string[],
): Int8Array | null {
  if (!values) return null
  const from = ordered.map((name) => classes.indexOf(name))
  return values.map((_, pair) => {
    const asked = pair % classes.length
    return values[pair - asked + from[asked]!]!
  })
}
