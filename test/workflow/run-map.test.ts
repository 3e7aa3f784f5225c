import { ApplicationFailure } from '@temporalio/common'
import type { WorkflowHandle } from '@temporalio/client'
import type { TestWorkflowEnvironment } from '@temporalio/testing'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { PlanMap } from '#core/plan'
import {
  node,
  ran,
  recordHistory,
  runArgs,
  startTemporal,
  startWorkers,
  type MockedWorkers,
} from '../support/temporal.ts'
import type { MapActivities } from '../../activities/maps.ts'
import type { runPipeline } from '../../workflows/index.ts'
import type { RunReport } from '../../workflows/types.ts'

let env: TestWorkflowEnvironment
let workers: MockedWorkers
let run: string
let counter = 0

beforeAll(async () => {
  env = await startTemporal(['--dynamic-config-value', 'limit.historyCount.suggestContinueAsNew=60'])
})
afterAll(() => env.teardown())
/** As in run-pipeline.test.ts: `GYRE_RECORD=1` records what test/replay replays. */
afterEach(async ({ task }) => {
  await workers.stop()
  if (!process.env.GYRE_RECORD) return
  await recordHistory(env, run, `map ${task.name}`)
  await recordHistory(env, `${run}/over`, `items of map ${task.name}`)
})

type ChunkArgs = Parameters<MapActivities['chunk']>[0]

interface Items {
  readonly items: number
  readonly hits?: number
  readonly chunk: (args: ChunkArgs) => ReturnType<MapActivities['chunk']>
}

const TABLE = { kind: 'table', rows: 1, failed: 0, failures: null }

async function start(
  { items, hits = 0, chunk }: Items,
  terms: Partial<PlanMap> = {},
): Promise<WorkflowHandle<typeof runPipeline>> {
  run = `map-${(counter += 1)}`
  const close: MapActivities['close'] = async ({ atLeast }) => {
    if (atLeast > 0.5) return ran(TABLE)
    throw ApplicationFailure.nonRetryable('too many items failed', 'MAP_ITEMS_FAILED')
  }
  const open = async () => ({ items, hits, todo: items - hits, parts: 'p' })
  const steps = { 'map-open': open, 'map-chunk': chunk, 'map-close': close, after: () => ran('after') }
  workers = await startWorkers(env, { steps: steps as never })
  const map: PlanMap = { over: [1, 2], concurrency: 2, atLeast: 1, attempts: 3, ...terms }
  const nodes = [
    node('over', { step: 'double', kind: 'map', map, input: { n: { $ref: '$item', path: [] } } as never }),
    node('after', { needs: ['over'] }),
  ]
  return env.client.workflow.start<typeof runPipeline>('runPipeline', {
    workflowId: run,
    taskQueue: 'gyre-pipeline',
    args: [runArgs(run, nodes)],
  })
}

describe('a map', () => {
  it('hands each item out once, in growing chunks, and goes on with its table', async () => {
    const chunks: [number, number][] = []
    const handle = await start({
      items: 5_000,
      hits: 1_000,
      async chunk({ from, to }) {
        chunks.push([from, to])
        return { done: to - from, failed: 0, ms: (to - from) / 10 }
      },
    })
    const { nodes } = await handle.result()
    expect(nodes.map(({ id, status, outputs }) => [id, status, outputs])).toEqual([
      ['over', 'completed', TABLE],
      ['after', 'completed', 'after'],
    ])
    const inOrder = chunks.sort(([a], [b]) => a - b)
    expect(inOrder[0]![0]).toBe(0)
    expect(inOrder.at(-1)![1]).toBe(4_000)
    for (const [at, [from]] of inOrder.entries()) if (at > 0) expect(from).toBe(inOrder[at - 1]![1])
    expect(Math.max(...inOrder.map(([from, to]) => to - from))).toBeGreaterThan(100)
    expect(Math.max(...inOrder.map(([from, to]) => to - from))).toBeLessThanOrEqual(2_000)
  })

  it('begins a new history before the old one grows long, and does no item twice', async () => {
    const seen: number[] = []
    const handle = await start({
      items: 60,
      async chunk({ from, to }) {
        for (let item = from; item < to; item += 1) seen.push(item)
        return { done: to - from, failed: 0, ms: 1_000 * (to - from) }
      },
    })
    const child = env.client.workflow.getHandle(`${run}/over`)
    await handle.result()
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, item) => item))
    const { events } = await child.fetchHistory()
    expect(events![0]!.workflowExecutionStartedEventAttributes!.continuedExecutionRunId).not.toBe('')
  })

  it('shows how far it is in the report of its run', async () => {
    let go!: () => void
    const released = new Promise<void>((resolve) => (go = resolve))
    const handle = await start(
      {
        items: 40,
        hits: 8,
        async chunk({ from, to }) {
          if (from > 0) await released
          return { done: to - from - 1, failed: 1, ms: 1 }
        },
      },
      { atLeast: 0.6, concurrency: 2 },
    )
    for (;;) {
      const { nodes } = await handle.query<RunReport>('report')
      if (nodes[0]!.reason?.includes('failed')) {
        expect(nodes[0]!.reason).toBe('24 of 40 items, 1 failed, 8 known from before')
        break
      }
    }
    go()
    await handle.result()
  })

  it('hands nothing more out once more items have failed than may', async () => {
    const chunks: number[] = []
    const handle = await start(
      {
        items: 1_000,
        async chunk({ from, to }) {
          chunks.push(from)
          return { done: 0, failed: to - from, ms: 1 }
        },
      },
      { atLeast: 0.5, concurrency: 1 },
    )
    await expect(handle.result()).rejects.toMatchObject({
      cause: { type: 'MAP_ITEMS_FAILED', message: 'over: too many items failed' },
    })
    expect(chunks).toEqual([0, 16, 144])
  })

  it('ends with its run when that is cancelled, after its chunks have ended', async () => {
    let started!: () => void
    const isStarted = new Promise<void>((resolve) => (started = resolve))
    const { Context } = await import('@temporalio/activity')
    let ended = 0
    const handle = await start({
      items: 100,
      async chunk() {
        started()
        const { cancelled, heartbeat } = Context.current()
        const beating = setInterval(() => heartbeat(), 20)
        try {
          return await cancelled
        } finally {
          clearInterval(beating)
          ended += 1
        }
      },
    })
    await isStarted
    await handle.cancel()
    await expect(handle.result()).rejects.toThrow()
    expect(ended).toBeGreaterThan(0)
    expect((await env.client.workflow.getHandle(`${run}/over`).describe()).status.name).toBe('CANCELLED')
    expect(workers.told.outcomes[0]!.report.status).toBe('cancelled')
  })
})
