/**
 * The one process that owns a session: hands out screens, stores answers, plans on.
 *
 * H1  An event is stored, under the next number of one log, before it is acknowledged: a restart reads the same order, and
 *     of two processes that both think they host the session only one can go on.
 * H2  A round is stored before any of its screens is shown: a restart shows the same screens, also with newer code.
 * H3  A screen belongs to whoever got it first, for two minutes after their last sign of life, and to as many people as it
 *     wants answers. The first standing answers count, whoever had the screen.
 * H4  Sending something again changes nothing: an answer to what one has answered, a class that is there, an image that
 *     is gone. A late answer is kept, and counts where answers are still wanted.
 */

import { PlatformError } from '#core/errors'
import { canonicalJson, type ObjectStore } from '#core/storage'
import { CONFIDENCE } from './certificate.ts'
import { ClassNames } from './class-names.ts'
import { humanSeconds, speedUp } from './cost-model.ts'
import { drawOrder } from './draw.ts'
import type { Engine } from './engine.ts'
import { People } from './people.ts'
import {
  readEvent,
  readHeld,
  readLog,
  readRounds,
  recordEvent,
  recordHeld,
  recordRound,
  requestStop,
  sessionClosed,
} from './records.ts'
import type { AnswerEvent, PlannedScreen, Round, SessionEvent, WithdrawalEvent } from './rounds.ts'
import { ScreenLeases } from './screen-leases.ts'
import type {
  AnnotatorStats,
  Answer,
  ClassChange,
  Disagreement,
  Reasons,
  Screen,
  SessionHost,
  SessionLabel,
  SessionState,
  Undone,
} from './types.ts'

const PATIENCE_MS = 15_000
/** Without a sign of life for so long, a person is not there. */
const ABSENT_MS = 120_000
/** Frozen labels hold codes of classes in 16 bits; people choose from far fewer. */
const MOST_CLASSES = 1_000

export interface LocalHostOptions {
  readonly store: ObjectStore
  readonly session: string
  readonly signal: AbortSignal
  /** Whether an image belongs to the session; every one where left out. */
  readonly hasImage?: (digest: string) => boolean
  /** Called after every change; whoever listens thins it out. */
  readonly onChange: (state: SessionState) => void
  readonly now?: () => number
  /** How long `next` waits for a screen before it says that there is none. */
  readonly patienceMs?: number
}

/** What one annotator says of one screen. */
type Saying = AnswerEvent | WithdrawalEvent

export class LocalHost implements SessionHost {
  /** Settles when the session has come to its end: by itself or by a stop. Rejects with what broke the planning. */
  readonly ended: Promise<'ended' | 'stopped'>
  private settle!: { resolve(how: 'ended' | 'stopped'): void; reject(error: unknown): void }
  private open = true
  /** Set when this process can no longer host the session; somebody else can. */
  private failed = false
  /** The work on waiting events and due plans, while there is any. */
  private working: Promise<void> | null = null
  /** Rounds that are stored, and so may be shown. */
  private published = 0
  private readonly waiting: SessionEvent[] = []
  private storing: Promise<unknown> = Promise.resolve()
  /** Events in the log. */
  private logged = 0
  /** An event whose storing failed, and that may be in the log for all that. */
  private doubtful: SessionEvent | null = null
  private lastAt = 0
  /** By `screen annotator`: the newest event of this pair. */
  private readonly newest = new Map<string, Saying>()
  /** Withdrawn answers of each annotator that may be given again, newest last. */
  private readonly withdrawn = new Map<string, AnswerEvent[]>()
  private readonly names: ClassNames
  private readonly people_: People
  private readonly removed = new Set<string>()
  private readonly leases: ScreenLeases
  /** When each annotator was last heard of, in milliseconds since 1970. */
  private readonly heardOf = new Map<string, number>()
  private heldNumber = 0
  private savingHeld: Promise<void> | null = null
  private wake: (() => void)[] = []

  private constructor(
    private readonly engine: Engine,
    private readonly options: LocalHostOptions,
  ) {
    this.ended = new Promise((resolve, reject) => {
      this.settle = { resolve, reject }
    })
    this.ended.catch(() => undefined)
    this.names = new ClassNames(engine.classes)
    this.people_ = new People(this.names)
    this.leases = new ScreenLeases(() => this.now())
  }

