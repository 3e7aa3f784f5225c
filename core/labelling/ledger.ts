/** What has happened in a session: rounds planned, answers given, audits judged. No plan and no fit is made here. */

import { deflateSync, inflateSync } from 'node:zlib'
import { PlatformError } from '#core/errors'
import { Book, votesOn } from './book.ts'
import { disputesOf, judgeLook, type LookResult } from './certificate.ts'
import { ClassNames } from './class-names.ts'
import { estimateCrowd, STRANGERS, type Crowd } from './dawid-skene.ts'
import { freezeDigest } from './draw.ts'
import { isAboutScreen, LOOK_SHARES } from './rounds.ts'
import type {
  Audit,
  LabellingPolicy,
  LabellingProblem,
  PlannedScreen,
  RequestEvent,
  Round,
  SessionChange,
  SessionEvent,
  WithdrawalEvent,
} from './rounds.ts'
import type { Answer } from './types.ts'

export type Ending = 'certified' | 'finished'

/** A planned screen as it stands now: classes by the names they have, without images that are no more. */
interface Planned {
  readonly round: Round
  readonly screen: PlannedScreen
  /** The images that were ever on it. */
  readonly shown: ReadonlySet<string>
}

export class Ledger {
  readonly rounds: Round[] = []
  /** Results of the audits, in their order. */
  readonly looks: LookResult[] = []
  /** How the session ended by itself; null while it goes on. */
  ending: Ending | null = null
  book: Book
  /** `classes` are all names that there ever were, by their code: see `classes` for those of now. */
  readonly problem: LabellingProblem
  /** Row of each digest. */
  readonly row: ReadonlyMap<string, number>
  private readonly names: ClassNames
  private readonly events: SessionEvent[] = []
  private readonly planned = new Map<string, Planned>()
  /** Screens that a change of classes or images has closed. */
  private readonly voided = new Set<string>()
  /** Numbers of audits that such a change has made worthless. */
  private readonly lostAudits = new Set<number>()
  /** The standing answers of each screen, in their order; those that count first. */
  private standing = new Map<string, Answer[]>()
  /** The screen on which each image was judged last, where several people are asked. */
  private judgedOn = new Map<string, string>()
  private crowd: Crowd = STRANGERS
  private readonly requests: RequestEvent[] = []
  private requestsServed = 0

  constructor(
    problem: LabellingProblem,
    private readonly policy: LabellingPolicy,
  ) {
    this.names = new ClassNames(problem.classes)
    this.problem = { ...problem, classes: this.names.all }
    this.row = new Map(problem.digests.map((digest, index) => [digest, index]))
    this.book = new Book(this.problem, this.row, this.names)
  }

  // Screens.

  /** Screens that want an answer, in order. */
  openScreens(): PlannedScreen[] {
    return [...this.planned.values()].flatMap(({ screen }) => (this.answersWanted(screen.id) > 0 ? [screen] : []))
  }

  /** Of these, screens that nobody has answered: what a person who is ahead of the others can go on with. */
  freshScreens(): PlannedScreen[] {
    return this.openScreens().filter(({ id }) => !this.standing.has(id))
  }

  get screenCount(): number {
    return this.planned.size
  }

  screen(id: string): PlannedScreen | undefined {
    return this.planned.get(id)?.screen
  }

  roundOf(screen: string): Round | undefined {
    return this.planned.get(screen)?.round
  }

  /** Answers of different people that the screen still wants; 0 when it is closed, or was never planned. */
  answersWanted(screen: string): number {
    const planned = this.planned.get(screen)
    if (!planned || this.voided.has(screen)) return 0
    return Math.max(0, this.overlapOf(planned) - (this.standing.get(screen)?.length ?? 0))
  }

  /** The classes that people choose from now. */
  get classes(): readonly string[] {
    return this.names.live
  }

  /** Codes of these classes, in their order. */
  get liveCodes(): readonly number[] {
    return this.classes.map((name) => this.names.code(name))
  }

  isAnswered(round: Round): boolean {
    return round.screens.every((screen) => this.answersWanted(screen.id) === 0)
  }

