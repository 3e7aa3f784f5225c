/** What has happened in a session: rounds planned, answers given, audits judged. No plan and no fit is made here. */

import { deflateSync, inflateSync } from 'node:zlib'
import { PlatformError } from '#core/errors'
import { Book } from './book.ts'
import { disputesOf, judgeLook, standingAnswers, type LookResult } from './certificate.ts'
import { freezeDigest } from './draw.ts'
import { isAboutScreen, LOOK_SHARES } from './rounds.ts'
import type { LabellingPolicy, LabellingProblem, PlannedScreen, Round, SessionEvent } from './rounds.ts'
import type { Answer } from './types.ts'

export type Ending = 'certified' | 'finished'

export class Ledger {
  readonly rounds: Round[] = []
  /** Results of the audits, in their order. */
  readonly looks: LookResult[] = []
  /** How the session ended by itself; null while it goes on. */
  ending: Ending | null = null
  book: Book
  /** Row of each digest. */
  readonly row: ReadonlyMap<string, number>
  private readonly events: SessionEvent[] = []
  private readonly planned = new Map<string, { round: Round; screen: PlannedScreen }>()
  private standing = new Map<string, Answer>()

  constructor(
    readonly problem: LabellingProblem,
    private readonly policy: LabellingPolicy,
  ) {
    this.row = new Map(problem.digests.map((digest, index) => [digest, index]))
    this.book = new Book(problem, this.row)
  }

  // Screens.

  /** Screens without a standing answer, in order. */
  openScreens(): PlannedScreen[] {
    return [...this.planned.values()].flatMap(({ screen }) => (this.standing.has(screen.id) ? [] : [screen]))
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
    return this.planned.has(screen) && !this.standing.has(screen) ? 1 : 0
  }

  /** The classes that people choose from now. */
  get classes(): readonly string[] {
    return this.problem.classes
  }

  isAnswered(round: Round): boolean {
    return round.screens.every((screen) => this.standing.has(screen.id))
  }

  addRound(round: Round): void {
    this.rounds.push(round)
    for (const screen of round.screens) this.planned.set(screen.id, { round, screen })
  }

  // Events.

  get eventCount(): number {
    return this.events.length
  }

  /** @throws {PlatformError} `SCREEN_INVALID` when the answer does not fit its screen. */
  check(answer: Pick<Answer, 'screen' | 'class' | 'misfits'>): void {
    const screen = this.screen(answer.screen)
    if (!screen) throw invalid(`screen ${answer.screen} was never shown in this session`)
    const shown = new Set(screen.images)
    for (const { image } of answer.misfits)
      if (!shown.delete(image)) throw invalid(`image ${image} is not, or twice, on screen ${screen.id}`)
    for (const name of [answer.class, ...answer.misfits.map((misfit) => misfit.class)])
      if (name !== null && !this.problem.classes.includes(name))
        throw invalid(`class "${name}" is none of ${this.problem.classes.join(', ')}`)
  }

  /** @throws {PlatformError} `SCREEN_INVALID` for an image that is not on the screen. */
  checkShown(screen: string, image: string): void {
    if (!this.screen(screen)?.images.includes(image)) throw invalid(`image ${image} is not on screen ${screen}`)
  }

  /** Takes in one event; they come in ascending order of `at`. */
  apply(event: SessionEvent): void {
    if (!isAboutScreen(event)) {
      this.events.push(event)
      return
    }
    const planned = this.planned.get(event.screen)
    if (!planned) return
    this.events.push(event)
    if (event.type === 'withdrawal') return this.readAgain()
    this.book.count(planned.round, planned.screen, event)
    if (this.standing.has(event.screen)) return
    this.standing.set(event.screen, event)
    this.book.record(planned.screen, event)
  }

  /** Whether an answer may still be withdrawn: not when labels that rest on it are frozen, judged or final. */
  mayWithdraw(screen: string): boolean {
    const frozen = this.lastAudit()?.number ?? 0
    const round = this.roundOf(screen)
    return this.ending === null && round !== undefined && round.number >= frozen
  }

  private readAgain(): void {
    const { tally } = this.book
    this.standing = standingAnswers(this.events)
    this.book = new Book(this.problem, this.row)
    this.book.tally = tally
    for (const answer of [...this.standing.values()].sort((a, b) => (a.at < b.at ? -1 : 1)))
      this.book.record(this.screen(answer.screen)!, answer)
  }

  // Audits.

  lastAudit(): Round | undefined {
    return this.rounds.findLast((round) => round.purpose === 'audit')
  }

  /** Images that need a second look, once the newest round is an audit. */
  disputes(): string[] {
    const last = this.rounds.at(-1)
    return last?.audit ? disputesOf(last.audit, last, this.standing) : []
  }

  /** Judges the newest audit when it and its second looks are answered. */
  concludeLook(): void {
    const audited = this.lastAudit()
    if (!audited?.audit || this.looks.length >= audited.audit.look) return
    const following = this.rounds[this.rounds.indexOf(audited) + 1]
    const rounds = following?.purpose === 'adjudicate' ? [audited, following] : [audited]
    if (!rounds.every((round) => this.isAnswered(round))) return
    if (!following && this.disputes().length > 0) return
    const look = judgeLook(audited.audit, rounds, this.standing, this.countByClass(frozenLabels(audited)))
    this.looks.push(look)
    if (look.atLeast >= this.policy.targetAccuracy) this.ending = 'certified'
    else if (this.looks.length === LOOK_SHARES.length) this.ending = 'finished'
  }

  /** How much worse the audits found the labels than expected; 1 before any. */
  get pessimism(): number {
    const audits = this.rounds.flatMap((round) => round.audit ?? [])
    return this.looks.reduce((factor, look, i) => {
      const expected = Math.max(1, audits[i]!.expected * look.sample.length)
      return factor * Math.max(1, look.found / expected)
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
