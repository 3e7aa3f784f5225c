/** Sees one job through to its end, whatever befalls those who watch it. */

import { isPlatformError, PlatformError, toPlatformError } from '#core/errors'
import type { JobOutcome, JobRunner, JobSpec } from '#core/compute'
import { sha256Hex } from '#core/storage'

/**
 * The reason of a signal that ends an attempt and not its step: the worker shuts down, or another attempt has taken
 * over. A job that can go on without this process goes on.
 */
export class HandOver extends Error {
  override readonly name = 'HandOver'
}

const DAY_MS = 86_400_000
/** The addresses that Pods are given for their files hold for seven days. */
const LONGEST_JOB_MS = 6 * DAY_MS

/** How long the job of a step may run, by the time that the step has in all. */
export function jobTimeoutMs(stepMs = DAY_MS): number {
  return Math.min(stepMs, LONGEST_JOB_MS)
}

export interface JobWatch {
  readonly signal: AbortSignal
  onLine(line: string): void
  /** A line of standard error. */
  onErrorLine?(line: string): void
  /** What it waits for, or null when it runs. */
  onWaiting(sentence: string | null): void
}

/** How a job ended that nobody cancelled. */
export type JobResult = Exclude<JobOutcome, { readonly kind: 'cancelled' | 'interrupted' }>

/** Of one node of one run, whichever attempt: so a retry adopts the job of the attempt before. At most 50 characters. */
export function jobNameOf(run: string, node: string): string {
  const digest = sha256Hex(new TextEncoder().encode(`${run}/${node}`))
  return `gyre-${node.slice(0, 26).replaceAll('.', '-')}-${digest.slice(0, 16)}`
}

/**
 * Starts the job or adopts it, and waits. `harvest` runs before the job is forgotten: after a crash in between, the
 * next attempt finds the job ended and harvests again; a run that is resumed starts anew.
 *
 * @throws {PlatformError} `JOB_INTERRUPTED`, to be tried again. The reason of the signal when it aborts; the job is then
 *   cancelled and forgotten, or, on `HandOver`, left to the next attempt: itself where jobs outlive their owner, else its
 *   checkpoint.
 */
export async function seeThrough<T>(
  jobs: JobRunner,
  spec: JobSpec,
  watch: JobWatch,
  harvest: (outcome: JobResult) => Promise<T>,
): Promise<T> {
  const outcome = await untilEnded(jobs, spec, watch)
  if (outcome.kind === 'interrupted')
    throw new PlatformError('JOB_INTERRUPTED', `job ${spec.name} was interrupted: ${outcome.message}`, {
      job: spec.name,
    })
  const result = await harvest(outcome).catch(async (error: unknown) => {
    // A store that is away for a moment costs no result: the next attempt finds the ended job.
    if (!toPlatformError(error).retryable) await jobs.remove(spec.name)
    throw error
  })
  await jobs.remove(spec.name)
  return result
}

async function untilEnded(
  jobs: JobRunner,
  spec: JobSpec,
  watch: JobWatch,
): Promise<Exclude<JobOutcome, { readonly kind: 'cancelled' }>> {
  for (;;) {
    const outcome = await watched(jobs, spec, watch)
    if (outcome.kind !== 'cancelled') return outcome
    // Cancelled by an attempt that died before it could forget the job: this one is wanted.
    await jobs.remove(spec.name, { keepCheckpoint: true })
  }
}

async function watched(jobs: JobRunner, spec: JobSpec, watch: JobWatch): Promise<JobOutcome> {
  const { signal } = watch
  try {
    signal.throwIfAborted()
    await startOrReplace(jobs, spec)
    return await jobs.wait(spec.name, watch)
  } catch (error) {
    const isHandedOver = signal.reason instanceof HandOver
    if (signal.aborted && !(isHandedOver && jobs.outlivesOwner))
      await jobs.remove(spec.name, { keepCheckpoint: isHandedOver })
    throw error
  }
}

/** A job of this node with another specification is of a plan or a program that is no more. */
async function startOrReplace(jobs: JobRunner, spec: JobSpec): Promise<void> {
  try {
    await jobs.start(spec)
  } catch (error) {
    if (!isPlatformError(error) || error.code !== 'JOB_CONFLICT') throw error
    await jobs.remove(spec.name)
    await jobs.start(spec)
  }
}
