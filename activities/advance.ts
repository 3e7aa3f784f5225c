/**
 * Takes the plan of a run forward: results that stand in are taken, quick steps run on the spot, and what is left is
 * told to the workflow, which starts it.
 *
 * V1  All that was decided is in the store before the workflow hears of it; records are written side by side.
 * V2  A quick step that takes too long, or fails in a way that trying again may mend, is left to an activity of its own.
 * V3  Where one worker carries out everything, a step of a user's own that took milliseconds the last time is quick too,
 *     unless its policy says that it is not: an activity of its own would cost more than its work.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { Context } from '@temporalio/activity'
import { PlatformError, toPlatformError } from '#core/errors'
import { presentPlan, walk, type Json, type Plan, type PlanNode, type ScheduleState } from '#core/plan'
import { resolveNode, type Resolution, type ResolvePorts } from '#core/reuse'
import { readNode, readRun, recordNode, type NodeRecord } from '#core/runs'
import { digestJson, type ObjectStore } from '#core/storage'
import { toFailure } from './failure.ts'
import { carryOut, computeOrTake, type RunBody, type StepPorts } from './step.ts'
import type { Decision, StepCall } from '../workflows/types.ts'

export interface AdvanceActivity {
  /** @param args - `fresh`: nodes of `state.outputs` that, or before which something, ran in this run. */
  advance(args: {
    readonly run: string
    readonly state: ScheduleState
    readonly fresh: readonly string[]
  }): Promise<readonly Decision[]>
}

export interface Advance extends AdvanceActivity {
  /** Decides what a completed node gives its turn (`call.then`), and what follows; nothing where that is not possible now. */
  follow(call: StepCall, output: Json, signal: AbortSignal): Promise<readonly Decision[]>
}

export interface AdvancePorts extends Omit<StepPorts, 'follow'>, ResolvePorts {
  /** Runs quick steps. */
  readonly warm: RunBody
  /** Whether this machine serves all queues. */
  readonly servesAll: boolean
}

const WALK_MS = 2_000
/** Of a step's own activity: others wait for its result. */
const FOLLOW_MS = 500
const QUICK_MS = 5_000
/** For a body to hear that its time is over. */
const QUICK_GRACE_MS = 1_000
/** What one answer holds; Temporal keeps each in the history. */
const MOST_BYTES = 256 * 1_024
/** Looked up at the same time. */
const AT_ONCE = 16

export function createAdvance(ports: AdvancePorts): Advance {
  const { store } = ports
  const plans = new RecentPlans(store)
  return {
    async advance({ run, state, fresh }) {
      try {
        const { cancellationSignal } = Context.current()
        return await decideAll(ports, run, await plans.of(run), {
          state,
          fresh,
          ms: WALK_MS,
          signal: cancellationSignal,
        })
      } catch (error) {
        throw toFailure(error)
      }
    },
    async follow({ run, node, then = [] }, output, signal) {
      if (then.length === 0) return []
      try {
        const plan = await plans.of(run)
        const outputs = { ...(await otherOutputs(store, run, node, needsOf(plan, then))), [node]: output }
        const state = { ready: then, outputs, skipped: [] }
        return await decideAll(ports, run, plan, { state, fresh: Object.keys(outputs), ms: FOLLOW_MS, signal })
      } catch {
        // The step itself has succeeded; the workflow asks again.
        return []
      }
    },
  }
}

interface Way {
  readonly state: ScheduleState
  readonly fresh: readonly string[]
  readonly ms: number
  readonly signal: AbortSignal
}

async function decideAll(
  ports: AdvancePorts,
  run: string,
  plan: Plan,
  { state, fresh, ms, signal }: Way,
): Promise<readonly Decision[]> {
  const writes = new RecordWrites()
  const until = performance.now() + ms
  let bytes = 0
  const decisions = await walk<Decision>(plan, state, fresh, {
    atOnce: AT_ONCE,
    isOver: () => signal.aborted || performance.now() > until || bytes > MOST_BYTES,
    async decide(node, input, ranBefore) {
      const decision = await decide(ports, run, node, input, { ranBefore, writes, signal })
      bytes += JSON.stringify(decision).length
      return decision
    },
  })
  await writes.settled()
  return decisions
}

interface DecideOptions {
  readonly ranBefore: boolean
  readonly writes: RecordWrites
  readonly signal: AbortSignal
}

