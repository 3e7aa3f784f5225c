/** What one use of a step, a map or a pipeline may say beside its input. */

import type { When } from './conditions.ts'

/** What one use of a step may change of its policy. */
export interface StepOptions<Input extends string = string> {
  /** Runs only when this holds; what needs a skipped step is skipped too. */
  readonly when?: When
  /** From schedule to close, all attempts together: '30s', '10m', '2h', '14d'. */
  readonly timeout?: string
  /** Attempts at most, the first one counted; 20 unless told otherwise. */
  readonly attempts?: number
  /** Whether an equal result of an earlier run may stand in, and what counts as equal. */
  readonly cache?: boolean | CacheOptions<Input>
  readonly gpus?: number
}

export interface CacheOptions<Input extends string = string> {
  /** Any text: another one makes every earlier result stale. */
  readonly salt?: string
  /** Inputs that the result does not depend on, as the number of threads: another value of them is no reason to run. */
  readonly ignore?: readonly Input[]
}

/** As `StepOptions`; `attempts` counts per item, 3 unless told otherwise. */
export interface MapOptions<Input extends string = string> extends StepOptions<Input> {
  /** Chunks of items at work at the same time; 4 unless told otherwise. */
  readonly concurrency?: number
  /** Share of the items, 0–1, that must succeed; all unless told otherwise. Rows of items that failed are left out. */
  readonly atLeast?: number
}
