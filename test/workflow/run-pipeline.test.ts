import { Context } from '@temporalio/activity'
import { ApplicationFailure } from '@temporalio/common'
import {
  WorkflowFailedError,
  WorkflowUpdateFailedError,
  type WorkflowHandleWithFirstExecutionRunId,
} from '@temporalio/client'
import type { TestWorkflowEnvironment } from '@temporalio/testing'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { PlanNode } from '#core/plan'
import {
  node,
  ran,
  recordHistory,
  ref,
  runArgs,
  startTemporal,
  startWorkers,
  type MockedWorkers,
  type Mocks,
} from '../support/temporal.ts'
import type { annotate, runPipeline } from '../../workflows/index.ts'
import type { RunReport, StepCall } from '../../workflows/types.ts'

let env: TestWorkflowEnvironment
let workers: MockedWorkers
let counter = 0
beforeAll(async () => {
  env = await startTemporal()
})
afterAll(() => env.teardown())
/** `GYRE_RECORD=1 npx vitest run test/workflow` records the histories that test/replay replays. */
afterEach(async ({ task }) => {
  await workers.stop()
  if (!process.env.GYRE_RECORD) return
  await recordHistory(env, `run-${counter}`, task.name)
  if (task.suite?.name === 'annotate') await recordHistory(env, `run-${counter}/label`, `child ${task.name}`)
})

async function start(
  mocks: Mocks,
  ...nodes: readonly PlanNode[]
): Promise<WorkflowHandleWithFirstExecutionRunId<typeof runPipeline>> {
  workers = await startWorkers(env, mocks)
  const run = `run-${(counter += 1)}`
  return env.client.workflow.start<typeof runPipeline>('runPipeline', {
    workflowId: run,
    taskQueue: 'gyre-pipeline',
    args: [runArgs(run, nodes)],
  })
}

const statuses = ({ nodes }: RunReport): string[] => nodes.map(({ id, status }) => `${id} ${status}`)

/** Resolves when the workflow reports this status for a node. */
async function until(handle: { query<T>(name: string): Promise<T> }, id: string, status: string): Promise<void> {
  for (;;) {
    const report = await handle.query<RunReport>('report')
    if (report.nodes.some((one) => one.id === id && one.status === status)) return
  }
}

