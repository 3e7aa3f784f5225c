/** Runs the body of a built-in step as a job: a child process here, a Pod on a cluster. Progress comes as JSON lines. */

import { PlatformError, type ErrorCode, type ErrorDetails } from '#core/errors'
import type { JobOutcome, JobResources, JobRunner, JobSpec } from '#core/compute'
import { spokenIn } from '#core/log'
import { canonicalJson, putBlob, readBlob, type ObjectStore } from '#core/storage'
import type { Progress } from './context.ts'
import type { BodyHooks, BodyRequest } from './run-body.ts'
import { jobNameOf, jobTimeoutMs, seeThrough, type JobResult } from './see-through.ts'

/** What `apps/job` reads from `request.json` in its input folder: what to do, and nothing of who asks or how often. */
export type JobRequest = Pick<BodyRequest, 'step' | 'input' | 'run' | 'node' | 'store' | 'bundle'>

/** What `apps/job` writes to `result.json` in its output folder, last. */
export type BodyResult =
  | { readonly ok: true; readonly output: unknown }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string; readonly details: ErrorDetails }

export interface JobHost {
  readonly jobs: JobRunner
  readonly store: ObjectStore
  /** Starts `apps/job` where jobs run: a path of this machine, or of the worker image. */
  readonly command: readonly string[]
  readonly resources?: JobResources
}

const REQUEST = 'request.json'
const RESULT = 'result.json'
const GRACE_MS = 5_000

/** @throws {PlatformError} the body's own; `JOB_FAILED` for a job without a result; `JOB_INTERRUPTED`. See `seeThrough`. */
export async function runAsJob(request: BodyRequest, hooks: BodyHooks, host: JobHost): Promise<unknown> {
  const { jobs, store } = host
  const progress = progressTeller(hooks)
  const watch = {
    signal: hooks.signal,
    onLine: progress.line,
    onErrorLine: progress.errorLine,
    onWaiting: progress.waiting,
  }
  return seeThrough(jobs, await specOf(request, host), watch, async (outcome) => {
    const result = await resultOf(store, outcome)
    if (result?.ok) return result.output
    if (result) throw new PlatformError(result.code, result.message, result.details)
    throw new PlatformError('JOB_FAILED', `step ${request.step}: ${causeOf(outcome)}`)
  })
}

async function specOf(request: BodyRequest, { store, command, resources }: JobHost): Promise<JobSpec> {
  const { step, input, run, node, store: at, bundle, timeoutMs, gpus = 0 } = request
  const lasting: JobRequest = { step, input, run, node, store: at, bundle }
  const { sha256 } = await putBlob(store, Buffer.from(canonicalJson(lasting)))
  return {
    name: jobNameOf(run, node),
    command,
    env: {},
    resources: { ...resources, ...(gpus > 0 ? { gpus } : {}) },
    inputs: { [REQUEST]: sha256 },
    outputs: [RESULT],
    timeoutMs: jobTimeoutMs(timeoutMs),
    graceMs: GRACE_MS,
  }
}

async function resultOf(store: ObjectStore, { outputs }: JobResult): Promise<BodyResult | null> {
  const blob = outputs[RESULT]
  return blob ? (JSON.parse(Buffer.from(await readBlob(store, blob.sha256)).toString()) as BodyResult) : null
}

function causeOf(outcome: JobOutcome): string {
  return outcome.kind === 'failed' ? outcome.message : 'its job ended without a result'
}

/** Tells progress and waiting together: each keeps what was said last of the other. Other lines are the job's own talk. */
export function progressTeller({ onProgress, onLog }: Pick<BodyHooks, 'onProgress' | 'onLog'>): {
  line(line: string): void
  errorLine(line: string): void
  waiting(sentence: string | null): void
} {
  let latest: Progress | null = null
  return {
    line: (line) => {
      const progress = progressIn(line)
      if (!progress) return onLog?.(spokenIn(line))
      latest = progress
      onProgress(progress)
    },
    errorLine: (line) => onLog?.(spokenIn(line)),
    waiting: (sentence) =>
      onProgress({ ...(latest ?? { done: 0, unit: '' }), ...(sentence === null ? {} : { waiting: sentence }) }),
  }
}

/** The progress that a line tells; null for any other line. */
function progressIn(line: string): Progress | null {
  if (!line.startsWith('{')) return null
  try {
    return (JSON.parse(line) as { progress?: Progress }).progress ?? null
  } catch {
    return null
  }
}
