/**
 * One sitting at a labelling session. The next screens are at hand before they are needed; an answer is shown as given
 * at once and stored behind the scenes, in order, again and again until it is; undo and redo reach across screens.
 *
 * L1  Answers are sent one at a time in the order given, so that undo on the server withdraws the newest.
 * L2  A screen answered in this sitting is not shown again unless its answer was withdrawn, whatever a late list says.
 * L3  The screen in hand is never replaced by the server's second thoughts; only those behind it are.
 * L4  An answer is in the outbox from the moment it is given until the server has it. One that may have reached the server
 *     is never taken back here alone.
 */
import { ApiProblem } from '../api/client.ts'
import type { Answer, Screen, SessionState } from '../api/types.ts'
import { NO_OUTBOX, type Outbox } from './outbox.ts'
import { answerOf, misfitsOf, openView, remark, unmark, type ScreenView } from './screen-view.ts'

export interface SessionApi {
  screens(count: number): Promise<readonly Screen[]>
  submit(answer: Answer): Promise<SessionState>
  /** The screen whose answer was withdrawn, and that answer. */
  undo(): Promise<{ readonly screen: Screen | null; readonly answer: Answer | null; readonly state: SessionState }>
  /** The screen whose withdrawn answer stands again. */
  redo(): Promise<{ readonly screen: Screen | null; readonly state: SessionState }>
  state(): Promise<SessionState>
  /** Fetches the pictures of a screen that comes soon. */
  preload(screen: Screen): void
}

export interface Sitting {
  readonly view: ScreenView | null
  readonly state: SessionState
  /** Answers given but not stored yet. */
  readonly unsent: number
  /** Why answers are not being stored just now. */
  readonly trouble: string | null
  /** Said to people who listen rather than look. */
  readonly said: string
  /** What was measured in this sitting. */
  readonly pace: { readonly images: number; readonly activeMs: number }
}

const AHEAD = 3
const PLANNING_MS = 700
const FIRST_RETRY_MS = 500
const LONGEST_RETRY_MS = 8_000
/** Longer without a sign of life is not work (research convention, idle cut-off). */
const IDLE_MS = 30_000
/** Screens are a person's for two minutes; whoever is at work says so in time. */
const STILL_HERE_MS = 45_000

export class SessionStore {
  #sitting: Sitting
  #queue: Screen[] = []
  #unsent: Answer[] = []
  /** Screens whose answer may have reached the server, though it did not say so. */
  readonly #tried = new Set<string>()
  readonly #answered = new Map<string, Answer>()
  /** Screens that were left, as long as their answers may be taken back here. */
  readonly #left = new Map<string, Screen>()
  readonly #listeners = new Set<() => void>()
  #sending: Promise<void> | null = null
  #filling: Promise<void> | null = null
  #fillFailed = false
  #undoing = false
  #closed = true
  #timer: ReturnType<typeof setTimeout> | undefined
  #active = { ms: 0, since: Date.now() }
  #wake: () => void = () => undefined