async function decide(
  ports: AdvancePorts,
  run: string,
  node: PlanNode,
  given: Json,
  { ranBefore, writes, signal }: DecideOptions,
): Promise<Decision> {
  const { id } = node
  const startedAt = now()
  const resolution = await resolveNode(ports, run, node, given, { ranBefore, record: writes.record })
  if (resolution.kind === 'found') {
    const { origin, output, reason, ran = false } = resolution
    return { id, kind: 'done', origin, output, reason, ran, startedAt, endedAt: now() }
  }
  if (resolution.kind === 'invalid') return { id, kind: 'failed', startedAt, ...problemOf(resolution) }
  const { input, key, basis, reason } = resolution
  const here = ports.servesAll && node.bundle !== null && !node.container
  const start = { input, key, reason, ...(basis && { basis }), ...(here && { here }) }
  if (!isQuick(ports, node)) return { id, kind: 'start', ...start }
  const { step, bundle } = node
  const call = { run, node: id, step, bundle, input, key, ...(basis && { basis }) }
  return runQuick(ports, call, { reason, startedAt, writes, signal })
}

function isQuick({ once, times }: AdvancePorts, node: PlanNode): boolean {
  const { policy, kind, bundle, container, map } = node
  if (kind !== 'activity' || policy.quick === false) return false
  if (policy.quick) return true
  const isOwnWork = bundle !== null && !container && !map && policy.queue !== 'gpu'
  return isOwnWork && once.alone && times.isSmall(node)
}

const problemOf = ({ code, message }: Extract<Resolution, { kind: 'invalid' }>) => ({ code, message })

interface QuickOptions {
  readonly reason: string
  readonly startedAt: string
  readonly writes: RecordWrites
  readonly signal: AbortSignal
}

async function runQuick(
  ports: AdvancePorts,
  call: StepCall,
  { reason, startedAt, writes, signal }: QuickOptions,
): Promise<Decision> {
  const { node: id, input, key, basis } = call
  const left: Decision = { id, kind: 'start', input, key, reason, ...(basis && { basis }) }
  const limit = AbortSignal.timeout(QUICK_MS)
  const hooks = { signal: AbortSignal.any([signal, limit]), onProgress: () => undefined }
  const attempt = { attempt: 1, timeoutMs: QUICK_MS, onSession: () => undefined, ...hooks }
  // A lease would take longer than the step: equal ones in other processes compute it too.
  const work = computeOrTake({ once: { ...ports.once, alone: true } }, call, hooks, () =>
    carryOut(ports, ports.warm, call, attempt),
  )
  try {
    const computed = await Promise.race([work, delay(QUICK_MS + QUICK_GRACE_MS, undefined, { ref: false })])
    if (computed === undefined) return left
    const endedAt = now()
    const result = { output: computed.output, origin: computed.origin, reason: computed.reason ?? reason }
    const record = { ...result, key, attempts: 1, startedAt, endedAt, ...(basis && { basis }) }
    await writes.record(ports.store, call.run, id, record)
    return { id, kind: 'done', ...result, ran: computed.origin === 'ran', startedAt, endedAt }
  } catch (error) {
    if (limit.aborted && !signal.aborted) return left
    const { code, message, retryable } = toPlatformError(error)
    return retryable || signal.aborted ? left : { id, kind: 'failed', code, message, startedAt }
  }
}

/** Records on their way to the store. */
class RecordWrites {
  readonly #running: Promise<void>[] = []

  /** As `recordNode`, without waiting. */
  readonly record = (store: ObjectStore, run: string, node: string, record: NodeRecord): Promise<NodeRecord> => {
    this.#running.push(
      recordNode(store, run, node, record).then((standing) => {
        if (standing === record || digestJson(standing.output) === digestJson(record.output)) return
        throw new PlatformError(
          'INTERNAL',
          `node ${node} has a result of another attempt by now; it is taken next time`,
        )
      }),
    )
    return Promise.resolve(record)
  }

  async settled(): Promise<void> {
    const failed = (await Promise.allSettled(this.#running)).find(({ status }) => status === 'rejected')
    if (failed) throw (failed as PromiseRejectedResult).reason
  }
}

/** The frozen plans of the runs that were asked for last. */
class RecentPlans {
  readonly #plans = new Map<string, Plan>()

  constructor(private readonly store: ObjectStore) {}

  async of(run: string): Promise<Plan> {
    const plan = this.#plans.get(run) ?? presentPlan((await readRun(this.store, run)).plan)
    this.#plans.delete(run)
    this.#plans.set(run, plan)
    if (this.#plans.size > MOST_PLANS) this.#plans.delete(this.#plans.keys().next().value!)
    return plan
  }
}
const MOST_PLANS = 32

function needsOf(plan: Plan, ids: readonly string[]): readonly string[] {
  const named = new Set(ids)
  return [...new Set(plan.nodes.filter(({ id }) => named.has(id)).flatMap(({ needs }) => needs))]
}

/** All needs but one have completed before, so their records are there. */
async function otherOutputs(
  store: ObjectStore,
  run: string,
  completed: string,
  needs: readonly string[],
): Promise<Record<string, Json>> {
  const others = needs.filter((id) => id !== completed)
  const records = await Promise.all(others.map(async (id) => [id, await readNode(store, run, id)] as const))
  return Object.fromEntries(records.map(([id, record]) => [id, record!.output]))
}

const now = (): string => new Date().toISOString()