  /** Brings the engine to where the session was, and plans on from there. */
  static async start(engine: Engine, options: LocalHostOptions): Promise<LocalHost> {
    const host = new LocalHost(engine, options)
    const { store, session } = options
    const [{ former, log }, rounds, { number, held }] = await Promise.all([
      readLog(store, session),
      readRounds(store, session),
      readHeld(store, session),
    ])
    host.logged = log.length
    host.heldNumber = number
    host.leases.restore(held)
    host.replay([...former, ...log], rounds)
    host.goOn()
    return host
  }

  // Screens.

  async next(annotator: string, count: number): Promise<readonly Screen[]> {
    const patientUntilMs = this.now() + (this.options.patienceMs ?? PATIENCE_MS)
    this.hearOf(annotator)
    for (;;) {
      if (!this.open) return []
      const screens = this.handOut(annotator, count)
      const left = patientUntilMs - this.now()
      if (screens.length > 0 || left <= 0) return screens
      await this.change(Math.min(left, this.leases.nextExpiryMs))
    }
  }

  private handOut(annotator: string, count: number): Screen[] {
    const free = this.engine.openScreens().filter((screen) => this.isFor(annotator, screen))
    const own = free.filter(({ id }) => this.leases.isHeldBy(id, annotator))
    const chosen = [...new Set([...own, ...free])].slice(0, count)
    for (const { id } of chosen) this.leases.take(id, annotator)
    if (chosen.length > own.length) this.saveHeld()
    return chosen.map(shown)
  }

  /** Whether the screen is there, wants an answer that nobody else is giving, and wants it from this person. */
  private isFor(annotator: string, { id, images }: PlannedScreen): boolean {
    const round = this.engine.roundOf(id)
    if (!round || round.number > this.published || this.hasAnswered(id, annotator)) return false
    const taken = this.waitingAnswers(id) + this.leases.others(id, annotator)
    if (this.engine.answersWanted(id) <= taken) return false
    // A second look is somebody else's, where there is somebody else.
    const own = round.purpose === 'adjudicate' && this.people_.judgedInRound(annotator, images[0]!, round.number - 1)
    return !own || !this.othersAreThere(annotator)
  }

  private hasAnswered(screen: string, annotator: string): boolean {
    return this.newest.get(pairOf({ screen, annotator }))?.type === 'answer'
  }

  /** Answers, less withdrawals, that the engine has not taken in yet. */
  private waitingAnswers(screen: string): number {
    return this.waiting.reduce((count, event) => {
      if (!('screen' in event) || event.screen !== screen) return count
      return count + (event.type === 'answer' ? 1 : -1)
    }, 0)
  }

  private othersAreThere(annotator: string): boolean {
    return [...this.heardOf].some(([other, atMs]) => other !== annotator && this.now() - atMs < ABSENT_MS)
  }

  private hearOf(annotator: string): void {
    this.heardOf.set(annotator, this.now())
    this.leases.prolong(annotator)
  }

  /** Remembers for a next life who has which screen; now and then, and without anybody waiting for it. */
  private saveHeld(): void {
    const { store, session } = this.options
    this.savingHeld ??= Promise.resolve()
      .then(() => recordHeld(store, session, (this.heldNumber += 1), this.leases.all()))
      .catch(() => undefined)
      .finally(() => (this.savingHeld = null))
  }

  // Answers.

  async submit(answer: Omit<Answer, 'at'>): Promise<SessionState> {
    this.refuseWhenClosed()
    const { screen, annotator, activeMs, comment } = answer
    const said = this.inNamesOfNow(answer)
    this.engine.check({ screen, ...said })
    this.hearOf(annotator)
    await this.inTurn(async () => {
      const before = this.newest.get(pairOf(answer))
      if (before?.type === 'answer') return // H4
      const facts = { screen, annotator, ...said, activeMs, ...(comment === undefined ? {} : { comment }) }
      await this.keep({ type: 'answer', revision: (before?.revision ?? -1) + 1, ...facts, at: this.stamp() })
    })
    this.leases.drop(screen, annotator)
    return this.currentState()
  }