  addRound(round: Round): void {
    this.rounds.push(round)
    this.requestsServed = round.requestsServed ?? this.requestsServed
    for (const screen of round.screens) this.planned.set(screen.id, { round, screen, shown: new Set(screen.images) })
    this.weighAgain()
  }

  /** What people asked for and no round has taken up, oldest first. A round says in `requestsServed` how far it got. */
  pendingRequests(): readonly RequestEvent[] {
    return this.requests.slice(this.requestsServed)
  }

  /** Requests that rounds have taken up so far. */
  get servedRequests(): number {
    return this.requestsServed
  }

  // Events.

  get eventCount(): number {
    return this.events.length
  }

  /** @throws {PlatformError} `SCREEN_INVALID` when the answer does not fit its screen. */
  check(answer: Pick<Answer, 'screen' | 'class' | 'misfits'>): void {
    const planned = this.planned.get(answer.screen)
    if (!planned) throw invalid(`screen ${answer.screen} was never shown in this session`)
    const marked = new Set<string>()
    for (const { image } of answer.misfits) {
      if (!planned.shown.has(image) || marked.has(image))
        throw invalid(`image ${image} is not, or twice, on screen ${answer.screen}`)
      marked.add(image)
    }
    const { purpose } = planned.round
    for (const name of [answer.class, ...answer.misfits.map((misfit) => misfit.class)]) {
      if (name === null) continue
      if (!this.names.has(name)) throw invalid(`class "${name}" is none of ${this.classes.join(', ')}`)
      if ((purpose === 'audit' || purpose === 'adjudicate') && this.names.current(name) !== name)
        throw invalid(`class "${name}" was removed from the session`)
    }
  }

  /** @throws {PlatformError} `SCREEN_INVALID` for an image that is not on the screen. */
  checkShown(screen: string, image: string): void {
    if (!this.screen(screen)?.images.includes(image)) throw invalid(`image ${image} is not on screen ${screen}`)
  }

  /** Takes in one event; they come in ascending order of `at`. */
  apply(event: SessionEvent): void {
    if (!isAboutScreen(event)) {
      this.events.push(event)
      return this.change(event)
    }
    const planned = this.planned.get(event.screen)
    if (!planned) return
    this.events.push(event)
    if (event.type === 'withdrawal') return this.withdraw(event)
    this.book.count(planned.round, planned.screen, event)
    const before = this.standing.get(event.screen) ?? []
    if (before.some((answer) => answer.annotator === event.annotator)) return
    this.standing.set(event.screen, [...before, event])
    if (before.length < this.overlapOf(planned)) this.record(planned, event, before)
  }

  /** Whether an answer may still be withdrawn: not when labels that rest on it are frozen, judged or final. */
  mayWithdraw(screen: string): boolean {
    const frozen = this.lastAudit()?.number ?? 0
    const round = this.roundOf(screen)
    return this.ending === null && round !== undefined && round.number >= frozen
  }

  private overlapOf({ round, screen }: Planned): number {
    const alone = round.purpose === 'audit' || round.purpose === 'adjudicate' || screen.control
    return alone ? 1 : (this.policy.overlap ?? 1)
  }

  private record(planned: Planned, answer: Answer, earlier: readonly Answer[]): void {
    this.book.record(planned.screen, answer, earlier, this.crowd)
    if ((this.policy.overlap ?? 1) > 1)
      for (const image of planned.screen.images) this.judgedOn.set(image, planned.screen.id)
  }

  private withdraw({ screen, annotator }: WithdrawalEvent): void {
    const left = (this.standing.get(screen) ?? []).filter((answer) => answer.annotator !== annotator)
    if (left.length > 0) this.standing.set(screen, left)
    else this.standing.delete(screen)
    this.readAgain()
  }

