/**
 * The one process that owns a session: hands out screens, stores answers, plans on.
 *
 * H1  An answer is stored before it is acknowledged, and the engine takes answers in the order of their time stamps, which
 *     ascend strictly: a restart reads the same order.
 * H2  A round is stored before any of its screens is shown: a restart shows the same screens, also with newer code.
 * H3  Screens are set aside for whoever got them first, for two minutes; that is a courtesy and decides nothing. The first
 *     standing answer of a screen counts.
 */

import type { ObjectStore } from '#core/storage'
import { CONFIDENCE } from './certificate.ts'
import { humanSeconds, speedUp } from './cost-model.ts'
import type { Engine } from './engine.ts'
import { readEvents, readRounds, recordEvent, recordRound, requestStop } from './records.ts'
import {
  isAboutScreen,
  type AnswerEvent,
  type PlannedScreen,
  type Round,
  type SessionEvent,
  type WithdrawalEvent,
} from './rounds.ts'
import type {
  AnnotatorStats,
  Answer,
  Disagreement,
  Reasons,
  Screen,
  SessionHost,
  SessionLabel,
  SessionState,
  Undone,
} from './types.ts'
import { sessionClosed } from './wire.ts'

const SET_ASIDE_MS = 120_000
/** How long `next` waits for screens that others are answering, before it hands out theirs too. */
const PATIENCE_MS = 15_000

export interface LocalHostOptions {
  readonly store: ObjectStore
  readonly session: string
  readonly signal: AbortSignal
  /** Called after every change; whoever listens thins it out. */
  readonly onChange: (state: SessionState) => void
  readonly now?: () => number
}

export class LocalHost implements SessionHost {
  /** Settles when the session has come to its end: by itself or by a stop. Rejects with what broke the planning. */
  readonly ended: Promise<'ended' | 'stopped'>
  private settle!: { resolve(how: 'ended' | 'stopped'): void; reject(error: unknown): void }
  private open = true
  /** The work on waiting events and due plans, while there is any. */
  private working: Promise<void> | null = null
  /** Rounds that are stored, and so may be shown. */
  private published = 0
  private readonly waiting: SessionEvent[] = []
  private storing: Promise<unknown> = Promise.resolve()
  private lastAt = 0
  /** By `screen annotator`: the newest event of this pair. */
  private readonly newest = new Map<string, AnswerEvent | WithdrawalEvent>()
  private readonly setAside = new Map<string, { annotator: string; untilMs: number }>()
  private wake: (() => void)[] = []

  private constructor(
    private readonly engine: Engine,
    private readonly options: LocalHostOptions,
  ) {
    this.ended = new Promise((resolve, reject) => {
      this.settle = { resolve, reject }
    })
    this.ended.catch(() => undefined)
  }

  /** Brings the engine to where the session was, and plans on from there. */
  static async start(engine: Engine, options: LocalHostOptions): Promise<LocalHost> {
    const host = new LocalHost(engine, options)
    const { store, session } = options
    host.replay(await readEvents(store, session), await readRounds(store, session))
    host.goOn()
    return host
  }

  async next(annotator: string, count: number): Promise<readonly Screen[]> {
    const patientUntilMs = this.now() + PATIENCE_MS
    for (;;) {
      if (!this.open) return []
      const open = this.engine.openScreens().filter((screen) => this.isOpen(screen))
      const patient = this.now() < patientUntilMs
      const free = open.filter((screen) => !patient || this.isFreeFor(screen.id, annotator))
      const own = free.filter((screen) => this.setAside.get(screen.id)?.annotator === annotator)
      const chosen = [...new Set([...own, ...free])].slice(0, count)
      if (chosen.length > 0) {
        for (const { id } of chosen) this.setAside.set(id, { annotator, untilMs: this.now() + SET_ASIDE_MS })
        return chosen.map(shown)
      }
      await this.change(patient ? patientUntilMs - this.now() : PATIENCE_MS)
    }
  }

  async submit(answer: Omit<Answer, 'at'>): Promise<SessionState> {
    this.refuseWhenClosed()
    this.engine.check(answer)
    await this.inTurn(async () => {
      const before = this.newest.get(pairOf(answer))
      if (before?.type === 'answer') return
      this.refuseWhenClosed()
      const { screen, annotator, class: className, misfits, activeMs, comment } = answer
      const said = comment === undefined ? {} : { comment }
      const facts = { screen, annotator, class: className, misfits, activeMs, ...said }
      await this.keep({ type: 'answer', revision: (before?.revision ?? -1) + 1, ...facts, at: this.stamp() })
    })
    return this.state()
  }

  async undo(annotator: string): Promise<Undone | null> {
    this.refuseWhenClosed()
    return this.inTurn(async () => {
      await this.working
      const own = [...this.newest.values()].flatMap((e) =>
        e.annotator === annotator && e.type === 'answer' ? [e] : [],
      )
      const last = own.sort((a, b) => (a.at < b.at ? 1 : -1))[0]
      if (!last || !this.open || !this.engine.mayWithdraw(last.screen)) return null
      const { screen, revision } = last
      await this.keep({ type: 'withdrawal', screen, annotator, revision: revision + 1, at: this.stamp() })
      this.setAside.set(screen, { annotator, untilMs: this.now() + SET_ASIDE_MS })
      return { screen: shown(this.engine.screen(screen)!), answer: last }
    })
  }

  redo(): Promise<Screen | null> {
    return Promise.resolve(null)
  }

  changeClasses(): Promise<SessionState> {
    return this.state()
  }

  request(): Promise<SessionState> {
    return this.state()
  }

