/** What the engine adds to a step: the same activity in a row, once by a plan, once by a hand-written workflow. */

import path from 'node:path'
import { TestWorkflowEnvironment } from '@temporalio/testing'
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker } from '@temporalio/worker'
import { z } from 'zod'
import { definePipeline } from '#core/pipeline'
import { buildPlan } from '#core/planning'
import type { StepDefinition } from '#core/steps'
import { openStore } from '#core/storage'
import { createBookkeeping } from '../../activities/bookkeeping.ts'
import { createStepActivity } from '../../activities/step.ts'
import { findTemporalBinary } from '../../infra/local/temporal-binary.mjs'
import type { runPipeline } from '../../workflows/index.ts'
import type { byHand } from '../workflows/by-hand.ts'
import { median, round, type BenchRow } from '../report.ts'

const STEPS = 50
const ROUNDS = 5

const noop = {
  name: 'noop',
  kind: 'activity',
  input: z.object({ n: z.number(), salt: z.string() }),
  output: z.object({ n: z.number() }),
  policy: { queue: 'cpu', timeout: '1m' },
} satisfies StepDefinition

const chain = definePipeline({
  name: 'chain',
  params: z.object({ salt: z.string() }),
  build({ params, step }) {
    let last = step('s0', noop, { n: 0, salt: params.salt })
    for (let index = 1; index < STEPS; index += 1) last = step(`s${index}`, noop, { n: last.n, salt: params.salt })
  },
})

export async function stepOverhead(folder: string, say: (line: string) => void): Promise<BenchRow> {
  say(`${ROUNDS} × ${STEPS} steps, by a plan and by hand`)
  Runtime.install({ logger: new DefaultLogger('ERROR') })
  const env = await startServer(folder)
  try {
    const store = await openStore(path.join(folder, 'overhead'))
    const steps = new Map([[noop.name, noop as StepDefinition]])
    const storeAt = { uri: store.uri, project: 'default' }
    const ports = { store, storeAt, steps, scratchDir: folder, bundleDir: folder, tellSession: async () => undefined }
    const work = ({ n }: { n: number }): { n: number } => ({ n: n + 1 })
    const bundled = (file: string): Promise<{ code: string }> =>
      bundleWorkflowCode({ workflowsPath: path.resolve(import.meta.dirname, file), logger: new DefaultLogger('ERROR') })
    const common = { connection: env.nativeConnection }
    const workers = await Promise.all([
      Worker.create({
        ...common,
        taskQueue: 'gyre-pipeline',
        workflowBundle: await bundled('../../workflows/index.ts'),
        activities: {
          ...createBookkeeping({ store, steps, codeVersion: () => 'v', requestStop: async () => undefined }),
        },
      }),
      Worker.create({
        ...common,
        taskQueue: 'gyre-cpu',
        workflowBundle: await bundled('../workflows/by-hand.ts'),
        activities: {
          noop: createStepActivity(ports, async ({ input }) => work(input as { n: number })),
          plainNoop: async (input: { n: number }) => work(input),
        },
      }),
      Worker.create({
        ...common,
        taskQueue: 'by-hand',
        workflowBundle: await bundled('../workflows/by-hand.ts'),
        activities: {},
      }),
    ])
    const running = workers.map((worker) => worker.run())
    const figures = await measure(env)
    for (const worker of workers) worker.shutdown()
    await Promise.all(running)
    return {
      name: 'plan + run overhead per step',
      unit: 'ms',
      value: round(median(figures.plan)),
      better: 'lower',
      peers: { 'hand-written workflow': round(median(figures.byHand)) },
      note: `${STEPS} sequential steps, result of each kept in the store; median of ${ROUNDS}`,
    }
  } finally {
    await env.teardown()
  }
}

async function measure(env: TestWorkflowEnvironment): Promise<{ plan: number[]; byHand: number[] }> {
  const plan: number[] = []
  const hand: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    plan.push(await timed(() => runPlan(env, round)))
    hand.push(
      await timed(() =>
        env.client.workflow.execute<typeof byHand>('byHand', {
          workflowId: `hand-${round}`,
          taskQueue: 'by-hand',
          args: [STEPS],
        }),
      ),
    )
  }
  return { plan, byHand: hand }
}

function runPlan(env: TestWorkflowEnvironment, round: number): Promise<unknown> {
  // A salt of its own each round: nothing may come from the cache.
  const plan = buildPlan(chain, { salt: String(round) }, { pipeline: 'p', bundle: null, builtIn: () => 'v' })
  return env.client.workflow.execute<typeof runPipeline>('runPipeline', {
    workflowId: `plan-${round}`,
    taskQueue: 'gyre-pipeline',
    args: [{ run: `plan-${round}`, generation: 1, plan, settings: { heartbeatMs: 5_000, project: 'default' } }],
  })
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return (performance.now() - started) / STEPS
}

/** With the settings of `gyre dev`, on a SQLite file. */
async function startServer(folder: string): Promise<TestWorkflowEnvironment> {
  const { path: binary } = await findTemporalBinary({ say: () => undefined, env: process.env })
  if (!binary) throw new Error('this benchmark needs a Temporal server; ./gyre doctor says how to get one')
  return TestWorkflowEnvironment.createLocal({
    server: {
      executable: { type: 'existing-path', path: binary },
      dbFilename: path.join(folder, 'temporal.db'),
      extraArgs: [
        ...['--dynamic-config-value', 'history.transferProcessorMaxPollRPS=10000'],
        ...['--dynamic-config-value', 'system.enableActivityEagerExecution=true'],
        ...['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=NORMAL'],
        ...['--search-attribute', 'GyreStatus=Keyword'],
      ],
    },
  })
}