  /** What all standing answers say, as if nothing else had ever been said. */
  private readAgain(): void {
    const { tally } = this.book
    this.book = new Book(this.problem, this.row, this.names)
    this.book.tally = tally
    this.judgedOn = new Map()
    const counted = [...this.standing].flatMap(([id, answers]) => {
      const planned = this.planned.get(id)!
      return answers
        .slice(0, this.overlapOf(planned))
        .map((answer, i) => ({ planned, answer, earlier: answers.slice(0, i) }))
    })
    counted.sort((a, b) => (a.answer.at < b.answer.at ? -1 : 1))
    for (const { planned, answer, earlier } of counted) this.record(planned, answer, earlier)
    for (const event of this.events) {
      const row = event.type === 'image-removed' ? this.row.get(event.image) : undefined
      if (row !== undefined) this.book.remove(row)
    }
  }

  // Several people.

  /** Learns from all votes how often each person errs, and settles by that what they disagree on. */
  private weighAgain(): void {
    if ((this.policy.overlap ?? 1) === 1) return
    const several = [...this.standing].filter(([, answers]) => answers.length > 1)
    const votes = several.flatMap(([id, answers]) => {
      const { screen } = this.planned.get(id)!
      return screen.images.map((image) => votesOn(screen, image, answers, this.names)).filter((own) => own.length > 1)
    })
    this.crowd = estimateCrowd(votes, this.book.goldByAnnotator, this.classes.length)
    for (const [id, answers] of several) {
      const planned = this.planned.get(id)!
      const own = answers.slice(0, this.overlapOf(planned))
      this.book.settleAgain(planned.screen, own, this.crowd, (image) => this.judgedOn.get(image) === id)
    }
  }

  // Changes of the session.

  private change(event: SessionChange): void {
    if (event.type === 'requested') return void this.requests.push(event)
    if (event.type === 'image-removed') return this.removeImage(event.image)
    if (event.type === 'class-added') this.names.add(event.name, event.at)
    else this.removeClass(event.name, event.into)
    this.readAgain()
  }

  private removeClass(name: string, into: string | null): void {
    this.names.remove(name, into)
    this.loseAudit()
    for (const [id, planned] of this.planned) {
      if (this.answersWanted(id) === 0) continue
      const screen = this.renamed(planned.screen)
      if (screen) this.planned.set(id, { ...planned, screen })
      else this.voided.add(id)
    }
  }

  /** The screen with classes by the names they have now; null where it makes no sense any more. */
  private renamed(screen: PlannedScreen): PlannedScreen | null {
    const now = (name: string | null): string | null => (name === null ? null : this.names.current(name))
    const proposed = now(screen.proposed)
    const proposals = screen.proposals?.map((name) => now(name))
    const pair = screen.pair?.map((name) => now(name))
    if (proposed === null && screen.proposed !== null) return null
    if (pair?.includes(null) || (pair && pair[0] === pair[1]) || proposals?.includes(null)) return null
    const fits = (image: string): boolean => this.names.all[this.book.label[this.row.get(image)!]!] === proposed
    return {
      ...screen,
      proposed,
      secondGuess: screen.secondGuess.map((name) => (now(name) === proposed ? null : now(name))),
      // A known image that fits after a merge can no longer be overlooked.
      gold: screen.gold.filter((image) => !fits(image)),
      ...(proposals ? { proposals: proposals as string[] } : {}),
      ...(pair ? { pair: pair as [string, string] } : {}),
    }
  }

  private removeImage(image: string): void {
    const row = this.row.get(image)
    if (row === undefined) return
    const audited = this.lastAudit()
    if (audited && frozenLabels(audited)[row]! >= 0) this.loseAudit()
    this.book.remove(row)
    for (const [id, planned] of this.planned)
      if (this.answersWanted(id) > 0 && planned.screen.images.includes(image)) this.take(image, id, planned)
  }

  /** Takes an image off a screen; an empty one is closed. */
  private take(image: string, id: string, planned: Planned): void {
    const { screen } = planned
    const stays = (_: unknown, i: number): boolean => screen.images[i] !== image
    const images = screen.images.filter(stays)
    if (images.length === 0) this.voided.add(id)
    const rest = {
      images,
      secondGuess: screen.secondGuess.filter(stays),
      gold: screen.gold.filter((one) => one !== image),
      ...(screen.proposals ? { proposals: screen.proposals.filter(stays) } : {}),
    }
    this.planned.set(id, { ...planned, screen: { ...screen, ...rest } })
  }

