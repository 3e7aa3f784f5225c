import type { Logger } from '#core/log'
import type { ObjectStore } from '#core/storage'

/** How far a step is, in whole units a person understands (images, screens, epochs). */
export interface Progress {
  readonly done: number
  readonly total?: number
  readonly unit: string
  /** A few words beside the count: "fitting 400 patches", "pass 2 of 3". */
  readonly note?: string
  /** One sentence on what it waits for: a node that is free, an image that is being fetched. */
  readonly waiting?: string
}

/** What every built-in step gets beside its input. One per attempt. */
export interface StepContext {
  readonly store: ObjectStore
  readonly runId: string
  readonly nodeId: string
  /** Counts from 1. */
  readonly attempt: number
  /** An empty folder for this attempt alone, removed when the attempt ends. */
  readonly scratchDir: string
  /** Aborted on cancellation and shutdown: check it between chunks of at most one second, then rethrow its reason. */
  readonly signal: AbortSignal
  readonly log: Logger
  progress(progress: Progress): void
}