  constructor(
    private readonly api: SessionApi,
    state: SessionState,
    private readonly outbox: Outbox = NO_OUTBOX,
  ) {
    this.#sitting = { view: null, state, unsent: 0, trouble: null, said: '', pace: { images: 0, activeMs: 0 } }
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  readonly read = (): Sitting => this.#sitting

  /** Begins or goes on; what an earlier sitting could not send is sent first. */
  open(): void {
    this.#closed = false
    for (const answer of this.outbox.unsent())
      if (!this.#answered.has(answer.screen)) {
        this.#answered.set(answer.screen, answer)
        this.#tried.add(answer.screen)
        this.#unsent.push(answer)
      }
    if (this.#unsent.length) {
      this.#set({})
      this.#sending ??= this.#send()
    } else void this.fill()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#wake()
  }

  /** Tries again at once what waits for the network. */
  retry(): void {
    this.#wake()
  }

  /** A sign of life of the annotator. */
  touch(now: number = Date.now()): void {
    this.#active = { ms: this.#active.ms + Math.min(now - this.#active.since, IDLE_MS), since: now }
  }

  /** Milliseconds of work on the screen in hand. */
  get activeMs(): number {
    return this.#active.ms
  }

  say(said: string): void {
    this.#set({ said })
  }

  /** Changes the screen in hand. */
  change(how: (view: ScreenView) => ScreenView): void {
    const { view } = this.#sitting
    if (!view || this.#undoing) return
    const next = how(view)
    this.#set({ view: next })
    if (next.marks !== view.marks || next.comment !== view.comment) this.#keepDraft(next)
  }

  /** Answers the screen in hand and goes on to the next at once. */
  answer(className: string | null): void {
    const { view, pace } = this.#sitting
    if (!view || this.#undoing) return
    this.touch()
    const { activeMs } = this
    const answer = answerOf(view, className, activeMs)
    this.outbox.keep(answer) // L4
    this.#answered.set(answer.screen, answer)
    this.#unsent.push(answer)
    const images = view.screen.images.length
    this.#next({
      pace: { images: pace.images + images, activeMs: pace.activeMs + activeMs },
      said: saidOf(view, answer),
    })
    this.#sending ??= this.#send()
  }

  /** Takes back the last mark, else the last answer, whether it is stored already or not. */
  async undo(): Promise<void> {
    const { view } = this.#sitting
    const before = view && unmark(view)
    if (before) {
      this.#set({ said: 'Mark taken back.' })
      return this.change(() => before)
    }
    const last = this.#unsent.at(-1)
    if (last && this.#undoUnsent(last)) return
    await this.#alone(async () => {
      if (this.#sending) this.#set({ said: 'Undoing, as soon as your answers are stored…' })
      await this.#sending
      const { screen, answer, state } = await this.api.undo()
      if (!screen) return this.#set({ state, said: 'There is nothing to undo.' })
      this.#putBack(screen, answer ?? this.#answered.get(screen.id), state)
    })
  }

  /** Gives back the last mark that was taken back, else the last answer. */
  async redo(): Promise<void> {
    const { view } = this.#sitting
    const next = view && remark(view)
    if (next) {
      this.#set({ said: 'Mark is back.' })
      return this.change(() => next)
    }
    await this.#alone(async () => {
      await this.#sending
      const { screen, state } = await this.api.redo()
      if (!screen) return this.#set({ state, said: 'There is nothing to redo.' })
      this.#queue = this.#queue.filter(({ id }) => id !== screen.id)
      if (this.#sitting.view?.screen.id === screen.id) this.#next({ state, said: 'The answer stands again.' })
      else this.#set({ state, said: 'The answer stands again.' })
    })
    await this.fill()
  }

