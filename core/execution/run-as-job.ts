/** Runs a body as a job: a child process here, a Pod on a cluster. Files in, files out, progress as JSON lines. */

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { PlatformError, type ErrorCode, type ErrorDetails } from '#core/errors'
import type { JobRunner } from '#core/compute'
import { sha256Hex } from '#core/storage'
import type { Progress } from './context.ts'
import { entryPoint } from './entry-point.ts'
import type { BodyHooks, BodyRequest } from './run-body.ts'

/** What `apps/job` writes to `result.json` in its output folder, last. */
export type JobResult =
  | { readonly ok: true; readonly output: unknown }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string; readonly details: ErrorDetails }

const TIMEOUT_MS = 24 * 3_600_000
const GRACE_MS = 5_000

export async function runAsJob(
  request: BodyRequest,
  hooks: BodyHooks,
  jobs: JobRunner,
  folder: string,
): Promise<unknown> {
  const name = `gyre-${sha256Hex(new TextEncoder().encode(`${request.run}/${request.node}/${request.attempt}`)).slice(0, 24)}`
  const exchange = path.join(folder, name)
  const outputDir = path.join(exchange, 'out')
  await mkdir(outputDir, { recursive: true })
  await writeFile(path.join(exchange, 'request.json'), JSON.stringify(request))
  const cancel = (): void => void jobs.cancel(name)
  hooks.signal.addEventListener('abort', cancel, { once: true })
  try {
    await jobs.start({
      name,
      command: [process.execPath, entryPoint('job')],
      env: { GYRE_JOB_REQUEST: path.join(exchange, 'request.json'), GYRE_JOB_OUTPUT: outputDir },
      timeoutMs: TIMEOUT_MS,
      graceMs: GRACE_MS,
    })
    if (hooks.signal.aborted) await jobs.cancel(name)
    const outcome = await jobs.wait(name, { onLine: (line) => reportLine(line, hooks) })
    hooks.signal.throwIfAborted()
    const result = await readResult(outputDir)
    if (result?.ok) return result.output
    if (result) throw new PlatformError(result.code, result.message, result.details)
    if (outcome.kind === 'interrupted')
      throw new PlatformError('INTERNAL', `the job of step ${request.step} was interrupted: ${outcome.message}`)
    const tail = await jobs.logTail(name, 5)
    throw new PlatformError(
      'TRAINING_FAILED',
      `the job of step ${request.step} ended without a result: ${tail.at(-1) ?? outcome.kind}`,
    )
  } finally {
    hooks.signal.removeEventListener('abort', cancel)
    await jobs.remove(name)
    await rm(exchange, { recursive: true, force: true })
  }
}

function reportLine(line: string, hooks: BodyHooks): void {
  try {
    const event = JSON.parse(line) as { progress?: Progress }
    if (event.progress) hooks.onProgress(event.progress)
  } catch {
    // A line that is not an event is the job's own talk; it stays in the job's log.
  }
}

async function readResult(outputDir: string): Promise<JobResult | null> {
  const text = await readFile(path.join(outputDir, 'result.json'), 'utf8').catch(() => null)
  return text === null ? null : (JSON.parse(text) as JobResult)
}