describe('runPipeline', () => {
  it('runs what the graph allows in parallel and passes outputs along', async () => {
    let release!: () => void
    const bothStarted = new Promise<void>((resolve) => (release = resolve))
    let started = 0
    const meet = async (): Promise<ReturnType<typeof ran>> => {
      if ((started += 1) === 2) release()
      await bothStarted
      return ran({ value: started })
    }
    const inputs: unknown[] = []
    const handle = await start(
      { steps: { left: meet, right: meet, join: ({ input }) => (inputs.push(input), ran('joined')) } },
      node('left'),
      node('right'),
      node('join', { needs: ['left', 'right'], input: { a: ref('left', 'value'), b: ref('right', 'value') } }),
    )
    const report = await handle.result()
    expect(statuses(report)).toEqual(['left completed', 'right completed', 'join completed'])
    expect(inputs).toEqual([{ a: 2, b: 2 }])
    expect(workers.told.outcomes).toMatchObject([{ generation: 1, report: { status: 'completed' } }])
  })

  it('hands a container step what it runs, and GPUs to those that ask for them', async () => {
    const container = { image: 'python:3.12', command: ['python', 'x.py'] }
    const calls: unknown[] = []
    const take = (call: StepCall) => (calls.push(call), ran('done'))
    const handle = await start(
      { steps: { 'container-step': take, train: take } },
      node('shrink', { bundle: 'b'.repeat(64), container }),
      node('train', { policy: { ...node('train').policy, gpus: 2 }, needs: ['shrink'] }),
    )
    expect(statuses(await handle.result())).toEqual(['shrink completed', 'train completed'])
    expect(calls).toMatchObject([
      { node: 'shrink', step: 'shrink', container },
      { node: 'train', gpus: 2 },
    ])
  })

  it('skips a node whose condition does not hold', async () => {
    const handle = await start(
      { steps: { check: () => ran({ good: false }) } },
      node('check'),
      node('deploy', { needs: ['check'], when: { kind: 'is', ref: ref('check', 'good') } }),
    )
    expect(statuses(await handle.result())).toEqual(['check completed', 'deploy skipped'])
  })

  it('takes results that exist instead of running', async () => {
    const handle = await start(
      {
        steps: { last: ({ input }) => ran(input) },
        resolve: ({ id }, input) =>
          id === 'last'
            ? { kind: 'run', input, key: 'k', reason: 'no equal result yet' }
            : { kind: 'found', origin: id === 'first' ? 'recovered' : 'hit', output: { from: id }, reason: 'because' },
      },
      node('first'),
      node('second', { needs: ['first'] }),
      node('last', { needs: ['second'], input: ref('second', 'from') as never }),
    )
    const { nodes } = await handle.result()
    expect(nodes.map(({ origin, outputs }) => [origin, outputs])).toEqual([
      ['recovered', { from: 'first' }],
      ['hit', { from: 'second' }],
      ['ran', 'second'],
    ])
  })

  it('takes a whole chain of results that exist in one step of its history', async () => {
    const chain = Array.from({ length: 40 }, (_, index) =>
      node(`n${index}`, index === 0 ? {} : { needs: [`n${index - 1}`], input: ref(`n${index - 1}`) as never }),
    )
    const handle = await start(
      { steps: {}, resolve: ({ id }) => ({ kind: 'found', origin: 'hit', output: id, reason: 'because' }) },
      ...chain,
    )
    const { nodes } = await handle.result()
    expect(nodes.at(-1)).toMatchObject({ status: 'completed', origin: 'hit', outputs: 'n39' })
    expect(workers.told.advances).toHaveLength(1)
  })

  it('starts what the activity before has decided, without asking again', async () => {
    const at = new Date().toISOString()
    const calls: StepCall[] = []
    const handle = await start(
      {
        steps: {
          first: (call) => {
            calls.push(call)
            const quick = { id: 'quick', kind: 'done', origin: 'ran', output: 2, reason: 'new', ran: true } as const
            const last = { id: 'last', kind: 'start', input: 3, key: null, reason: 'no equal result yet' } as const
            return { ...ran(1), next: [{ ...quick, startedAt: at, endedAt: at }, last] }
          },
          last: (call) => (calls.push(call), ran('done')),
        },
      },
      node('first'),
      node('quick', { needs: ['first'] }),
      node('last', { needs: ['quick'] }),
      node('both', { step: 'last', needs: ['first', 'last'] }),
    )
    const report = await handle.result()
    expect(report.nodes.map(({ id, origin, outputs }) => [id, origin, outputs])).toEqual([
      ['first', 'ran', 1],
      ['quick', 'ran', 2],
      ['last', 'ran', 'done'],
      ['both', 'ran', 'done'],
    ])
    expect(calls.map(({ node: id, then, input }) => [id, then, input])).toEqual([
      ['first', ['quick'], {}],
      ['last', ['both'], 3],
      ['both', undefined, {}],
    ])
    expect(workers.told.advances).toHaveLength(2)
  })

  it('tells what ran before a node: nothing, where all results were taken over', async () => {
    const before: [string, boolean][] = []
    const handle = await start(
      {
        steps: { ran: () => ran(1), 'after-ran': () => ran(1) },
        resolve: ({ id }, input, ranBefore) => {
          before.push([id, ranBefore])
          if (id === 'ran' || id === 'after-ran') return { kind: 'run', input, key: null, reason: 'new' }
          return { kind: 'found', origin: 'reused', output: 1, reason: 'as before' }
        },
      },
      node('reused'),
      node('ran'),
      node('after-reused', { needs: ['reused'] }),
      node('after-ran', { needs: ['reused', 'ran'] }),
      node('last', { needs: ['after-ran'] }),
    )
    await handle.result()
    expect(new Map(before)).toEqual(
      new Map([
        ['reused', false],
        ['ran', false],
        ['after-reused', false],
        ['after-ran', true],
        ['last', true],
      ]),
    )
  })

  it('retries what may succeed and counts the attempts', async () => {
    const flaky = (): ReturnType<typeof ran> => {
      const { attempt } = Context.current().info
      if (attempt < 3) throw ApplicationFailure.retryable('not yet', 'INTERNAL')
      return { ...ran('done'), attempts: attempt }
    }
    const policy = { ...node('a').policy, attempts: 5 }
    const { nodes } = await (await start({ steps: { flaky } }, node('flaky', { policy }))).result()
    expect(nodes[0]).toMatchObject({ status: 'completed', attempts: 3 })
  })

  it('fails with the code and cause of the first failed node, and lets others finish', async () => {
    const handle = await start(
      {
        steps: {
          bad: () => {
            throw ApplicationFailure.nonRetryable('k=64 exceeds the 40 images', 'CLUSTERING_TOO_FEW_IMAGES')
          },
          good: async () => {
            await until(handle, 'bad', 'failed')
            return ran(1)
          },
        },
      },
      node('bad'),
      node('good'),
      node('after', { needs: ['good'] }),
    )
    const failure = await handle.result().catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(WorkflowFailedError)
    expect((failure as WorkflowFailedError).cause).toMatchObject({
      type: 'CLUSTERING_TOO_FEW_IMAGES',
      message: 'bad: k=64 exceeds the 40 images',
    })
    expect(statuses(workers.told.outcomes[0]!.report as RunReport)).toEqual([
      'bad failed',
      'good completed',
      'after queued',
    ])
  })

  it('fails a node whose input does not fit, without running it', async () => {
    const handle = await start(
      { steps: {}, resolve: () => ({ kind: 'invalid', code: 'INVALID_INPUT', message: 'input k: too small' }) },
      node('a'),
    )
    await expect(handle.result()).rejects.toMatchObject({
      cause: { type: 'INVALID_INPUT', message: 'a: input k: too small' },
    })
  })

  it('ends a cancelled run after its activities have ended, and writes the outcome', async () => {
    let ended = false
    const long = async (): Promise<never> => {
      const { cancelled, heartbeat } = Context.current()
      const beating = setInterval(() => heartbeat(), 20)
      try {
        return await cancelled
      } finally {
        clearInterval(beating)
        ended = true
      }
    }
    const handle = await start({ steps: { long } }, node('long'), node('after', { needs: ['long'] }))
    await until(handle, 'long', 'running')
    await handle.cancel()
    await expect(handle.result()).rejects.toBeInstanceOf(WorkflowFailedError)
    expect(ended).toBe(true)
    expect(workers.told.outcomes[0]!.report.status).toBe('cancelled')
    expect(statuses(workers.told.outcomes[0]!.report as RunReport)).toEqual(['long cancelled', 'after queued'])
    expect((await handle.describe()).status.name).toBe('CANCELLED')
  })

  it('shows the DAG with its states, and its status as a search attribute', async () => {
    const handle = await start({ steps: { a: () => ran(1) } }, node('a'))
    await handle.result()
    const description = await handle.describe()
    expect(description.searchAttributes.GyreStatus).toEqual(['completed'])
    const details = await handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata')
    expect(details.currentDetails).toContain('| ✓ completed | **a** | a |')
  })
})

