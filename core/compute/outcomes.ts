/** What the end of a job means: the trainer contract's exit codes, in one place for all runners. */

import type { JobOutcome, JobOutputs } from './jobs.ts'

const TRY_AGAIN = 75
const YIELDED = 76

/** The exit code that is reported for a job that ran too long, as timeout(1) has it. */
const TIMED_OUT = 124

/** How a command ended. */
export interface CommandEnd {
  /** Exit code, or null when a signal ended it. */
  readonly code: number | null
  readonly signal: string | null
  /** The last line that it wrote to standard error; '' where there is none. */
  readonly lastWords: string
  readonly outputs: JobOutputs
}

export function outcomeOf({ code, signal, lastWords, outputs }: CommandEnd): JobOutcome {
  if (code === 0) return { kind: 'succeeded', outputs }
  if (code === null) return { kind: 'interrupted', exitCode: null, message: `ended by ${signal ?? 'a signal'}` }
  if (code === TRY_AGAIN)
    return { kind: 'interrupted', exitCode: code, message: withWords('asked to be tried again', lastWords) }
  if (code === YIELDED)
    return { kind: 'interrupted', exitCode: code, message: 'stopped with a checkpoint when it was told to' }
  return { kind: 'failed', exitCode: code, message: withWords(`exit code ${code}`, lastWords), outputs }
}

export function outcomeOfTimeout(timeoutMs: number, outputs: JobOutputs): JobOutcome {
  return { kind: 'failed', exitCode: TIMED_OUT, message: `ran longer than its limit of ${timeoutMs / 1000} s`, outputs }
}

export const OWNER_LOST: JobOutcome = {
  kind: 'interrupted',
  exitCode: null,
  message: 'the process that ran it has ended',
}

function withWords(what: string, lastWords: string): string {
  return lastWords === '' ? what : `${what}: ${lastWords}`
}
