/** A real Temporal dev server and a worker with mocked activities, for tests of workflows. */

import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { TestWorkflowEnvironment } from '@temporalio/testing'
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker, type WorkflowBundle } from '@temporalio/worker'
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js'
import type { Asked } from '#core/approvals'
import type { News } from '#core/notify'
import { walk, type Json, type Plan, type PlanNode } from '#core/plan'
import { digestJson } from '#core/storage'
import type { Resolution } from '#core/reuse'
import type { AdvanceActivity } from '../../activities/advance.ts'
import type { StepResult } from '../../workflows/proxies.ts'
import type { Decision, RunPipelineArgs, StepCall } from '../../workflows/types.ts'
import { workerDataConverter, workflowBundlePath, type TemporalSettings } from '../../infra/temporal/index.ts'
import { findTemporalBinary } from '../../infra/local/temporal-binary.mjs'

/** Recorded histories must not name the machine they were recorded on. */
const IDENTITY = 'gyre-test'
const KEYWORDS = ['GyrePipeline', 'GyreDataset', 'GyreModel', 'GyreProject', 'GyreStatus']

/** @param settings - of the server, beside those that all tests want. */
export async function startTemporal(settings: readonly string[] = []): Promise<TestWorkflowEnvironment> {
  Runtime.install({ logger: new DefaultLogger('ERROR') })
  const { path: binary } = await findTemporalBinary({ say: () => undefined, env: process.env })
  if (!binary) throw new Error('these tests need a Temporal server; ./gyre test finds or builds one')
  return TestWorkflowEnvironment.createLocal({
    client: { identity: IDENTITY },
    server: {
      executable: { type: 'existing-path', path: binary },
      extraArgs: [...KEYWORDS.flatMap((name) => ['--search-attribute', `${name}=Keyword`]), ...settings],
    },
  })
}

let bundle: Promise<WorkflowBundle> | undefined

/** The workflows as they are now, bundled once per test file. */
export function workflowBundle(): Promise<WorkflowBundle> {
  return (bundle ??= bundleWorkflowCode({
    workflowsPath: path.resolve(import.meta.dirname, '../../workflows/index.ts'),
    logger: new DefaultLogger('ERROR'),
  }))
}

export interface Mocks {
  /** By step name. */
  readonly steps: Readonly<Record<string, (call: StepCall) => Promise<StepResult> | StepResult>>
  /** What stands in for a node; the default runs everything. */
  readonly resolve?: (node: PlanNode, input: Json, ranBefore: boolean) => Resolution
}

/** What the mocked bookkeeping was told. */
export interface Told {
  readonly outcomes: {
    readonly run: string
    readonly generation: number
    readonly report: { readonly status: string }
  }[]
  /** Runs that were advanced, once per call. */
  readonly advances: string[]
  readonly recorded: { readonly call: StepCall; readonly output: Json }[]
  readonly asked: Asked[]
  readonly closed: string[]
  readonly news: News[]
  readonly stopped: { readonly run: string; readonly node: string; readonly by: string }[]
}

export interface MockedWorkers {
  readonly told: Told
  stop(): Promise<void>
}

