/**
 * What passes between the labelling engine, its host, and the people who answer. The truth is the log of answers; all
 * else is computed from it. The same embeddings, answers and policy always give the same next screens.
 */

/** What an annotator sees. Audits and gold misfits are not told apart from ordinary verify grids. */
export interface Screen {
  /** Ascending within a session: `000042`. */
  readonly id: string
  /** `cluster`: choose the class that most images show; `verify`: the class is proposed; `single`: one image, choose. */
  readonly kind: 'cluster' | 'verify' | 'single'
  readonly proposed: string | null
  /** Image digests in display order, at most 48. */
  readonly images: readonly string[]
  /** Per image the next-likeliest class, for the one-key correction; null where the engine has none. */
  readonly secondGuess: readonly (string | null)[]
}

/** What a person says of one image that does not fit the class of its screen. `class` null: see `why`. */
export interface Misfit {
  readonly image: string
  readonly class: string | null
  readonly why?: 'unsure' | 'broken'
}

export interface Answer {
  readonly screen: string
  readonly annotator: string
  /** Class of every image that is not a misfit; null skips the screen (no label for any). */
  readonly class: string | null
  readonly misfits: readonly Misfit[]
  /** Active milliseconds on the screen, as the client measured; null where unknown. */
  readonly activeMs: number | null
  /** ISO 8601, set by whoever stores the answer. */
  readonly at: string
}

/** Where a session stands, for the page, the workflow and the terminal. */
export interface SessionState {
  readonly session: string
  readonly status: 'open' | 'certified' | 'stopped' | 'finished'
  readonly images: number
  /** Images that have a label now, seen or accepted. */
  readonly labelled: number
  readonly screens: number
  readonly misfits: number
  /** Newest bound of a certificate look, over the labels of that moment. */
  readonly certified: { readonly atLeast: number; readonly confidence: number } | null
  /** By the keyboard cost model, of the work done so far. */
  readonly humanSeconds: number
  /** One-by-one seconds for the labelled images, over `humanSeconds` and what the screens left will probably take. */
  readonly speedUp: number
  /** Screens that the engine expects until the end; null before it can tell. */
  readonly screensLeft: number | null
}

/** The conversation between API (or simulated annotator) and the process that owns the session. */
export interface SessionHost {
  /** The next screens for one annotator, the current one first; empty when nothing is left to do. */
  next(annotator: string, count: number): Promise<readonly Screen[]>
  /** Stores the answer create-only, then plans on. Sending the same answer again is harmless. */
  submit(answer: Omit<Answer, 'at'>): Promise<SessionState>
  /** Withdraws the annotator's newest standing answer and returns its screen to them; null when there is none. */
  undo(annotator: string): Promise<Screen | null>
  state(): Promise<SessionState>
  /** Ends the session with the labels there are. */
  stop(by: string): Promise<SessionState>
}
