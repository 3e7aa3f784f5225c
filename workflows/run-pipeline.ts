/**
 * Runs any plan. Nodes run as early as the graph allows; each result is in the store before its activity completes, so
 * a crash, a retry or a resume never computes twice what was finished.
 *
 * R1  A node is started only after `advance`, or the activity of a node before it, found no result that stands in.
 * R2  After a failure nothing new starts, what runs may finish, and the run ends as failed.
 * R3  A cancelled run ends after its activities have ended; its outcome is written all the same.
 */

import {
  ActivityFailure,
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  ChildWorkflowFailure,
  condition,
  executeChild,
  isCancellation,
  ParentClosePolicy,
  patched,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow'
import { defineSearchAttributeKey } from '@temporalio/common'
import { MarkdownPicture, presentPlan, Schedule, type Json, type Plan, type PlanNode, type Turn } from '#core/plan'
import { annotate } from './annotate.ts'
import { Approvals } from './approval.ts'
import { report } from './messages.ts'
import { tellEnd } from './notify.ts'
import { mapCounts, runMap } from './run-map.ts'
import { advance, bookkeeping, stepActivity, type StepResult } from './proxies.ts'
import type { Decision, MapCounts, NodeReport, RunPipelineArgs, RunReport, StepCall } from './types.ts'

const STATUS = defineSearchAttributeKey('GyreStatus', 'KEYWORD')

/** Nodes that one activity decides on its way out; the workflow asks for the others. */
const MOST_FOLLOWERS = 100

type Ready = Extract<Turn, { kind: 'run' }>

export async function runPipeline(args: RunPipelineArgs): Promise<RunReport> {
  const run = new PipelineRun({ ...args, plan: readable(args.plan) })
  setHandler(report, () => run.report())
  setHandler(mapCounts, (counts) => run.count(counts))
  run.approvals.listen()
  return run.execute()
}

/** @throws {ApplicationFailure} `PLAN_FORMAT_UNKNOWN`: a newer client started this. */
function readable(plan: Plan): Plan {
  try {
    return presentPlan(plan)
  } catch (error) {
    throw ApplicationFailure.nonRetryable((error as Error).message, 'PLAN_FORMAT_UNKNOWN')
  }
}

class PipelineRun {
  /** Histories of the first release know neither `advance` nor questions in the store. Asked before anything is waited for. */
  readonly #advances = patched('advance')
  readonly approvals: Approvals
  readonly #schedule: Schedule
  readonly #nodes: Map<string, NodeReport>
  readonly #picture: MarkdownPicture
  readonly #running = new Set<Promise<void>>()
  /** Nodes whose turn has come and that nobody has decided. */
  readonly #ready = new Map<string, PlanNode>()
  /** What was decided of nodes whose turn is to come. */
  readonly #decided = new Map<string, Decision>()
  /** Nodes that, or before which something, ran in this run. */
  readonly #fresh = new Set<string>()
  /** Nodes of this run that have ended since it began. */
  #ended = 0
  #failure: { readonly node: string; readonly code: string; readonly message: string } | null = null
  #cancellation: Error | null = null
  #status: RunReport['status'] = 'running'
  /** What the search attribute says now: each change of it is an event in the history. */
  #shown: RunReport['status'] | null = null

  constructor(private readonly args: RunPipelineArgs) {
    this.approvals = new Approvals(args, this.#advances)
    this.#schedule = new Schedule(args.plan)
    this.#nodes = new Map(args.plan.nodes.map(({ id }) => [id, queued(id)]))
    this.#picture = new MarkdownPicture(args.plan)
  }

  report(): RunReport {
    return { status: this.#status, nodes: [...this.#nodes.values()] }
  }

  /** Shows how far a map is. */
  count({ node, items, hits, done, failed }: MapCounts): void {
    if (this.#nodes.get(node)?.status !== 'running') return
    const words = [`${done + failed + hits} of ${items} items`]
    if (failed > 0) words.push(`${failed} failed`)
    if (hits > 0) words.push(`${hits} known from before`)
    this.#set(node, { reason: words.join(', ') })
    this.#show()
  }

  async execute(): Promise<RunReport> {
    let cancelled = false
    try {
      await this.#walk()
      this.#status = this.#failure ? 'failed' : 'completed'
    } catch (error) {
      if (!isCancellation(error)) throw error
      cancelled = true
      await CancellationScope.nonCancellable(() => Promise.all(this.#running))
      this.#status = 'cancelled'
      this.#endOpenNodes()
    }
    await CancellationScope.nonCancellable(async () => {
      await condition(allHandlersFinished)
      this.#show()
      await bookkeeping.recordOutcome({ run: this.args.run, generation: this.args.generation, report: this.report() })
      if (!cancelled) await tellEnd(this.args, this.#failure)
    })
    if (cancelled) throw new CancelledFailure(`run ${this.args.run} was cancelled`)
    if (this.#failure) {
      const { node, code, message } = this.#failure
      throw ApplicationFailure.create({
        type: code,
        message: `${node}: ${message}`,
        nonRetryable: true,
        details: [{ node }],
      })
    }
    return this.report()
  }

  async #walk(): Promise<void> {
    if (!this.#advances) return this.#walkNodeByNode()
    for (;;) {
      const ended = this.#ended
      this.#takeTurns()
      if (this.#ready.size > 0) await this.#advance()
      else if (this.#running.size === 0) return
      else {
        this.#show()
        await condition(() => this.#ended > ended)
      }
      if (this.#cancellation) throw this.#cancellation
    }
  }

  /** Acts upon every turn that has come and is decided; the others are left in `#ready`. */
  #takeTurns(): void {
    for (let turns = this.#schedule.turns(); turns.length > 0; turns = this.#schedule.turns())
      for (const turn of turns) {
        if (this.#failure) return
        const { node } = turn
        const decision = this.#decided.get(node.id)
        if (turn.kind === 'skip') this.#set(node.id, { status: 'skipped', reason: turn.reason })
        else if (decision) this.#act(node, decision)
        else this.#ready.set(node.id, node)
      }
  }

  async #advance(): Promise<void> {
    const ready = [...this.#ready.values()]
    const state = this.#schedule.stateWith(ready.map(({ id }) => id))
    const fresh = Object.keys(state.outputs).filter((id) => this.#fresh.has(id))
    this.#decide(await advance({ run: this.args.run, state, fresh }))
    for (const node of ready) {
      const decision = this.#decided.get(node.id)
      if (!decision) continue
      this.#ready.delete(node.id)
      if (!this.#failure) this.#act(node, decision)
    }
    if (this.#failure) this.#ready.clear()
  }

  #decide(decisions: readonly Decision[]): void {
    for (const decision of decisions) this.#decided.set(decision.id, decision)
  }

  #act(node: PlanNode, decision: Decision): void {
    const { id } = node
    this.#decided.delete(id)
    switch (decision.kind) {
      case 'done': {
        const { origin, output, reason, startedAt, endedAt, ran } = decision
        const attempts = origin === 'ran' ? 1 : 0
        this.#set(id, { status: 'completed', origin, outputs: output, reason, startedAt, endedAt, attempts })
        this.#complete(node, output, ran)
        return
      }
      case 'failed':
        this.#set(id, { startedAt: decision.startedAt })
        return this.#fail(id, decision.code, decision.message)
      case 'start': {
        const { input, key, basis, reason, here = false } = decision
        const then = this.#schedule.waitingOnlyFor(id).slice(0, MOST_FOLLOWERS)
        const call = {
          ...callOf(this.args.run, node, input, key),
          ...(basis && { basis }),
          ...(isWork(node) && then.length > 0 && { then: then.map((one) => one.id) }),
        }
        this.#start(node, call, reason, here)
      }
    }
  }

  #complete({ id, needs }: PlanNode, output: Json, ran: boolean): void {
    if (ran || needs.some((need) => this.#fresh.has(need))) this.#fresh.add(id)
    this.#schedule.complete(id, output)
  }

  /** As histories from before `advance` have it: looks each ready node up, takes what exists, starts the rest. */
  async #walkNodeByNode(): Promise<void> {
    for (;;) {
      const turns = this.#schedule.turns()
      for (const turn of turns)
        if (turn.kind === 'skip') this.#set(turn.node.id, { status: 'skipped', reason: turn.reason })
      const ready = turns.filter((turn): turn is Ready => turn.kind === 'run')
      if (ready.length > 0) {
        const taken = await this.#resolve(ready)
        if (taken || this.#running.size === 0) continue
      } else if (this.#running.size === 0) return
      this.#show()
      await Promise.race(this.#running)
      if (this.#cancellation) throw this.#cancellation
    }
  }

  /** @returns whether a result was taken, so that new turns may have come. */
  async #resolve(ready: readonly Ready[]): Promise<boolean> {
    const { run } = this.args
    const found = await bookkeeping.resolveNodes({ run, nodes: ready.map(({ node, input }) => ({ node, input })) })
    ready.forEach(({ node }, index) => {
      const resolution = found[index]!
      const at = now()
      if (resolution.kind === 'found')
        this.#act(node, { ...resolution, id: node.id, kind: 'done', ran: true, startedAt: at, endedAt: at })
      else if (resolution.kind === 'invalid') this.#fail(node.id, resolution.code, resolution.message)
      else this.#start(node, callOf(run, node, resolution.input, resolution.key), resolution.reason)
    })
    return found.some(({ kind }) => kind === 'found')
  }

  #start(node: PlanNode, call: StepCall, reason: string, here = false): void {
    this.#set(node.id, { status: isWork(node) ? 'running' : 'waiting', startedAt: now(), reason })
    const work = this.#carryOut(node, call, here)
      .then(({ output, origin, attempts, next = [] }) => {
        this.#decide(next)
        this.#set(node.id, { status: 'completed', origin, attempts, outputs: output, endedAt: now() })
        this.#complete(node, output, origin !== 'hit')
      })
      .catch((error: unknown) => {
        if (isCancellation(error)) {
          this.#cancellation = error as Error
          return
        }
        const { code, message } = causeOf(error)
        this.#fail(node.id, code, message)
      })
      .finally(() => {
        this.#running.delete(work)
        this.#ended += 1
      })
    this.#running.add(work)
  }

  #carryOut(node: PlanNode, call: StepCall, here: boolean): Promise<StepResult> {
    const { settings } = this.args
    if (node.kind === 'approve')
      return this.approvals.ask(node, call, this.#nodes.get(node.id)!.startedAt!, (reason) => {
        this.#set(node.id, { reason })
        this.#show()
      })
    if (node.kind === 'annotate')
      return executeChild(annotate, {
        workflowId: `${call.run}/${node.id}`,
        args: [
          {
            ...{ call, settings, timeoutMs: node.policy.timeoutMs, attempts: node.policy.attempts },
            of: { pipeline: this.args.plan.pipeline, generation: this.args.generation },
          },
        ],
        parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
        staticSummary: `labelling for ${node.id}`,
      })
    if (node.map) {
      const { input, ...rest } = call
      const { over: _, ...terms } = node.map
      const { cache, salt, ignore } = node.policy
      const kept = { cache, ...(salt !== undefined && { salt }), ...(ignore && { ignore }) }
      const map = { call: rest, generation: this.args.generation, codeVersion: node.codeVersion, policy: kept }
      return executeChild(runMap, {
        workflowId: `${call.run}/${node.id}`,
        args: [{ map, input, terms, policy: node.policy, settings, here }],
        parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
        staticSummary: `${node.id}: ${node.step} for each item`,
      })
    }
    const activity = node.container ? 'container-step' : node.bundle ? 'user-step' : node.step
    const policy = here ? { ...node.policy, queue: 'pipeline' as const } : node.policy
    return stepActivity(activity, policy, settings, { activityId: node.id, summary: `${node.id}: ${node.step}` })(call)
  }

  #fail(id: string, code: string, message: string): void {
    this.#failure ??= { node: id, code, message }
    this.#schedule.halt()
    this.#set(id, { status: 'failed', code, reason: message, endedAt: now() })
  }

  #endOpenNodes(): void {
    for (const node of this.#nodes.values())
      if (node.status === 'running' || node.status === 'waiting')
        this.#set(node.id, { status: 'cancelled', reason: 'the run was cancelled', endedAt: now() })
  }

  #set(id: string, change: Partial<NodeReport>): void {
    const node = { ...this.#nodes.get(id)!, ...change }
    this.#nodes.set(id, node)
    const { status, startedAt, endedAt, reason } = node
    const seconds = startedAt && endedAt ? (Date.parse(endedAt) - Date.parse(startedAt)) / 1_000 : null
    this.#picture.set(id, { status, seconds, reason })
  }

  /** Tells the Temporal UI: the DAG with its states, and whether a person is waited for. */
  #show(): void {
    if (this.#status === 'running' || this.#status === 'waiting') {
      const waits = [...this.#nodes.values()].some(({ status }) => status === 'waiting')
      this.#status = waits ? 'waiting' : 'running'
    }
    if (this.#status !== this.#shown) upsertSearchAttributes([{ key: STATUS, value: this.#status }])
    this.#shown = this.#status
    setCurrentDetails(this.#picture.text())
  }
}

function callOf(
  run: string,
  { id, step, bundle, container, policy }: PlanNode,
  input: Json,
  key: string | null,
): StepCall {
  return {
    run,
    node: id,
    step,
    input,
    key,
    bundle,
    ...(container ? { container } : {}),
    ...(policy.gpus ? { gpus: policy.gpus } : {}),
  }
}

/** As opposed to waiting for people. */
const isWork = ({ kind }: PlanNode): boolean => kind === 'activity' || kind === 'map'

const now = (): string => new Date().toISOString()

const queued = (id: string): NodeReport => ({
  id,
  status: 'queued',
  origin: null,
  attempts: 0,
  startedAt: null,
  endedAt: null,
  reason: null,
  code: null,
  outputs: null as Json,
})

/** The failure that a person can act on, from inside Temporal's wrappings. */
function causeOf(error: unknown): { readonly code: string; readonly message: string } {
  let cause = error
  while ((cause instanceof ActivityFailure || cause instanceof ChildWorkflowFailure) && cause.cause) cause = cause.cause
  const code = cause instanceof ApplicationFailure && cause.type ? cause.type : 'INTERNAL'
  return { code, message: cause instanceof Error ? cause.message : String(cause) }
}