  review(): Promise<SessionState> {
    return this.state()
  }

  reasons(screen: string, image: string): Promise<Reasons> {
    return this.engine.reasons(screen, image)
  }

  people(): Promise<readonly AnnotatorStats[]> {
    return Promise.resolve([])
  }

  disagreements(): Promise<readonly Disagreement[]> {
    return Promise.resolve([])
  }

  async *labels(): AsyncIterable<SessionLabel> {
    const { signal } = this.options
    for (const { randomDraw: _, ...label } of await this.engine.finalLabels(signal))
      yield { ...label, annotators: [], at: null }
  }

  state(): Promise<SessionState> {
    return Promise.resolve(this.currentState())
  }

  currentState(): SessionState {
    const { engine } = this
    const seconds = humanSeconds(engine.tally)
    const screens = engine.tally.screens + engine.tally.singles
    // Accepted labels are not paid for before the screens that are to come.
    const secondsInAll = seconds * (1 + (engine.screensLeft ?? 0) / Math.max(1, screens))
    const look = engine.looks.at(-1)
    return {
      session: this.options.session,
      status: engine.ending ?? (this.open ? 'open' : 'stopped'),
      images: engine.imageCount,
      labelled: engine.labelled,
      screens,
      misfits: engine.tally.misfits,
      certified: look ? { atLeast: look.atLeast, confidence: CONFIDENCE } : null,
      humanSeconds: seconds,
      speedUp: speedUp(engine.labelled, secondsInAll),
      screensLeft: engine.screensLeft,
      pace: { grid: null, control: null },
      secondsLeft: null,
      people: new Set([...this.newest.values()].flatMap((e) => (e.type === 'answer' ? [e.annotator] : []))).size,
      disagreements: 0,
      classes: engine.classes,
    }
  }

  async stop(by: string): Promise<SessionState> {
    await requestStop(this.options.store, this.options.session, by)
    await this.close()
    return this.currentState()
  }

  /** Ends the session with the labels there are, once the plan under way is done. */
  async close(): Promise<void> {
    if (!this.open) return
    this.open = false
    this.wakeAll()
    await this.storing
    await this.working
    for (const event of this.waiting.splice(0)) this.engine.apply(event)
    this.settle.resolve('stopped')
    this.options.onChange(this.currentState())
  }

  // Answers.

  private async keep(event: AnswerEvent | WithdrawalEvent): Promise<void> {
    const stored = await recordEvent(this.options.store, this.options.session, event)
    this.newest.set(pairOf(event), event)
    if (!stored) return
    this.waiting.push(event)
    this.goOn()
    this.wakeAll()
    this.options.onChange(this.currentState())
  }

  private isOpen({ id }: PlannedScreen): boolean {
    const published = (this.engine.roundOf(id)?.number ?? Infinity) <= this.published
    return published && !this.waiting.some((event) => event.type === 'answer' && event.screen === id)
  }

  private isFreeFor(screen: string, annotator: string): boolean {
    const holder = this.setAside.get(screen)
    return !holder || holder.annotator === annotator || holder.untilMs < this.now()
  }

  /** One after the other, so that stored order and time stamps agree. */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.storing.then(work)
    this.storing = turn.catch(() => undefined)
    return turn
  }

  private stamp(): string {
    this.lastAt = Math.max(this.now(), this.lastAt + 1)
    return new Date(this.lastAt).toISOString()
  }

  // Planning.

  private goOn(): void {
    this.working ??= this.work()
      .catch((error: unknown) => {
        this.open = false
        this.settle.reject(error)
      })
      .finally(() => {
        this.working = null
        this.wakeAll()
      })
  }

  /** Takes waiting events one by one, and plans wherever a round is due: exactly as a replay would. */
  private async work(): Promise<void> {
    while (this.open) {
      if (this.engine.due) await this.planRound()
      else if (this.waiting.length > 0) this.engine.apply(this.waiting.shift()!)
      else return
    }
  }

  private async planRound(): Promise<void> {
    const { store, session, signal } = this.options
    const round = await this.engine.plan(signal)
    if (round) {
      await recordRound(store, session, round)
      this.published = round.number
    } else if (this.engine.ending) {
      this.open = false
      this.settle.resolve('ended')
    }
    this.wakeAll()
    this.options.onChange(this.currentState())
  }

  private replay(events: readonly SessionEvent[], rounds: readonly Round[]): void {
    const adoptDue = (): void => {
      while ((rounds[this.published]?.after ?? Infinity) <= this.engine.eventCount)
        this.engine.adopt(rounds[this.published++]!)
    }
    adoptDue()
    for (const event of events) {
      if (isAboutScreen(event)) this.newest.set(pairOf(event), event)
      this.lastAt = Math.max(this.lastAt, Date.parse(event.at))
      if (this.published === rounds.length) this.waiting.push(event)
      else {
        this.engine.apply(event)
        adoptDue()
      }
    }
  }

  // Waiting.

  private change(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(1, withinMs))
      this.wake.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  private wakeAll(): void {
    for (const wake of this.wake.splice(0)) wake()
  }

  private now(): number {
    return this.options.now?.() ?? Date.now()
  }

  private refuseWhenClosed(): void {
    if (!this.open) throw sessionClosed(this.options.session)
  }
}

/** What annotators get to see of a planned screen. */
function shown({ gold: _gold, control: _control, ...screen }: PlannedScreen): Screen {
  return screen
}

function pairOf({ screen, annotator }: { screen: string; annotator: string }): string {
  return `${screen} ${annotator}`
}
