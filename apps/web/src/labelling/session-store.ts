/**
 * One sitting at a labelling session. The next screens are at hand before they are needed; an answer is shown as given
 * at once and stored behind the scenes, in order, again and again until it is; undo reaches across screens.
 *
 * L1  Answers are sent one at a time in the order given, so that undo on the server withdraws the newest.
 * L2  A screen answered in this sitting is not shown again unless its answer was withdrawn, whatever a late list says.
 * L3  The screen in hand is never replaced by the server's second thoughts; only those behind it are.
 */
import { ApiProblem } from '../api/client.ts'
import type { Answer, Screen, SessionState } from '../api/types.ts'
import { answerOf, openView, unmark, type ScreenView } from './screen-view.ts'

export interface SessionApi {
  screens(count: number): Promise<readonly Screen[]>
  submit(answer: Answer): Promise<SessionState>
  undo(): Promise<{ readonly screen: Screen | null; readonly state: SessionState }>
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

export class SessionStore {
  #sitting: Sitting
  #queue: Screen[] = []
  #unsent: Answer[] = []
  readonly #answered = new Map<string, Answer>()
  readonly #listeners = new Set<() => void>()
  #sending: Promise<void> | null = null
  #filling = false
  #undoing = false
  #closed = false
  #timer: ReturnType<typeof setTimeout> | undefined
  #active = { ms: 0, since: Date.now() }

  constructor(
    private readonly api: SessionApi,
    state: SessionState,
  ) {
    this.#sitting = { view: null, state, unsent: 0, trouble: null, said: '', pace: { images: 0, activeMs: 0 } }
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  readonly read = (): Sitting => this.#sitting

  open(): void {
    this.#closed = false
    void this.#fill()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
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
    if (view && !this.#undoing) this.#set({ view: how(view) })
  }

  /** Answers the screen in hand and goes on to the next at once. */
  answer(className: string | null): void {
    const { view, pace } = this.#sitting
    if (!view || this.#undoing) return
    this.touch()
    const { activeMs } = this
    const answer = answerOf(view, className, activeMs)
    this.#answered.set(answer.screen, answer)
    this.#unsent.push(answer)
    const images = view.screen.images.length
    this.#next({
      pace: { images: pace.images + images, activeMs: pace.activeMs + activeMs },
      said:
        className === null
          ? 'The last screen was skipped.'
          : `Last screen: ${className}, ${images - answer.misfits.length} of ${images}.`,
    })
    this.#sending ??= this.#send()
  }

  /** Takes back the last mark, else the last answer, whether it is stored already or not. */
  async undo(): Promise<void> {
    const { view } = this.#sitting
    const before = view && unmark(view)
    if (before) return this.#set({ view: before, said: 'Mark taken back.' })
    if (this.#undoing) return
    this.#undoing = true
    try {
      await this.#sending
      const { screen, state } = await this.api.undo()
      if (!screen) return this.#set({ state, said: 'There is nothing to undo.' })
      if (view) this.#queue.unshift(view.screen)
      const withdrawn = this.#answered.get(screen.id)
      this.#answered.delete(screen.id)
      this.#set({ state, view: openView(screen, withdrawn), said: 'The last screen is back.' })
    } catch (error) {
      this.#set({ trouble: messageOf(error) })
    } finally {
      this.#undoing = false
    }
  }

  #next(changes: Partial<Sitting>): void {
    const screen = this.#queue.shift()
    this.#active = { ms: 0, since: Date.now() }
    this.#set({ ...changes, view: screen ? openView(screen) : null })
  }

  async #send(): Promise<void> {
    let retryMs = FIRST_RETRY_MS
    for (let answer = this.#unsent[0]; answer && !this.#closed; answer = this.#unsent[0]) {
      try {
        const state = await this.api.submit(answer)
        this.#unsent.shift()
        retryMs = FIRST_RETRY_MS
        this.#set({ state, trouble: null })
      } catch (error) {
        if (error instanceof ApiProblem && error.passing) {
          this.#set({ trouble: `${error.message} Your answers are kept here and sent again.` })
          await new Promise((resolve) => setTimeout(resolve, retryMs))
          retryMs = Math.min(LONGEST_RETRY_MS, retryMs * 2)
        } else {
          // Refused for good: the answer is dropped and the session asked where it stands.
          this.#unsent.shift()
          this.#answered.delete(answer.screen)
          this.#set({ trouble: messageOf(error), state: await this.api.state().catch(() => this.#sitting.state) })
        }
      }
    }
    this.#sending = null
    await this.#fill()
  }

  async #fill(): Promise<void> {
    if (this.#filling || this.#closed) return
    this.#filling = true
    clearTimeout(this.#timer)
    try {
      const screens = await this.api.screens(AHEAD + 1)
      const inHand = this.#sitting.view?.screen.id
      this.#queue = screens.filter(({ id }) => id !== inHand && !this.#answered.has(id)) // L2, L3
      for (const screen of this.#queue) this.api.preload(screen)
      if (!this.#sitting.view && this.#queue.length) this.#next({})
      else if (!this.#sitting.view) this.#set({ state: await this.api.state() })
    } catch (error) {
      this.#set({ trouble: messageOf(error) })
    } finally {
      this.#filling = false
    }
    const { view, state } = this.#sitting
    // Nothing at hand while the session is open: the engine is planning the next screens.
    if (!view && state.status === 'open' && !this.#closed)
      this.#timer = setTimeout(() => void this.#fill(), PLANNING_MS)
  }

  #set(changes: Partial<Sitting>): void {
    this.#sitting = { ...this.#sitting, ...changes, unsent: this.#unsent.length }
    for (const listener of this.#listeners) listener()
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
