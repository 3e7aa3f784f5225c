/**
 * The adapter between Temporal and the body of a step: heartbeats with progress, cancellation, failure mapping, and the
 * result in the store before the activity completes.
 */

import path from 'node:path'
import { CancelledFailure, Context } from '@temporalio/activity'
import { issueText, PlatformError, toPlatformError } from '#core/errors'
import { HandOver, type BodyHooks, type BodyRequest, type Progress } from '#core/execution'
import type { SessionState } from '#core/labelling'
import type { Spoken } from '#core/log'
import type { Json } from '#core/plan'
import { computeOnce, type OncePorts } from '#core/reuse'
import { readNode, recordNode, StepLog } from '#core/runs'
import type { StepDefinition } from '#core/steps'
import type { ObjectStore } from '#core/storage'
import { toFailure } from './failure.ts'
import { afterRepair } from './repair.ts'
import type { StepTimes } from './step-times.ts'
import type { Decision, StepCall } from '../workflows/types.ts'
import type { StepResult } from '../workflows/proxies.ts'

export type RunBody = (request: BodyRequest, hooks: BodyHooks) => Promise<unknown>

export interface StepPorts {
  readonly store: ObjectStore
  readonly storeAt: { readonly uri: string; readonly project: string }
  readonly steps: ReadonlyMap<string, StepDefinition>
  readonly scratchDir: string
  readonly bundleDir: string
  /** The address under which people's answers reach a session that is hosted here. */
  readonly sessionHost?: string
  /** Private key in PEM with which certificates are signed; left out, they are unsigned. */
  readonly signingKey?: string
  /** Tells the workflow that called about its labelling session. */
  readonly tellSession: (workflowId: string, kind: string, state: SessionState) => Promise<void>
  /** Whether somebody ended this execution of a workflow without asking its activities. */
  readonly wasTerminated: (workflowId: string, runId: string) => Promise<boolean>
  /** How equal steps at the same time find each other. */
  readonly once: OncePorts
  readonly times: StepTimes
  /** Decides what a completed node gives its turn. */
  readonly follow: (call: StepCall, output: Json, signal: AbortSignal) => Promise<readonly Decision[]>
}

export type StepActivity = (call: StepCall) => Promise<StepResult>

const HEARTBEAT_MS = 1_000

/** @param runBody - where the body runs: a thread, a job, or right here. */
export function createStepActivity(ports: StepPorts, runBody: RunBody): StepActivity {
  return (call) =>
    attended(ports, async ({ signal, onProgress }) => {
      const { info, cancellationSignal } = Context.current()
      const startedAt = new Date().toISOString()
      const done = async (output: Json, origin: StepResult['origin']): Promise<StepResult> => {
        const next = await ports.follow(call, output, signal)
        return { output, origin, attempts: info.attempt, ...(next.length > 0 && { next }) }
      }
      const before = await readNode(ports.store, call.run, call.node)
      if (before) return done(before.output, 'recovered')
      const session = sessionTeller(ports, info.workflowExecution!.workflowId)
      const body = (): Promise<Json> =>
        carryOut(ports, runBody, call, {
          attempt: info.attempt,
          timeoutMs: info.scheduleToCloseTimeoutMs,
          signal,
          onProgress,
          onSession: session.tell,
          lastWords: (error) => lastWords(error, cancellationSignal),
        })
      const computed = await computeOrTake(ports, call, { signal, onProgress }, body).catch(async (error: unknown) =>
        Promise.reject(await afterRepair(ports.store, call.run, error)),
      )
      await session.flush()
      const facts = { startedAt, attempts: info.attempt, ...computed }
      return done(await keep(ports.store, call, facts), computed.origin)
    })
}

/** Computes, or takes what an equal step has computed meanwhile. */
export async function computeOrTake(
  { once }: Pick<StepPorts, 'once'>,
  { key, run, node }: StepCall,
  hooks: Attended,
  body: () => Promise<Json>,
): Promise<Pick<Facts, 'origin' | 'output' | 'reason'>> {
  if (key === null) return { origin: 'ran', output: await body(), reason: null }
  const result = await computeOnce(once, { key, run, node }, hooks, body)
  if (result.by === 'us') return { origin: 'ran', output: result.output, reason: null }
  const { output, run: other } = result.entry
  return { origin: 'hit', output, reason: `run ${other} computed the same step at the same time` }
}

export type Attended = Pick<BodyHooks, 'signal' | 'onProgress'>

/** Beats while the work goes on, and says of its end what Temporal has to know. */
export async function attended<T>(
  { wasTerminated }: Pick<StepPorts, 'wasTerminated'>,
  work: (hooks: Attended) => Promise<T>,
): Promise<T> {
  const { cancellationSignal, info } = Context.current()
  const { workflowId, runId } = info.workflowExecution!
  const heartbeat = startHeartbeat()
  try {
    const signal = signalFor(cancellationSignal, () => wasTerminated(workflowId, runId))
    return await work({ signal, onProgress: heartbeat.report })
  } catch (error) {
    if (cancellationSignal.aborted) throw interruption(cancellationSignal)
    throw toFailure(error)
  } finally {
    heartbeat.stop()
  }
}

interface Attempt extends Omit<BodyHooks, 'onLog' | 'onBegin'> {
  readonly attempt: number
  readonly timeoutMs: number
  /** What the log of the step ends with where it fails. */
  readonly lastWords?: (error: unknown) => Spoken
}

