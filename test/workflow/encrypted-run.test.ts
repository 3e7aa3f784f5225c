/** A run on a Temporal server that may know nothing: what the server keeps is read without the key, byte by byte. */

import { randomBytes } from 'node:crypto'
import { Context } from '@temporalio/activity'
import { ApplicationFailure } from '@temporalio/common'
import { Client, type WorkflowHandle } from '@temporalio/client'
import type { TestWorkflowEnvironment } from '@temporalio/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SessionState } from '#core/labelling'
import { dataConverter, type CodecKeys, type TemporalSettings } from '../../infra/temporal/index.ts'
import type { annotate, runPipeline } from '../../workflows/index.ts'
import type { RunReport } from '../../workflows/types.ts'
import { node, ran, runArgs, startTemporal, startWorkers, type Mocks } from '../support/temporal.ts'

const SECRET = 'patient-4711'
const KEYS = { old: randomBytes(32), new: randomBytes(32) }

let env: TestWorkflowEnvironment
let counter = 0
beforeAll(async () => void (env = await startTemporal()))
afterAll(() => env.teardown())

const state: SessionState = {
  session: '',
  status: 'open',
  images: 9,
  labelled: 3,
  screens: 1,
  misfits: 0,
  certified: null,
  humanSeconds: 1,
  speedUp: 1,
  screensLeft: null,
  pace: { grid: null, control: null },
  secondsLeft: null,
  people: 0,
  disagreements: 0,
  classes: [],
}

function settingsWith(active: keyof typeof KEYS, ...ids: (keyof typeof KEYS)[]): TemporalSettings {
  const codecKeys: CodecKeys = { active, keys: new Map(ids.map((id) => [id, KEYS[id]])) }
  return { address: env.address, namespace: 'default', tls: null, apiKey: null, codecKeys }
}

const clientWith = (settings: TemporalSettings): Client =>
  new Client({ connection: env.connection, dataConverter: dataConverter(settings) })

/** All text that a server could read in something, however it is wrapped. */
function textIn(value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1')
  if (Array.isArray(value)) return value.map(textIn).join('\n')
  return value !== null && typeof value === 'object' ? textIn(Object.entries(value)) : ''
}

/** As the server tells it, nothing decoded. */
function describeRaw(workflowId: string) {
  return env.connection.workflowService.describeWorkflowExecution({
    namespace: 'default',
    execution: { workflowId },
  })
}

async function storedOf(workflowId: string): Promise<string> {
  const history = await env.client.workflow.getHandle(workflowId).fetchHistory()
  return textIn([history, await describeRaw(workflowId)])
}

/** What the server knows of an activity that has sent a heartbeat. */
async function beating(workflowId: string): Promise<string> {
  for (;;) {
    const { pendingActivities } = await describeRaw(workflowId)
    if (pendingActivities?.some(({ heartbeatDetails }) => heartbeatDetails)) return textIn(pendingActivities)
  }
}

async function until(handle: WorkflowHandle, id: string, status: string): Promise<void> {
  for (;;) {
    const report = await handle.query<RunReport>('report')
    if (report.nodes.some((one) => one.id === id && one.status === status)) return
  }
}

describe('a run with encrypted payloads', () => {
  const steps: Mocks['steps'] = {
    async look() {
      const { heartbeat, info } = Context.current()
      heartbeat({ done: 1, unit: SECRET })
      expect(await beating(info.workflowExecution!.workflowId)).not.toContain(SECRET)
      return ran({ found: SECRET })
    },
    async annotate() {
      const { workflowExecution } = Context.current().info
      await clientWith(settingsWith('old', 'old'))
        .workflow.getHandle<typeof annotate>(workflowExecution!.workflowId)
        .signal('milestone', { kind: 'opened', state: { ...state, session: SECRET } })
      return ran({ labelled: SECRET })
    },
    fail() {
      throw ApplicationFailure.nonRetryable(`cannot read ${SECRET}`, 'IMAGE_UNREADABLE', { file: SECRET })
    },
  }

  it('leaves nothing of its parameters, results, answers and failures in the server', async () => {
    const settings = settingsWith('old', 'old')
    const workers = await startWorkers(env, { steps }, settings)
    const run = `secret-${(counter += 1)}`
    const args = runArgs(run, [
      node('look', { input: { folder: SECRET } }),
      node('label', { step: 'annotate', kind: 'annotate', needs: ['look'] }),
      node('ok', { step: 'approve', kind: 'approve', needs: ['label'] }),
      node('fail', { needs: ['ok'] }),
    ])
    const handle = await clientWith(settings).workflow.start<typeof runPipeline>('runPipeline', {
      workflowId: run,
      taskQueue: 'gyre-pipeline',
      args: [{ ...args, plan: { ...args.plan, params: { folder: SECRET } } }],
      staticSummary: SECRET,
      memo: { note: SECRET },
    })
    await until(handle, 'ok', 'waiting')
    await handle.executeUpdate('approve', { args: [{ node: 'ok', approved: true, by: SECRET, why: SECRET }] })
    await expect(handle.result()).rejects.toMatchObject({
      cause: { type: 'IMAGE_UNREADABLE', message: `fail: cannot read ${SECRET}` },
    })
    await workers.stop()

    const stored = (await storedOf(run)) + (await storedOf(`${run}/label`))
    expect(stored).toContain('binary/encrypted')
    expect(stored).toContain('Encoded failure')
    expect(stored).not.toContain(SECRET)
    // What stays readable: names that Temporal itself works with.
    expect(stored).toContain('IMAGE_UNREADABLE')
    expect(stored).toContain('look')
  })

  it('goes on when the key is changed while it runs', async () => {
    const before = settingsWith('old', 'old')
    const first = await startWorkers(env, { steps }, before)
    const run = `secret-${(counter += 1)}`
    const args = runArgs(run, [node('look'), node('ok', { step: 'approve', kind: 'approve', needs: ['look'] })])
    const started = await clientWith(before).workflow.start<typeof runPipeline>('runPipeline', {
      workflowId: run,
      taskQueue: 'gyre-pipeline',
      args: [args],
    })
    await until(started, 'ok', 'waiting')
    await first.stop()

    const after = settingsWith('new', 'old', 'new')
    const second = await startWorkers(env, { steps }, after)
    const handle = clientWith(after).workflow.getHandle<typeof runPipeline>(run)
    await handle.executeUpdate('approve', { args: [{ node: 'ok', approved: true, by: 'ada' }] })
    expect((await handle.result()).nodes[0]?.outputs).toEqual({ found: SECRET })
    await second.stop()

    const late = clientWith(settingsWith('new', 'new')).workflow.getHandle<typeof runPipeline>(run)
    expect((await late.result()).status).toBe('completed')
    const early = clientWith(before).workflow.getHandle<typeof runPipeline>(run)
    await expect(early.result()).rejects.toThrow('encrypted with the key "new"; add it to the file')
  })
})