  /** Labels changed under an audit: it speaks of nothing any more. It counts as a look all the same. */
  private loseAudit(): void {
    const audited = this.lastAudit()
    if (!audited || this.isConcluded(audited)) return
    this.lostAudits.add(audited.number)
    for (const { screens } of this.rounds.slice(this.rounds.indexOf(audited)))
      for (const { id } of screens) if (this.answersWanted(id) > 0) this.voided.add(id)
  }

  private isConcluded({ number }: Round): boolean {
    return this.lostAudits.has(number) || this.looks.some((look) => look.round === number)
  }

  // Audits.

  lastAudit(): Round | undefined {
    return this.rounds.findLast((round) => round.purpose === 'audit')
  }

  /** Images that need a second look, once the newest round is an audit. */
  disputes(): string[] {
    const last = this.rounds.at(-1)
    return last?.audit && !this.isConcluded(last) ? disputesOf(last.audit, last, this.firstAnswers()) : []
  }

  /** Audits begun, lost ones among them: each has spent its share of the chance of error. */
  get auditsBegun(): number {
    return this.rounds.filter((round) => round.purpose === 'audit').length
  }

  /** Judges the newest audit when it and its second looks are answered. */
  concludeLook(): void {
    const audited = this.lastAudit()
    if (!audited?.audit || this.ending || this.looks.some((look) => look.round === audited.number)) return
    if (!this.lostAudits.has(audited.number) && !this.judgeAudit(audited, audited.audit)) return
    if (!this.ending && this.auditsBegun === LOOK_SHARES.length) this.ending = 'finished'
  }

  /** @returns false when answers are wanting. */
  private judgeAudit(audited: Round, audit: Audit): boolean {
    const following = this.rounds[this.rounds.indexOf(audited) + 1]
    const rounds = following?.purpose === 'adjudicate' ? [audited, following] : [audited]
    if (!rounds.every((round) => this.isAnswered(round))) return false
    if (!following && this.disputes().length > 0) return false
    const look = judgeLook(audit, rounds, this.firstAnswers(), this.countByClass(frozenLabels(audited)))
    this.looks.push(look)
    if (look.atLeast >= this.policy.targetAccuracy) this.ending = 'certified'
    return true
  }

  /** The answer that counts in an audit: of each screen the first that stands. */
  private firstAnswers(): Map<string, Answer> {
    return new Map([...this.standing].flatMap(([screen, answers]) => (answers[0] ? [[screen, answers[0]]] : [])))
  }

  /** How much worse the audits found the labels than expected; 1 before any. */
  get pessimism(): number {
    return this.looks.reduce((factor, look) => {
      const { expected } = this.rounds.find((round) => round.number === look.round)!.audit!
      return factor * Math.max(1, look.found / Math.max(1, expected * look.sample.length))
    }, 1)
  }

  /** SHA-256 that names these labels. */
  freezeDigest(labels: Int32Array): string {
    const { digests, classes } = this.problem
    return freezeDigest(
      digests.flatMap((digest, i) => (labels[i]! < 0 ? [] : [[digest, classes[labels[i]!]!] as const])),
    )
  }

  private countByClass(labels: Int32Array): Map<string, number> {
    const counts = this.problem.classes.map(() => 0)
    for (const label of labels) if (label >= 0) counts[label]! += 1
    return new Map(this.problem.classes.flatMap((name, c) => (counts[c] ? [[name, counts[c]]] : [])))
  }
}

export function packLabels(labels: Int32Array): string {
  return deflateSync(Buffer.from(Int16Array.from(labels).buffer)).toString('base64')
}

/** Class of every image when the round's audit froze them, −1 for none. */
export function frozenLabels(round: Round): Int32Array {
  const bytes = inflateSync(Buffer.from(round.audit!.labels, 'base64'))
  return Int32Array.from(new Int16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2))
}

function invalid(message: string): PlatformError {
  return new PlatformError('SCREEN_INVALID', `${message}; reload the page`)
}
