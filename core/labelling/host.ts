/** The body of the `annotate` step: owns a labelling session from its first screen to the new dataset version. */

import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { hostname } from 'node:os'
import { deletedImages } from '#core/datasets'
import { PlatformError } from '#core/errors'
import type { StepContext } from '#core/execution'
import type { annotate, StepInput, StepOutput } from '#core/steps'
import { acquireLease, type Lease } from '#core/storage'
import { labellingStats } from './cost-model.ts'
import { LabellingEngine, type Engine } from './engine.ts'
import { issueCertificate } from './issue.ts'
import { lookLine } from './line.ts'
import { LocalHost } from './local-host.ts'
import { MultiLabelEngine } from './multi-label-engine.ts'
import { orderAgreement } from './ordinal.ts'
import type { Material } from './material.ts'
import { openSessionRecord, readOutcome, recordOutcome, stopRequested } from './records.ts'
import { readOracle, simulateAnnotator, type Oracle } from './simulate.ts'
import type { SessionState } from './types.ts'
import { leaseOf, serveHost, type HostAddress } from './wire.ts'

type Input = StepInput<typeof annotate>
type Output = StepOutput<typeof annotate>

export interface HostSessionOptions {
  /** Equal for all attempts at the same step. */
  readonly sessionId: string
  /** The address of this process that the API reaches; loopback if left out. */
  readonly host?: string
  /** Private key in PEM with which certificates are signed; left out, they are unsigned. */
  readonly signingKey?: string | undefined
  /** Opened, progress at most every five seconds, certified or finished or stopped. */
  readonly onState: (state: SessionState) => void
}

const PROGRESS_EVERY_MS = 5_000
const LEASE_MS = 10_000
const RENEW_EVERY_MS = 2_500
const POLL_STOP_EVERY_MS = 1_000
const POLL_DELETED_EVERY_MS = 5_000

/** Reads what the session works on. */
export type OpenMaterial = (input: Input, ctx: StepContext) => Promise<Material>

/**
 * Hosts the session until the labels are certified, nothing is left to do, or somebody stops it. Called again after a
 * crash it goes on where the stored answers end; called again after the end it returns what the session came to.
 *
 * @throws {PlatformError} `SESSION_HOST_UNAVAILABLE` when another process took the session over; retryable.
 */
export async function hostSessionOn(
  openMaterial: OpenMaterial,
  input: Input,
  ctx: StepContext,
  options: HostSessionOptions,
): Promise<Output> {
  const { sessionId, host } = options
  const ended = await readOutcome(ctx.store, sessionId)
  if (ended) {
    options.onState(ended.state)
    return ended.output
  }
  await openSessionRecord(ctx.store, {
    id: sessionId,
    run: ctx.runId,
    node: ctx.nodeId,
    dataset: input.version.dataset,
    version: input.version.version,
    images: input.version.images,
    classes: input.classes,
    annotator: input.annotator,
    targetAccuracy: input.targetAccuracy,
    ...(input.task && { task: input.task }),
    ...(input.overlap !== undefined && { overlap: input.overlap }),
    ...(input.instructions !== undefined && { instructions: input.instructions }),
    openedAt: new Date().toISOString(),
  })
  const oracle = input.annotator === 'simulated' ? await readOracle(oraclePath(input)) : null
  const tell = milestones(ctx, options.onState)
  const { engine, commit, known, hasImage } = await openEngine(openMaterial, input, ctx, sessionId)
  const end = await ownSession(
    engine,
    ctx,
    { session: sessionId, host, overlap: input.overlap, hasImage },
    tell,
    oracle ?? undefined,
  )
  const labels = await engine.finalLabels(ctx.signal)
  const version = await commit(labels)
  const { looks, ending } = engine
  const certified = { session: sessionId, version, labels, classes: input.classes, policy: input, looks }
  const output: Output = {
    version,
    session: sessionId,
    certificate:
      ending === 'certified'
        ? await issueCertificate(ctx.store, { ...certified, signingKey: options.signingKey })
        : null,
    ...(input.task === 'ordinal' && { order: orderAgreement(engine.classes, looks) }),
    stats: labellingStats(engine.tally, labels.filter((row, image) => row.origin !== null && known[image]! < 0).length),
  }
  const state: SessionState = {
    ...end,
    labelled: output.stats.images,
    speedUp: output.stats.speedUp,
    screensLeft: 0,
  }
  const outcome = await recordOutcome(ctx.store, sessionId, { output, state, endedAt: new Date().toISOString() })
  tell(outcome.state)
  return outcome.output
}

interface Opened {
  readonly engine: Engine
  readonly commit: Material['commit']
  /** Class of each image that people saw before the session, −1 for none. */
  readonly known: Int32Array
  readonly hasImage: (digest: string) => boolean
}