  /** The answer with merged classes by the names that they have now; a page may not have heard of the merge yet. */
  private inNamesOfNow({ class: name, misfits }: Pick<Answer, 'class' | 'misfits'>): Pick<Answer, 'class' | 'misfits'> {
    const now = (one: string | null): string | null => (one === null ? null : (this.names.current(one) ?? one))
    return { class: now(name), misfits: misfits.map((misfit) => ({ ...misfit, class: now(misfit.class) })) }
  }

  async undo(annotator: string): Promise<Undone | null> {
    this.refuseWhenClosed()
    this.hearOf(annotator)
    return this.inTurn(async () => {
      await this.working
      const last = this.newestAnswerOf(annotator)
      if (!last || !this.open || !this.engine.mayWithdraw(last.screen)) return null
      const { screen, revision } = last
      await this.keep({ type: 'withdrawal', screen, annotator, revision: revision + 1, at: this.stamp() })
      this.leases.take(screen, annotator)
      return { screen: shown(this.engine.screen(screen)!), answer: answerOf(last) }
    })
  }

  async redo(annotator: string): Promise<Screen | null> {
    this.refuseWhenClosed()
    this.hearOf(annotator)
    return this.inTurn(async () => {
      await this.working
      const again = this.withdrawn.get(annotator)?.at(-1)
      const before = again && this.newest.get(pairOf(again))
      if (!again || before?.type !== 'withdrawal' || !this.open) return null
      if (this.engine.answersWanted(again.screen) <= this.waitingAnswers(again.screen)) return null
      this.engine.check(again)
      await this.keep({ ...again, revision: before.revision + 1, at: this.stamp() })
      this.leases.drop(again.screen, annotator)
      return shown(this.engine.screen(again.screen)!)
    })
  }

  private newestAnswerOf(annotator: string): AnswerEvent | undefined {
    const own = [...this.newest.values()].flatMap((event) =>
      event.type === 'answer' && event.annotator === annotator ? [event] : [],
    )
    return own.reduce<AnswerEvent | undefined>((last, event) => (!last || event.at > last.at ? event : last), undefined)
  }

  // What a lead does.

  async changeClasses(change: ClassChange, by: string): Promise<SessionState> {
    this.engine.checkClassChange?.(change)
    return this.afterTurn(async () => {
      if ('add' in change) await this.addClass(change.add, by)
      else await this.removeClass(change.remove, change.into, by)
    })
  }

  private async addClass(name: string, by: string): Promise<void> {
    const { live } = this.names
    if (live.includes(name)) return // H4
    if (this.names.has(name))
      throw invalid(`class "${name}" was removed from this session, and its name means that class; choose another name`)
    if (live.length >= MOST_CLASSES)
      throw invalid(`a session has at most ${MOST_CLASSES} classes; merge some before you add "${name}"`)
    await this.keep({ type: 'class-added', name, by, at: this.stamp() })
  }

  private async removeClass(name: string, into: string | null, by: string): Promise<void> {
    const { live } = this.names
    if (!this.names.has(name)) throw invalid(`there is no class "${name}"; the classes are ${live.join(', ')}`)
    if (!live.includes(name)) return // H4
    if (into !== null && (into === name || !live.includes(into)))
      throw invalid(`the images of "${name}" cannot go to "${into}"; choose another one of ${live.join(', ')}`)
    if (live.length <= 2)
      throw invalid(`"${live.join('" and "')}" are all classes; add one before you remove "${name}"`)
    await this.keep({ type: 'class-removed', name, into, by, at: this.stamp() })
  }

  async request(images: readonly string[], proposed: string | null, by: string, review = false): Promise<SessionState> {
    const foreign = images.find((image) => !this.isOfSession(image))
    if (foreign !== undefined) throw invalid(`image ${foreign} is not one of this session; reload the page`)
    return this.afterTurn(async () => {
      if (proposed !== null && !this.names.live.includes(proposed))
        throw invalid(`there is no class "${proposed}"; the classes are ${this.names.live.join(', ')}`)
      const asked = { images: [...new Set(images)], proposed, by, ...(review ? { review } : {}) }
      await this.keep({ type: 'requested', ...asked, at: this.stamp() })
    })
  }

