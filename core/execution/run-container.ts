/** Runs a container step: its command in its image where there is a cluster, as a child process elsewhere. */

import { PlatformError } from '#core/errors'
import type { JobRunner, JobSpec } from '#core/compute'
import type { Json, PlanContainer } from '#core/plan'
import { blobsIn, canonicalJson, putBlob, readBlob, type ObjectStore } from '#core/storage'
import { progressTeller } from './run-as-job.ts'
import type { BodyHooks, BodyRequest } from './run-body.ts'
import { jobNameOf, jobTimeoutMs, seeThrough, type JobResult } from './see-through.ts'

export interface ContainerHost {
  readonly jobs: JobRunner
  readonly store: ObjectStore
  /** Checks a value by a schema of the user's step, where the user's code may run: in a thread. */
  readonly check: (request: BodyRequest, hooks: BodyHooks) => Promise<unknown>
}

const INPUT = 'input.json'
const OUTPUT = 'output.json'
/** For a trainer to write its checkpoint. */
const GRACE_MS = 30_000

/**
 * @throws {PlatformError} `INVALID_INPUT`; `JOB_FAILED` with the cause; `STEP_OUTPUT_INVALID` for a result that is not
 *   there or does not fit; `JOB_INTERRUPTED`. See `seeThrough`.
 */
export async function runContainer(request: BodyRequest, hooks: BodyHooks, host: ContainerHost): Promise<unknown> {
  const { container, step } = request
  if (!container) throw new PlatformError('PIPELINE_INVALID', `step ${step} is no container step`, { step })
  const checked = async (check: 'input' | 'output', input: unknown): Promise<Json> =>
    (await host.check({ ...request, check, input }, hooks)) as Json
  const input = await checked('input', request.input)
  const progress = progressTeller(hooks)
  const watch = {
    signal: hooks.signal,
    onLine: progress.line,
    onErrorLine: progress.errorLine,
    onWaiting: progress.waiting,
  }
  return seeThrough(host.jobs, await specOf(request, container, input, host.store), watch, async (outcome) => {
    if (outcome.kind === 'failed')
      throw new PlatformError('JOB_FAILED', `step ${step}: ${outcome.message}`, { step, exitCode: outcome.exitCode })
    return checked('output', await resultOf(host.store, step, container, outcome))
  })
}

async function specOf(
  { run, node, timeoutMs }: BodyRequest,
  { image, command, env = {}, resources, placement, files = [] }: PlanContainer,
  input: Json,
  store: ObjectStore,
): Promise<JobSpec> {
  const { sha256 } = await putBlob(store, Buffer.from(canonicalJson(input)))
  const blobs = Object.fromEntries([...blobsIn(input)].map((digest) => [digest, digest]))
  return {
    name: jobNameOf(run, node),
    image,
    command,
    env,
    ...(resources ? { resources } : {}),
    ...(placement ? { placement } : {}),
    inputs: { ...blobs, [INPUT]: sha256 },
    outputs: [OUTPUT, ...files],
    timeoutMs: jobTimeoutMs(timeoutMs),
    graceMs: GRACE_MS,
  }
}

async function resultOf(
  store: ObjectStore,
  step: string,
  { files = [] }: PlanContainer,
  { outputs }: JobResult,
): Promise<unknown> {
  const missing = [OUTPUT, ...files].find((name) => !outputs[name])
  if (missing)
    throw new PlatformError('STEP_OUTPUT_INVALID', `step ${step} left no ${missing} in $GYRE_OUTPUT`, { missing })
  const result = parse(step, await readBlob(store, outputs[OUTPUT]!.sha256))
  return files.length === 0
    ? result
    : { ...result, files: Object.fromEntries(files.map((name) => [name, outputs[name]])) }
}

function parse(step: string, bytes: Uint8Array): object {
  try {
    return JSON.parse(Buffer.from(bytes).toString()) as object
  } catch (error) {
    throw new PlatformError('STEP_OUTPUT_INVALID', `${OUTPUT} of step ${step} is no JSON`, {}, { cause: error })
  }
}