/** Lets the embeddings go when the engine is open: they are the largest thing in memory. */
async function openEngine(
  openMaterial: OpenMaterial,
  input: Input,
  ctx: StepContext,
  session: string,
): Promise<Opened> {
  const { problem, commit } = await openMaterial(input, ctx)
  const { targetAccuracy, seed, task, overlap } = input
  // A simulated person's time is a model's: there is nothing to measure.
  const controls = input.controls ?? (input.annotator === 'simulated' ? 0 : undefined)
  const policy = {
    ...{ targetAccuracy, seed },
    line: lookLine(ctx.store, input.version.dataset, session),
    ...(task && { task }),
    ...(overlap !== undefined && { overlap }),
    ...(controls !== undefined && { controls }),
  }
  const engine = await (task === 'multi' ? MultiLabelEngine : LabellingEngine).open(problem, policy, ctx.signal)
  const { digests, known } = problem
  return { engine, commit, known, hasImage: (digest) => holds(digests, digest) }
}

function oraclePath({ oracle }: Input): string {
  if (oracle !== undefined) return oracle
  throw new PlatformError(
    'INVALID_INPUT',
    'oracle is missing: the simulated annotator needs JSON {image digest: class}',
  )
}

/** Runs the session under its lease: people reach it over HTTP, the simulated annotator answers in this very process. */
async function ownSession(
  engine: Engine,
  ctx: StepContext,
  where: {
    readonly session: string
    readonly host: string | undefined
    readonly overlap: number | undefined
    readonly hasImage: Opened['hasImage']
  },
  tell: (state: SessionState) => void,
  oracle?: Oracle,
): Promise<SessionState> {
  const { session, host: address, hasImage } = where
  const lost = new AbortController()
  const signal = AbortSignal.any([ctx.signal, lost.signal])
  const token = randomBytes(24).toString('base64url')
  let host: LocalHost | null = null
  const server = await serveHost(() => host, token, address)
  const lease = await takeLease(ctx, session, { url: server.url, token })
  const renewal = setInterval(() => void renew(lease, lost, session), RENEW_EVERY_MS)
  const stop = setInterval(() => void closeWhenAsked(host, ctx, session), POLL_STOP_EVERY_MS)
  const deletions = setInterval(() => void removeDeleted(host, ctx), POLL_DELETED_EVERY_MS)
  try {
    // Answers are read under the lease only: from here on nobody else adds any.
    host = await LocalHost.start(engine, { store: ctx.store, session, signal, hasImage, onChange: tell })
    await removeDeleted(host, ctx)
    tell(host.currentState())
    if (oracle) await Promise.race([simulateAnnotators(host, oracle, where.overlap), aborted(signal)])
    await Promise.race([host.ended, aborted(signal)])
    return host.currentState()
  } finally {
    clearInterval(renewal)
    clearInterval(stop)
    clearInterval(deletions)
    await server.close()
    await lease.release()
  }
}

/** As many as shall judge each image. */
async function simulateAnnotators(host: LocalHost, oracle: Oracle, people = 1): Promise<void> {
  const names = Array.from({ length: people }, (_, i) => (i === 0 ? 'simulated' : `simulated-${i + 1}`))
  await Promise.all(names.map((name) => simulateAnnotator(host, oracle, name)))
}

/** Never settles but by rejection with the signal's reason. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = (): void => reject(signal.reason as Error)
    if (signal.aborted) fail()
    else signal.addEventListener('abort', fail, { once: true })
  })
}

/** Waits until a former host of the session, alive or dead, has let go of it. */
async function takeLease(ctx: StepContext, session: string, data: HostAddress): Promise<Lease> {
  for (;;) {
    const holder = `${hostname()} ${process.pid}`
    const lease = await acquireLease<HostAddress>(ctx.store, leaseOf(session), { holder, ttlMs: LEASE_MS, data })
    if (lease) return lease
    await sleep(250, undefined, { signal: ctx.signal })
  }
}

async function renew(lease: Lease, lost: AbortController, session: string): Promise<void> {
  if (await lease.renew().catch(() => true)) return
  lost.abort(new PlatformError('SESSION_HOST_UNAVAILABLE', `another process hosts session ${session} now; try again`))
}

async function closeWhenAsked(host: LocalHost | null, ctx: StepContext, session: string): Promise<void> {
  if (await stopRequested(ctx.store, session).catch(() => false)) await host?.close()
}

/** An image that somebody deleted everywhere is shown no more. */
async function removeDeleted(host: LocalHost | null, ctx: StepContext): Promise<void> {
  try {
    await host?.removeImages(await deletedImages(ctx.store))
  } catch (error) {
    ctx.log.debug({ err: error }, 'deleted images could not be looked up; tried again soon')
  }
}

/** Whether a digest is among these, which ascend. */
function holds(digests: readonly string[], digest: string): boolean {
  let [from, to] = [0, digests.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if (digests[middle]! < digest) from = middle + 1
    else to = middle
  }
  return digests[from] === digest
}

/** Passes on every change of status, and progress now and then. */
function milestones(ctx: StepContext, onState: (state: SessionState) => void): (state: SessionState) => void {
  let told: { status: SessionState['status']; atMs: number } | null = null
  return (state) => {
    if (told?.status === state.status && Date.now() - told.atMs < PROGRESS_EVERY_MS) return
    told = { status: state.status, atMs: Date.now() }
    onState(state)
    const note = `${state.screens} screens, ×${state.speedUp.toFixed(1)} against one by one`
    ctx.progress({ done: state.labelled, total: state.images, unit: 'images', note })
  }
}
