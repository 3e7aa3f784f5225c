/**
 * Runs a trainer of `apps/trainer` as a job: what it reads is laid out in a thread, the job learns in a process or Pod
 * with Python, and what it made is checked in a thread again. A job that is ended from outside goes on from its checkpoint.
 */

import { PlatformError } from '#core/errors'
import type { JobRunner, JobSpec } from '#core/compute'
import type { TrainerFiles, TrainingLayout } from '#core/self-supervised'
import type { ObjectStore } from '#core/storage'
import { progressTeller } from './run-as-job.ts'
import type { BodyHooks, BodyRequest } from './run-body.ts'
import { jobNameOf, jobTimeoutMs, seeThrough, type JobResult } from './see-through.ts'

/** How a program of `apps/trainer` is started where jobs run. */
export interface TrainerProgram {
  readonly command: readonly string[]
  /** Where there is a cluster. */
  readonly image?: string
}

export interface TrainingHost {
  readonly jobs: JobRunner
  readonly store: ObjectStore
  /** Carries out a part of the step where computation may block: in a thread. */
  readonly inThread: (request: BodyRequest, hooks: BodyHooks) => Promise<unknown>
  /** @throws {PlatformError} `TRAINER_MISSING` where no Python has what the program needs. */
  readonly trainer: (program: string) => Promise<TrainerProgram>
}

/** The parts of a training step that are bodies of their own, by their names in `run-body.ts`. */
export const LAY_OUT = 'train-embedder/lay-out'
export const TAKE = 'train-embedder/take'

/** For a checkpoint to be written, on a slow disk. */
const GRACE_MS = 30_000
/** The trainer's exit code for an installation that lacks something. */
const MISCONFIGURED = 78
/** As `core/self-supervised` has them, which a main thread need not load. */
const OUTPUTS = ['model.onnx', 'model.json', 'metrics.json'] as const

/**
 * @throws {PlatformError} `TRAINER_MISSING`; `JOB_FAILED` with the trainer's last words; `JOB_INTERRUPTED`; what the parts
 *   throw. See `seeThrough`.
 */
export async function runTraining(request: BodyRequest, hooks: BodyHooks, host: TrainingHost): Promise<unknown> {
  const { gpus = 0 } = request
  const program = await host.trainer('self_supervised.py')
  const part = (step: string, more: object): Promise<unknown> =>
    host.inThread({ ...request, step, input: { ...(request.input as object), ...more } }, hooks)
  const layout = (await part(LAY_OUT, { gpus })) as TrainingLayout
  const progress = progressTeller(hooks)
  const watch = {
    signal: hooks.signal,
    onLine: progress.line,
    onErrorLine: progress.errorLine,
    onWaiting: progress.waiting,
  }
  return seeThrough(host.jobs, specOf(request, program, layout), watch, async (outcome) =>
    part(TAKE, { made: filesOf(request, outcome) }),
  )
}

function specOf(
  { run, node, timeoutMs, gpus = 0 }: BodyRequest,
  program: TrainerProgram,
  layout: TrainingLayout,
): JobSpec {
  return {
    name: jobNameOf(run, node),
    ...program,
    env: {},
    ...(gpus > 0 ? { resources: { gpus } } : {}),
    inputs: layout.inputs,
    outputs: OUTPUTS,
    checkpoint: 'checkpoint',
    timeoutMs: jobTimeoutMs(timeoutMs),
    graceMs: GRACE_MS,
  }
}

function filesOf({ step }: BodyRequest, outcome: JobResult): TrainerFiles {
  if (outcome.kind === 'failed') {
    const code = outcome.exitCode === MISCONFIGURED ? 'TRAINER_MISSING' : 'JOB_FAILED'
    throw new PlatformError(code, `step ${step}: ${outcome.message}`, { step, exitCode: outcome.exitCode })
  }
  const missing = OUTPUTS.find((name) => !outcome.outputs[name])
  if (missing)
    throw new PlatformError('JOB_FAILED', `step ${step}: its trainer left no ${missing} in $GYRE_OUTPUT`, { missing })
  return outcome.outputs as TrainerFiles
}