/** @param settings - those of a server whose payloads are encrypted, as workers get them from their environment. */
export async function startWorkers(
  env: TestWorkflowEnvironment,
  { steps, resolve }: Mocks,
  settings?: TemporalSettings,
): Promise<MockedWorkers> {
  const told: Told = { outcomes: [], advances: [], recorded: [], asked: [], closed: [], news: [], stopped: [] }
  const bookkeeping = {
    resolveNodes: ({ nodes }: { nodes: { node: PlanNode; input: Json }[] }) =>
      Promise.resolve(nodes.map(({ node, input }) => resolve?.(node, input, true) ?? toRun(input))),
    advance: async ({ run, state, fresh }: Parameters<AdvanceActivity['advance']>[0]) => {
      told.advances.push(run)
      return walk<Decision>(plans.get(run)!, state, fresh, {
        atOnce: 1,
        isOver: () => false,
        decide: async (one, input, ranBefore) => decisionOf(one.id, resolve?.(one, input, ranBefore) ?? toRun(input)),
      })
    },
    recordNode: async (args: Told['recorded'][number]) => void told.recorded.push(args),
    recordOutcome: async (args: Told['outcomes'][number]) => void told.outcomes.push(args),
    keepQuestion: async (args: Asked) => {
      told.asked.push(args)
      return { subject: digestJson(args.terms.subject) }
    },
    closeQuestion: async ({ node }: { node: string }) => void told.closed.push(node),
    deliver: async (news: News) => void told.news.push(news),
    requestSessionStop: async (args: Told['stopped'][number]) => void told.stopped.push(args),
  }
  const common = {
    connection: env.nativeConnection,
    identity: IDENTITY,
    activities: { ...bookkeeping, ...steps },
    maxHeartbeatThrottleInterval: '50ms' as const,
    ...(settings && { dataConverter: workerDataConverter(settings) }),
  }
  const bundled = settings ? { codePath: workflowBundlePath(settings) } : await workflowBundle()
  const workers = [
    await Worker.create({ ...common, taskQueue: 'gyre-pipeline', workflowBundle: bundled }),
    await Worker.create({ ...common, taskQueue: 'gyre-cpu' }),
  ]
  const running = workers.map((worker) => worker.run())
  return {
    told,
    async stop() {
      for (const worker of workers) worker.shutdown()
      await Promise.all(running)
    },
  }
}

const toRun = (input: Json): Resolution => ({ kind: 'run', input, key: null, reason: 'no equal result yet' })

function decisionOf(id: string, resolution: Resolution): Decision {
  const at = new Date().toISOString()
  switch (resolution.kind) {
    case 'found':
      return { ran: false, ...resolution, id, kind: 'done', startedAt: at, endedAt: at }
    case 'invalid':
      return { ...resolution, id, kind: 'failed', startedAt: at }
    case 'run':
      return { ...resolution, id, kind: 'start' }
  }
}

/** The plans of the runs that tests start, as the store holds them elsewhere. */
export const plans = new Map<string, Plan>()

/** A node for tests: short timeouts, one attempt. */
export function node(id: string, extra: Partial<PlanNode> = {}): PlanNode {
  return {
    id,
    step: id,
    kind: 'activity',
    input: {},
    needs: [],
    when: null,
    policy: { queue: 'cpu', timeoutMs: 20_000, attempts: 1, cache: false },
    codeVersion: 'v',
    bundle: null,
    ...extra,
  }
}

export const ref = (id: string, ...fields: string[]): { $ref: string; path: string[] } => ({ $ref: id, path: fields })

export function runArgs(run: string, nodes: readonly PlanNode[]): RunPipelineArgs {
  const plan: Plan = { format: 1, pipeline: 'test', codeVersion: 'v', params: {}, nodes, digest: '0'.repeat(64) }
  plans.set(run, plan)
  return { run, generation: 1, plan, settings: { heartbeatMs: 2_000, project: 'default' } }
}

export const ran = (output: Json): StepResult => ({ output, origin: 'ran', attempts: 1 })

/** Writes the history of a workflow to `test/replay/histories`, without paths of this machine. */
export async function recordHistory(env: TestWorkflowEnvironment, workflowId: string, name: string): Promise<void> {
  const history = await env.client.workflow.getHandle(workflowId).fetchHistory()
  const json = historyToJSON(history)
  const root = path.resolve(import.meta.dirname, '../..')
  const file = path.join(root, 'test/replay/histories', `${name.replaceAll(/[^a-z]+/gi, '-').toLowerCase()}.json`)
  await writeFile(file, json.replaceAll(`file://${root}/`, '').replaceAll(`${root}/`, ''))
}
