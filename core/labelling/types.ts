/**
 * What passes between the labelling engine, its host, and the people who answer. The truth is the log of events; all
 * else is computed from it. The same embeddings, events and policy always give the same next screens.
 */

/** What an annotator sees. Audits and gold misfits are not told apart from ordinary verify grids. */
export interface Screen {
  /** Ascending within a session: `000042`. */
  readonly id: string
  /**
   * `cluster`: choose the class that most images show; `verify`: the class is proposed; `single`: one image, choose;
   * `pair`: two panes, one per class of `pair`, each image in the pane of its proposal.
   */
  readonly kind: 'cluster' | 'verify' | 'single' | 'pair'
  readonly proposed: string | null
  /** Image digests in display order, at most 48. */
  readonly images: readonly string[]
  /** Per image the next-likeliest class, for the one-key correction; null where the engine has none. */
  readonly secondGuess: readonly (string | null)[]
  /** On a pair screen, per image: its class where it is not a misfit. */
  readonly proposals?: readonly string[]
  /** The two classes of a pair screen. */
  readonly pair?: readonly [string, string]
  /** Unseen images that are accepted with this page when it is clean: a page of a growing run. */
  readonly vouches?: number
  /** Of several labels an image: the class in question; `proposed` is then `yes` or `no`. */
  readonly asks?: string
  /** Who asked for these images. */
  readonly requestedBy?: string
}

/** What a person says of one image that does not fit the class of its screen. `class` null: see `why`. */
export interface Misfit {
  readonly image: string
  readonly class: string | null
  /** `new`: of a class that the session does not have. */
  readonly why?: 'unsure' | 'broken' | 'new'
  /** A name for the new class, at most 60 characters. */
  readonly note?: string
}

export interface Answer {
  readonly screen: string
  readonly annotator: string
  /** Class of every image that is not a misfit; null skips the screen (no label for any). On a pair screen any class accepts. */
  readonly class: string | null
  readonly misfits: readonly Misfit[]
  /** Active milliseconds on the screen, as the client measured; null where unknown. */
  readonly activeMs: number | null
  /** What the annotator has to say about the screen, at most 2,000 characters. */
  readonly comment?: string
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
  /** Active seconds an image as measured, on grids and on control tasks (one image alone); null before any. */
  readonly pace: { readonly grid: number | null; readonly control: number | null }
  /** Active seconds that the screens left will take at the measured pace; null before it can be told. */
  readonly secondsLeft: number | null
  /** Annotators with a standing answer. */
  readonly people: number
  /** Images of which two people say different things. */
  readonly disagreements: number
  /** The classes that people choose from now. */
  readonly classes: readonly string[]
}

/** What one annotator has done. Withdrawn answers count as work and as nothing else. */
export interface AnnotatorStats {
  readonly annotator: string
  readonly screens: number
  readonly images: number
  readonly misfits: number
  /** Active milliseconds, of all answers whose client measured them. */
  readonly activeMs: number
  /** Active seconds an image on grids; null before any was measured. */
  readonly secondsPerImage: number | null
  /** One image alone on its screen, to measure what one-by-one labelling costs. */
  readonly controls: { readonly images: number; readonly secondsPerImage: number | null }
  /** Known images under a wrong class: how many were shown, and how many went unnoticed. */
  readonly gold: { readonly shown: number; readonly missed: number }
  /** Images that somebody else judged too, and those of them judged alike. */
  readonly agreement: { readonly images: number; readonly equal: number }
  readonly lastAt: string | null
}

/** One image of which two people say different things. */
export interface Disagreement {
  readonly image: string
  /** Of several labels an image: the class in question. */
  readonly asks?: string
  readonly votes: readonly Vote[]
  /** What holds, with its chance by the annotators' miss rates (Dawid & Skene, 1979); null where no vote names a class. */
  readonly settled: { readonly class: string; readonly chance: number } | null
}

/** What one person said of one image. */
export interface Vote {
  readonly screen: string
  readonly annotator: string
  /** Null: see `why`. */
  readonly class: string | null
  readonly why: 'unsure' | 'broken' | 'new' | null
  /** The class under which it was shown; null on screens that propose none. */
  readonly proposed: string | null
  readonly at: string
}

/** What the session says of one image, at any time: what exports are made of. */
export interface SessionLabel {
  readonly digest: string
  readonly label: string | null
  /** Of several labels an image. */
  readonly tags?: readonly string[]
  readonly origin: 'human' | 'inferred' | 'predicted' | 'imported' | null
  readonly humanSeen: boolean
  /** Why it takes part in nothing; null where it does. */
  readonly excluded: string | null
  /** Who judged it in this session, in the order of their answers; empty for predicted labels. */
  readonly annotators: readonly string[]
  /** ISO 8601, of the newest judgement; null before any. */
  readonly at: string | null
}

/** Why the engine thinks what it thinks of an image. */
export interface Reasons {
  /** Chance that the predicted class is right, 0–1; null before there is a prediction. */
  readonly chance: number | null
  readonly predicted: string | null
  /** Lead of the best class over the second, in the probe's scores; null before there is a prediction. */
  readonly margin: number | null
  readonly cluster: number | null
  /** The most alike labelled images, at most eight, the likest first; `similarity` −1 to 1. */
  readonly neighbours: readonly { readonly digest: string; readonly class: string; readonly similarity: number }[]
}

/** An answer taken back, and its screen, which is the annotator's again. */
export interface Undone {
  readonly screen: Screen
  readonly answer: Answer
}

export type ClassChange = { readonly add: string } | { readonly remove: string; readonly into: string | null }

/** The conversation between API (or simulated annotator) and the process that owns the session. */
export interface SessionHost {
  /**
   * The next screens for one annotator, the current one first, theirs for two minutes from now. Waits a while for new
   * ones; empty when there are none for this person now. Whether there will be any, the state says.
   */
  next(annotator: string, count: number): Promise<readonly Screen[]>
  /** Stores the answer create-only, then plans on. Sending the same answer again is harmless. */
  submit(answer: Omit<Answer, 'at'>): Promise<SessionState>
  /** Withdraws the annotator's newest standing answer and returns its screen to them; null when there is none. */
  undo(annotator: string): Promise<Undone | null>
  /** Gives the answer again that the annotator withdrew last; null when none is left to be given again. */
  redo(annotator: string): Promise<Screen | null>
  state(): Promise<SessionState>
  /** Ends the session with the labels there are. */
  stop(by: string): Promise<SessionState>
  /** Images labelled with a class that is removed go to `into`, or come back. */
  changeClasses(change: ClassChange, by: string): Promise<SessionState>
  /** Asks for screens of these images next, under this class or none; `review` also where people labelled them already. */
  request(images: readonly string[], proposed: string | null, by: string, review?: boolean): Promise<SessionState>
  /** As `request` with `review`, for images drawn by chance from those that this annotator labelled. */
  review(annotator: string, count: number, by: string): Promise<SessionState>
  /** @throws {PlatformError} `SCREEN_INVALID` for an image that is not on the screen. */
  reasons(screen: string, image: string): Promise<Reasons>
  /** By name. */
  people(): Promise<readonly AnnotatorStats[]>
  /** Ascending by image digest, those after `after`. */
  disagreements(after: string | null, count: number): Promise<readonly Disagreement[]>
  /** What the session says of every image now, ascending by digest. */
  labels(): AsyncIterable<SessionLabel>
}