/** Runs the body of a step, keeps what it says, and checks what it gives. */
export async function carryOut(
  ports: Omit<StepPorts, 'follow'>,
  runBody: RunBody,
  call: StepCall,
  { attempt, timeoutMs, lastWords, ...hooks }: Attempt,
): Promise<Json> {
  const log = new StepLog({ store: ports.store, run: call.run, node: call.node, attempt })
  try {
    const request = requestOf(ports, call, attempt, timeoutMs)
    const body = (onBegin: () => void) => runBody(request, { ...hooks, onBegin, onLog: (line) => log.write(line) })
    return checkOutput(ports, call, await ports.times.measure(call, body))
  } catch (error) {
    log.write(lastWords?.(error) ?? { level: 'error', text: toPlatformError(error).message })
    throw error
  } finally {
    await log.close()
  }
}

/** Why Temporal ends an attempt without anybody having decided against its step. */
const HANDED_OVER: Readonly<Record<string, string>> = {
  WORKER_SHUTDOWN: 'the worker was shut down',
  TIMED_OUT: 'the attempt took too long',
  NOT_FOUND: 'another attempt has taken over',
  PAUSED: 'the step was paused',
  RESET: 'the step was reset',
}

function handedOver(reason: unknown): string | undefined {
  return reason instanceof CancelledFailure ? HANDED_OVER[reason.message] : undefined
}

/**
 * The signal as bodies get it: its reason tells a decision to cancel from the end of this attempt alone. Of a workflow that
 * was terminated, the server says only that it knows the attempt no more; where that cannot be told, the work is left.
 */
function signalFor(cancellation: AbortSignal, wasTerminated: () => Promise<boolean>): AbortSignal {
  const controller = new AbortController()
  const pass = async (): Promise<void> => {
    const reason: unknown = cancellation.reason
    const why = handedOver(reason)
    const isUnknown = reason instanceof CancelledFailure && reason.message === 'NOT_FOUND'
    const isDecided = why === undefined || (isUnknown && (await wasTerminated().catch(() => false)))
    controller.abort(isDecided ? reason : new HandOver(why))
  }
  if (cancellation.aborted) void pass()
  else cancellation.addEventListener('abort', () => void pass(), { once: true })
  return controller.signal
}

/** The end of an attempt is no decision of a person: it is retried elsewhere, not cancelled. */
function interruption(signal: AbortSignal): Error {
  const reason: unknown = signal.reason
  const why = handedOver(reason)
  if (why !== undefined) return toFailure(new PlatformError('INTERNAL', why))
  return reason instanceof Error ? reason : new CancelledFailure('cancelled')
}

function lastWords(error: unknown, signal: AbortSignal): Spoken {
  return signal.aborted
    ? { level: 'warn', text: interruption(signal).message }
    : { level: 'error', text: toPlatformError(error).message }
}

export function requestOf(
  ports: Omit<StepPorts, 'follow'>,
  call: StepCall,
  attempt: number,
  timeoutMs: number,
): BodyRequest {
  return {
    step: call.step,
    input: call.input,
    run: call.run,
    node: call.node,
    attempt,
    timeoutMs,
    store: ports.storeAt,
    bundle: call.bundle,
    ...(call.container ? { container: call.container } : {}),
    ...(call.gpus ? { gpus: call.gpus } : {}),
    scratchDir: path.join(ports.scratchDir, `${call.run}.${call.node}.${attempt}`),
    bundleDir: ports.bundleDir,
    ...(ports.sessionHost && { sessionHost: ports.sessionHost }),
    ...(ports.signingKey && call.step === 'annotate' && { signingKey: ports.signingKey }),
  }
}

function checkOutput({ steps }: Pick<StepPorts, 'steps'>, call: StepCall, raw: unknown): Json {
  const schema = call.bundle ? undefined : steps.get(call.step)?.output
  if (!schema) return raw as Json
  const result = schema.safeParse(raw)
  if (!result.success)
    throw new PlatformError('STEP_OUTPUT_INVALID', `step ${call.step} returned ${issueText(result.error)}`)
  return result.data as Json
}

interface Facts {
  readonly origin: 'ran' | 'hit'
  readonly output: Json
  readonly reason: string | null
  readonly startedAt: string
  readonly attempts: number
}

/** @returns the output that stands. */
export async function keep(store: ObjectStore, { run, node, key, basis }: StepCall, facts: Facts): Promise<Json> {
  const endedAt = new Date().toISOString()
  const kept = await recordNode(store, run, node, { ...facts, key, endedAt, ...(basis && { basis }) })
  return kept.output
}

/** Beats once a second with the newest progress, so that a dead worker and a cancellation are noticed within seconds. */
function startHeartbeat(): { report(progress: Progress): void; stop(): void } {
  const context = Context.current()
  let latest: Progress | null = null
  // The first one only after a while: a step of milliseconds costs the server no heartbeat.
  const timer = setInterval(() => context.heartbeat(latest), HEARTBEAT_MS)
  return {
    report: (progress) => (latest = progress),
    stop: () => clearInterval(timer),
  }
}

const PROGRESS_EVERY_MS = 5_000

/** Turns a stream of session states into milestones: opened, progress every 5 s at most, certified, finished. */
function sessionTeller(
  ports: StepPorts,
  workflowId: string,
): { tell(state: SessionState): void; flush(): Promise<void> } {
  let told: Promise<void> = Promise.resolve()
  let last: { at: number; kind: string } | null = null
  const tell = (state: SessionState): void => {
    const kind = !last
      ? 'opened'
      : state.status === 'open'
        ? 'progress'
        : state.status === 'certified'
          ? 'certified'
          : 'finished'
    if (last && kind === last.kind && Date.now() - last.at < PROGRESS_EVERY_MS) return
    last = { at: Date.now(), kind }
    // A milestone that cannot be delivered is no reason to stop labelling.
    told = told.then(() => ports.tellSession(workflowId, kind, state)).catch(() => undefined)
  }
  return { tell, flush: () => told }
}