  async review(annotator: string, count: number, by: string): Promise<SessionState> {
    const images = this.people_.judgedBy(annotator).filter((image) => !this.removed.has(image))
    if (images.length === 0) {
      const known = this.people_.stats().map((one) => one.annotator)
      throw invalid(`"${annotator}" has answered nothing here; annotators are ${known.join(', ') || 'none so far'}`)
    }
    const drawn = drawOrder(images, `review:${annotator}:${this.logged}`).slice(0, count)
    return this.request(drawn.map((index) => images[index]!).sort(), null, by, true)
  }

  /** Takes images out that were deleted from the store. */
  async removeImages(images: Iterable<string>): Promise<void> {
    for (const image of images) {
      if (!this.isOfSession(image)) continue
      await this.inTurn(async () => {
        if (this.isOfSession(image)) await this.keep({ type: 'image-removed', image, at: this.stamp() })
      })
    }
  }

  private isOfSession(image: string): boolean {
    return (this.options.hasImage?.(image) ?? true) && !this.removed.has(image)
  }

  async reasons(screen: string, image: string): Promise<Reasons> {
    this.refuseWhenClosed()
    return this.engine.reasons(screen, image)
  }

  people(): Promise<readonly AnnotatorStats[]> {
    return Promise.resolve(this.people_.stats())
  }

  disagreements(after: string | null, count: number): Promise<readonly Disagreement[]> {
    return Promise.resolve(this.people_.disagreements(after, count))
  }

  async *labels(): AsyncIterable<SessionLabel> {
    const labels = await this.engine.finalLabels(this.options.signal)
    const judges = this.people_.judges()
    for (const { randomDraw: _, ...label } of labels)
      yield { ...label, ...(judges.get(label.digest) ?? { annotators: [], at: null }) }
  }

  // Where it stands.

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
    const secondsPerScreen = this.people_.secondsPerScreen
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
      pace: this.people_.pace,
      secondsLeft:
        secondsPerScreen === null || engine.screensLeft === null ? null : engine.screensLeft * secondsPerScreen,
      people: this.people_.count,
      disagreements: this.people_.disagreementCount,
      classes: this.names.live,
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

  // Events.

  private async keep(event: SessionEvent): Promise<void> {
    const { store, session } = this.options
    this.doubtful = event
    if (!(await recordEvent(store, session, this.logged + 1, event))) throw this.lost()
    this.doubtful = null
    this.logged += 1
    this.takeIn(event)
  }

  private takeIn(event: SessionEvent): void {
    this.note(event)
    this.waiting.push(event)
    this.goOn()
    this.wakeAll()
    this.options.onChange(this.currentState())
  }

  /** An event whose storing failed may have been stored: then it counts, though nobody was told. */
  private async resolveDoubt(): Promise<void> {
    if (!this.doubtful) return
    const { store, session } = this.options
    const stored = await readEvent(store, session, this.logged + 1)
    if (stored && canonicalJson(stored) !== canonicalJson(this.doubtful)) throw this.lost()
    this.doubtful = null
    if (!stored) return
    this.logged += 1
    this.takeIn(stored)
  }

  /** Another process has written in the log: it is the host now. */
  private lost(): PlatformError {
    const { session } = this.options
    const error = new PlatformError(
      'SESSION_HOST_UNAVAILABLE',
      `another process hosts session ${session} now; try again, nothing is lost`,
      { session },
    )
    this.fail(error)
    return error
  }

  private fail(error: unknown): void {
    this.open = false
    this.failed = true
    this.settle.reject(error)
  }

  /** What an event means to the host itself. */
  private note(event: SessionEvent): void {
    switch (event.type) {
      case 'answer':
        return this.noteAnswer(event)
      case 'withdrawal': {
        const taken = this.newest.get(pairOf(event))
        this.newest.set(pairOf(event), event)
        this.people_.withdrawn(event)
        if (taken?.type === 'answer') this.redoable(event.annotator).push(taken)
        return
      }
      case 'class-added':
        this.names.add(event.name, event.at)
        return this.people_.classesChanged()
      case 'class-removed':
        this.names.remove(event.name, event.into)
        return this.people_.classesChanged()
      case 'image-removed':
        this.removed.add(event.image)
        return
      case 'requested':
    }
  }