  /** Asks for the next screens, and says with it that somebody is at work on those in hand. */
  fill(): Promise<void> {
    this.#filling ??= this.#fill().finally(() => {
      this.#filling = null
    })
    return this.#filling
  }

  /** An answer that never left this page is taken back without asking anybody. */
  #undoUnsent(last: Answer): boolean {
    const from = this.#tried.has(last.screen) ? undefined : this.#left.get(last.screen)
    if (!from) return false
    this.#unsent.pop()
    this.#answered.delete(last.screen)
    this.outbox.drop(last.screen)
    this.#putBack(from, last, this.#sitting.state)
    return true
  }

  #putBack(screen: Screen, answer: Answer | undefined, state: SessionState): void {
    const { view } = this.#sitting
    if (view && view.screen.id !== screen.id) this.#queue.unshift(view.screen)
    this.#queue = this.#queue.filter(({ id }) => id !== screen.id)
    this.#answered.delete(screen.id)
    this.#tried.delete(screen.id)
    this.#active = { ms: 0, since: Date.now() }
    const opened = openView(screen, answer)
    this.#keepDraft(opened)
    this.#set({ state, view: opened, said: 'The last screen is back.' })
  }

  async #alone(work: () => Promise<void>): Promise<void> {
    if (this.#undoing) return
    this.#undoing = true
    try {
      await work()
      this.#set({ trouble: null })
    } catch (error) {
      this.#set({ trouble: messageOf(error) })
    } finally {
      this.#undoing = false
    }
  }

  #next(changes: Partial<Sitting>): void {
    const leaving = this.#sitting.view?.screen
    if (leaving) this.#left.set(leaving.id, leaving)
    const screen = this.#queue.shift()
    this.#active = { ms: 0, since: Date.now() }
    const draft = this.outbox.draft()
    const view = screen ? openView(screen, draft?.screen === screen.id ? draft : undefined) : null
    if (draft && draft.screen !== screen?.id) this.outbox.keepDraft(null)
    this.#set({ ...changes, view })
  }

  #keepDraft(view: ScreenView): void {
    const { screen, comment } = view
    const misfits = misfitsOf(view)
    this.outbox.keepDraft(misfits.length || comment ? { screen: screen.id, misfits, comment } : null)
  }

  async #send(): Promise<void> {
    let retryMs = FIRST_RETRY_MS
    for (let answer = this.#unsent[0]; answer && !this.#closed; answer = this.#unsent[0]) {
      try {
        this.#tried.add(answer.screen)
        const state = await this.api.submit(answer)
        this.#done(answer)
        retryMs = FIRST_RETRY_MS
        this.#set({ state, trouble: null })
      } catch (error) {
        if (error instanceof ApiProblem && error.passing) {
          this.#set({ trouble: `${error.message} Your answers are kept here and sent again.` })
          await this.#pause(retryMs)
          retryMs = Math.min(LONGEST_RETRY_MS, retryMs * 2)
        } else {
          // Refused for good: the answer is dropped and the session asked where it stands.
          this.#done(answer)
          this.#answered.delete(answer.screen)
          this.#set({ trouble: messageOf(error), state: await this.api.state().catch(() => this.#sitting.state) })
        }
      }
    }
    this.#sending = null
    await this.fill()
  }

  #done({ screen }: Answer): void {
    this.#unsent.shift()
    this.#tried.delete(screen)
    this.#left.delete(screen)
    this.outbox.drop(screen)
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  async #fill(): Promise<void> {
    if (this.#closed) return
    clearTimeout(this.#timer)
    try {
      const screens = await this.api.screens(AHEAD + 1)
      const inHand = this.#sitting.view?.screen.id
      this.#queue = screens.filter(({ id }) => id !== inHand && !this.#answered.has(id)) // L2, L3
      for (const screen of this.#queue) this.api.preload(screen)
      if (!this.#sitting.view && this.#queue.length) this.#next({})
      else if (!this.#sitting.view) this.#set({ state: await this.api.state() })
      if (this.#fillFailed) this.#set({ trouble: null })
      this.#fillFailed = false
    } catch (error) {
      this.#fillFailed = true
      this.#set({ trouble: messageOf(error) })
    }
    this.#comeAgain()
  }

  #comeAgain(): void {
    const { view, state } = this.#sitting
    if (this.#closed || state.status !== 'open') return
    const again = () => {
      const isIdle = Date.now() - this.#active.since > STILL_HERE_MS
      // Whoever idles over a screen lets it go to others.
      if (this.#sitting.view && isIdle) this.#comeAgain()
      else void this.fill()
    }
    // Nothing at hand: the engine is planning.
    this.#timer = setTimeout(again, view ? STILL_HERE_MS : PLANNING_MS)
  }

  #set(changes: Partial<Sitting>): void {
    this.#sitting = { ...this.#sitting, ...changes, unsent: this.#unsent.length }
    for (const listener of this.#listeners) listener()
  }
}

function saidOf({ screen }: ScreenView, { class: className, misfits }: Answer): string {
  if (className === null) return 'The last screen was skipped.'
  const fit = screen.images.length - misfits.length
  if (screen.pair) return `Last screen: ${fit} of ${screen.images.length} as proposed.`
  return `Last screen: ${className}, ${fit} of ${screen.images.length}.`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