describe('an approval', () => {
  const approval = node('ok', { step: 'approve', kind: 'approve', input: { allowUnverified: false } })

  it('goes on when a named person approves, and keeps who, when and why', async () => {
    const handle = await start({ steps: {} }, approval)
    await until(handle, 'ok', 'waiting')
    await handle.executeUpdate('approve', { args: [{ node: 'ok', approved: true, by: 'ada', why: 'looks right' }] })
    const { nodes } = await handle.result()
    expect(nodes[0]!.outputs).toMatchObject({ approved: true, by: 'ada', why: 'looks right' })
    expect(workers.told.recorded[0]!.output).toMatchObject({ by: 'ada' })
  })

  it('refuses an answer that names nobody or a step that asks nothing, and leaves no trace of it', async () => {
    const handle = await start({ steps: {} }, approval)
    await until(handle, 'ok', 'waiting')
    const before = (await handle.fetchHistory()).events!.length
    const answer = (value: object): Promise<unknown> => handle.executeUpdate('approve', { args: [value] })
    await expect(answer({ node: 'ok', approved: true })).rejects.toBeInstanceOf(WorkflowUpdateFailedError)
    await expect(answer({ node: 'other', approved: true, by: 'ada' })).rejects.toBeInstanceOf(WorkflowUpdateFailedError)
    await handle.signal('approve-unverified', { node: 'other', approved: true })
    await answer({ node: 'ok', approved: false, by: 'ada', why: 'too risky' })
    await expect(handle.result()).rejects.toMatchObject({
      cause: { type: 'APPROVAL_REFUSED', message: 'ok: refused by ada: too risky' },
    })
    const accepted = (await handle.fetchHistory()).events!.filter(
      ({ workflowExecutionUpdateAcceptedEventAttributes: a }) => a,
    )
    expect(accepted).toHaveLength(1)
    expect(before).toBeGreaterThan(0)
  })

  it('takes a signal from the Temporal UI where the approval allows an unverified answer', async () => {
    const handle = await start({ steps: {} }, { ...approval, input: { allowUnverified: true } })
    await until(handle, 'ok', 'waiting')
    await handle.signal('approve-unverified', { node: 'ok', approved: true })
    expect((await handle.result()).nodes[0]!.outputs).toMatchObject({ by: 'unverified:temporal-ui' })
  })
})

describe('annotate', () => {
  const labelling = node('label', { step: 'annotate', kind: 'annotate' })
  const state = {
    session: 's',
    status: 'open',
    images: 10,
    labelled: 3,
    screens: 1,
    misfits: 0,
    certified: null,
    humanSeconds: 1,
    speedUp: 2,
    screensLeft: null,
  }

  it('shows milestones and stops early when a named person asks', async () => {
    let stop!: () => void
    const stopped = new Promise<void>((resolve) => (stop = resolve))
    const handle = await start(
      {
        steps: {
          async annotate() {
            await stopped
            return ran({ labelled: 3 })
          },
        },
      },
      labelling,
    )
    await until(handle, 'label', 'waiting')
    const child = env.client.workflow.getHandle<typeof annotate>(`${handle.workflowId}/label`)
    await child.signal('milestone', { kind: 'opened', state })
    const { currentDetails } = await child.query<{ currentDetails: string }>('__temporal_workflow_metadata')
    expect(currentDetails).toContain('3 of 10 images labelled')
    await expect(child.executeUpdate('stop', { args: [{ by: '' }] })).rejects.toBeInstanceOf(WorkflowUpdateFailedError)
    await child.executeUpdate('stop', { args: [{ by: 'ada' }] })
    await expect(child.executeUpdate('stop', { args: [{ by: 'ada' }] })).rejects.toBeInstanceOf(
      WorkflowUpdateFailedError,
    )
    expect(workers.told.stopped).toEqual([{ run: handle.workflowId, node: 'label', by: 'ada' }])
    stop()
    expect((await handle.result()).nodes[0]!.outputs).toEqual({ labelled: 3 })
  })
})