  private noteAnswer(event: AnswerEvent): void {
    this.newest.set(pairOf(event), event)
    const { screen } = event
    const planned = this.engine.screen(screen)
    const round = this.engine.roundOf(screen)
    if (planned && round) this.people_.answered(event, planned, round.number)
    const redoable = this.redoable(event.annotator)
    // Whoever goes on to something new can no longer go forward again to what was.
    if (redoable.at(-1)?.screen === screen) redoable.pop()
    else redoable.length = 0
  }

  private redoable(annotator: string): AnswerEvent[] {
    const own = this.withdrawn.get(annotator) ?? []
    this.withdrawn.set(annotator, own)
    return own
  }

  /** One after the other, so that stored order and time stamps agree. */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.storing.then(async () => {
      this.refuseWhenClosed()
      await this.resolveDoubt()
      return work()
    })
    this.storing = turn.catch(() => undefined)
    return turn
  }

  private async afterTurn(work: () => Promise<void>): Promise<SessionState> {
    this.refuseWhenClosed()
    await this.inTurn(work)
    return this.currentState()
  }

  private stamp(): string {
    this.lastAt = Math.max(this.now(), this.lastAt + 1)
    return new Date(this.lastAt).toISOString()
  }

  // Planning.

  private goOn(): void {
    this.working ??= this.work()
      .catch((error: unknown) => this.fail(error))
      .finally(() => {
        this.working = null
        this.wakeAll()
      })
  }

  /** Takes waiting events one by one, and plans wherever a round is due: exactly as a replay would. */
  private async work(): Promise<void> {
    while (this.open) {
      if (this.engine.due && (await this.planRound())) continue
      const event = this.waiting.shift()
      if (!event) return
      this.engine.apply(event)
    }
  }

  /** @returns whether the session went on: by a round, or to its end. */
  private async planRound(): Promise<boolean> {
    const { store, session, signal } = this.options
    const round = await this.engine.plan(signal)
    if (round) {
      const stored = await recordRound(store, session, round)
      if (stored !== round && canonicalJson(stored) !== canonicalJson(round)) throw this.lost()
      this.published = round.number
    } else if (this.engine.ending) {
      this.open = false
      this.settle.resolve('ended')
    }
    this.wakeAll()
    this.options.onChange(this.currentState())
    return round !== null || this.engine.ending !== null
  }

  private replay(events: readonly SessionEvent[], rounds: readonly Round[]): void {
    const adoptDue = (): void => {
      while ((rounds[this.published]?.after ?? Infinity) <= this.engine.eventCount)
        this.engine.adopt(rounds[this.published++]!)
    }
    adoptDue()
    for (const event of events) {
      this.note(event)
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
    const { session } = this.options
    if (this.failed)
      throw new PlatformError('SESSION_HOST_UNAVAILABLE', `${session} is being hosted anew; wait a moment`)
    if (!this.open) throw sessionClosed(session)
  }
}

/** What annotators get to see of a planned screen: the fields of a `Screen`, and no other. */
function shown(planned: PlannedScreen): Screen {
  const { id, kind, proposed, images, secondGuess, proposals, pair, vouches, asks, requestedBy } = planned
  return {
    ...{ id, kind, proposed, images, secondGuess },
    ...(proposals && { proposals }),
    ...(pair && { pair }),
    ...(vouches !== undefined && { vouches }),
    ...(asks !== undefined && { asks }),
    ...(requestedBy !== undefined && { requestedBy }),
  }
}

function answerOf({ type: _type, revision: _revision, ...answer }: AnswerEvent): Answer {
  return answer
}

function pairOf({ screen, annotator }: { readonly screen: string; readonly annotator: string }): string {
  return `${screen} ${annotator}`
}

function invalid(message: string): PlatformError {
  return new PlatformError('INVALID_INPUT', message)
}
