/** Triggers on a real server: their schedules, what each fire starts, and that no cause has two runs. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { TestWorkflowEnvironment } from '@temporalio/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { silentLogger } from '#core/log'
import { signatureOf } from '#core/notify'
import { readRun } from '#core/runs'
import { createMemoryStore, movePointer, type ObjectStore } from '#core/storage'
import { reportDrift, type Fire } from '#core/triggers'
import { createTriggerActivities, endedRunsOf } from '../../activities/triggers.ts'
import { createTriggers, type Triggers } from '../../apps/api/triggers.ts'
import { plans, ran, recordHistory, startTemporal, startWorkers, type MockedWorkers } from '../support/temporal.ts'

let env: TestWorkflowEnvironment
let store: ObjectStore
let project: string
let projectDir: string
let triggers: Triggers
let workers: MockedWorkers
/** Lets the steps that wait go on. */
let release: () => void
let tests = 0

beforeAll(async () => {
  env = await startTemporal()
}, 60_000)
afterAll(() => env?.teardown())

beforeEach(async () => {
  tests += 1
  project = `p${tests}`
  projectDir = await mkdtemp(path.join(os.tmpdir(), 'gyre-triggers-'))
  await mkdir(path.join(projectDir, 'pipelines'))
  store = createMemoryStore()
  const planning = { store, projectDir, bundleDir: path.join(projectDir, 'bundles') }
  const gate = new Promise<void>((open) => (release = open))
  const { prepareFire } = createTriggerActivities({ ...planning, endedRuns: endedRunsOf(env.client) })
  const steps = {
    'snapshot-dataset': async ({ input }: { input: unknown }) => {
      if ((input as { ref?: string }).ref === 'held') await gate
      return ran({})
    },
    prepareFire: (async (request: Parameters<typeof prepareFire>[0]) => {
      const prepared = await prepareFire(request)
      if (prepared) plans.set(prepared.record.run, prepared.record.plan)
      return prepared
    }) as never,
  }
  workers = await startWorkers(env, { steps })
  const settings = { heartbeatMs: 2_000, project }
  triggers = createTriggers({ ...planning, client: env.client, settings, hookKey: 'k'.repeat(32), log: silentLogger() })
})

afterEach(async () => {
  release()
  await rm(path.join(projectDir, 'pipelines'), { recursive: true })
  await mkdir(path.join(projectDir, 'pipelines'))
  await triggers.reconcile()
  await workers.stop()
  await rm(projectDir, { recursive: true })
})

/** A pipeline of one step. */
async function define(name: string, list: string, { ref = 'latest', params = '' } = {}): Promise<void> {
  await writeFile(
    path.join(projectDir, 'pipelines', `${name}.ts`),
    `import { z } from 'zod'
     import { definePipeline, onDrift, onNewImages, onRefMoved, onRunEnd, onSchedule, onWebhook } from 'gyre/pipeline'
     import * as steps from 'gyre/steps'
     export default definePipeline({ name: '${name}', triggers: [${list}], params: z.object({ ${params} }),
       build: ({ step }) => void step('snapshot', steps.snapshotDataset, { dataset: 'parts', ref: '${ref}' }) })`,
  )
  await triggers.reconcile()
}

const YEARLY = `onSchedule({ cron: '0 3 1 1 *', name: 'yearly' })`
const fires = (pipeline: string, name: string) => triggers.fires(pipeline, name)
const untilFires = (pipeline: string, name: string, count: number): Promise<readonly Fire[]> =>
  expect
    .poll(() => fires(pipeline, name), { timeout: 10_000 })
    .toHaveLength(count)
    .then(() => fires(pipeline, name))

/** The status of a run as its outcome was told. */
const untilEnded = (run: string | null) =>
  expect.poll(() => workers.told.outcomes.map((told) => told.run), { timeout: 10_000 }).toContain(run)

/** Lets a trigger look, and waits until it has. */
async function look(pipeline: string, name: string): Promise<void> {
  const handle = env.client.schedule.getHandle(`gyre:${project}:${pipeline}:${name}`)
  const before = (await handle.describe()).info.numActionsTaken
  await triggers.fire(pipeline, name)
  const description = async () => (await handle.describe()).info
  await expect.poll(async () => (await description()).numActionsTaken).toBe(before + 1)
  const { recentActions } = await description()
  const started = recentActions.at(-1)!.action.workflow
  await env.client.workflow.getHandle(started.workflowId, started.firstExecutionRunId).result()
}

describe('a schedule', () => {
  it('follows the definition, and stays paused when it changes', async () => {
    await define('nightly', YEARLY)
    await triggers.pause('nightly', 'yearly', 'ada')
    await define('nightly', `onSchedule({ every: '6h', name: 'yearly' }), onDrift({ endpoint: 'parts' })`)
    expect(await triggers.list()).toMatchObject([
      { pipeline: 'nightly', name: 'yearly', text: 'every 6h', paused: true, next: null, last: null },
      { name: 'drift', text: 'parts drifts', paused: false },
    ])
    await triggers.resume('nightly', 'yearly', 'ada')
    expect((await triggers.list())[0]).toMatchObject({ paused: false, next: expect.stringMatching(/^20/) })
    await define('nightly', '')
    const handle = env.client.schedule.getHandle(`gyre:${project}:nightly:yearly`)
    await expect
      .poll(() =>
        handle.describe().then(
          () => 'there',
          (error: Error) => error.name,
        ),
      )
      .toBe('ScheduleNotFoundError')
  })

  it('starts a run with its cause and its params', async () => {
    await define('nightly', `onSchedule({ every: '1d', params: { epochs: 3 } })`, { params: 'epochs: z.int()' })
    await triggers.fire('nightly', 'schedule')
    const [fire] = await untilFires('nightly', 'schedule', 1)
    expect(fire).toMatchObject({ trigger: 'schedule', cause: { kind: 'schedule', trigger: 'schedule' }, problem: null })
    expect(fire!.run).toMatch(/^nightly-\d{8}-\d{6}-[0-9a-f]{8}$/)
    const record = await readRun(store, fire!.run!)
    expect(record).toMatchObject({ by: 'trigger:schedule', cause: fire!.cause, plan: { params: { epochs: 3 } } })
    await untilEnded(fire!.run)
  })

  it('makes up for past times once each, however often it is asked', async () => {
    await define('nightly', `onSchedule({ cron: '0 3 * * *' })`)
    const span = { from: new Date('2026-01-05T03:00:00Z'), to: new Date('2026-01-07T12:00:00Z'), by: 'ada' }
    await triggers.backfill('nightly', 'schedule', span)
    const made = await untilFires('nightly', 'schedule', 3)
    expect(made.map(({ at, cause }) => [at.slice(0, 10), cause.kind])).toEqual([
      ['2026-01-07', 'backfill'],
      ['2026-01-06', 'backfill'],
      ['2026-01-05', 'backfill'],
    ])
    for (const { run } of made) await untilEnded(run)
    const handle = env.client.schedule.getHandle(`gyre:${project}:nightly:schedule`)
    await triggers.backfill('nightly', 'schedule', span)
    await expect.poll(async () => (await handle.describe()).info.numActionsTaken, { timeout: 10_000 }).toBe(6)
    await expect.poll(async () => (await handle.describe()).info.runningActions).toEqual([])
    expect(await fires('nightly', 'schedule')).toEqual(made)
    expect(workers.told.outcomes).toHaveLength(3)
  })

  it('leaves out what is due while its run is not over', async () => {
    await define('nightly', YEARLY, { ref: 'held' })
    await triggers.fire('nightly', 'yearly')
    const [first] = await untilFires('nightly', 'yearly', 1)
    await triggers.fire('nightly', 'yearly')
    const handle = env.client.schedule.getHandle(`gyre:${project}:nightly:yearly`)
    await expect.poll(async () => (await handle.describe()).info.numActionsSkippedOverlap).toBe(1)
    release()
    await untilEnded(first!.run)
    expect(await fires('nightly', 'yearly')).toHaveLength(1)
  })

  it('says why it could start nothing', async () => {
    await define('nightly', YEARLY, { params: 'epochs: z.int()' })
    await look('nightly', 'yearly')
    expect(await fires('nightly', 'yearly')).toMatchObject([{ run: null, problem: expect.stringContaining('epochs') }])
  })
})

describe('a trigger on data', () => {
  const importImages = (images: number, seq: number) =>
    movePointer(
      store,
      'datasets/parts/refs/latest',
      { version: String(seq).repeat(64), images },
      { by: 'test', expectedSeq: seq - 1 },
    )

  it('starts when there are images enough since the last start, and not when it is first seen', async () => {
    await importImages(500, 1)
    await define('retrain', `onNewImages({ dataset: 'parts', atLeast: 100 })`)
    await look('retrain', 'new-images')
    await importImages(599, 2)
    await look('retrain', 'new-images')
    expect(await fires('retrain', 'new-images')).toEqual([])
    await importImages(600, 3)
    await look('retrain', 'new-images')
    await look('retrain', 'new-images')
    const all = await fires('retrain', 'new-images')
    expect(all.map(({ cause }) => cause.text)).toEqual([expect.stringMatching(/^100 new images in parts since /)])
    expect(all[0]!.run).toMatch(/^retrain-new-images-[0-9a-f]{8}$/)
  })

  it('starts when a reference moved, or an endpoint drifted', async () => {
    await importImages(5, 1)
    await define('react', `onRefMoved({ dataset: 'parts' }), onDrift({ endpoint: 'parts' })`)
    for (const name of ['ref-moved', 'drift']) await look('react', name)
    await importImages(6, 2)
    await reportDrift(store, 'parts', 'share of dents rose from 4 % to 19 %', 'watcher')
    for (const name of ['ref-moved', 'drift', 'ref-moved', 'drift']) await look('react', name)
    expect(await fires('react', 'ref-moved')).toMatchObject([{ cause: { text: 'parts@latest moved to 222222222222' } }])
    expect(await fires('react', 'drift')).toMatchObject([
      { cause: { text: 'parts: share of dents rose from 4 % to 19 %' } },
    ])
  })

  it('starts after a run of another pipeline', async () => {
    await define('after', `onRunEnd({ pipeline: 'first-${project}' })`)
    await look('after', 'run-ended')
    await define(`first-${project}`, YEARLY)
    await look(`first-${project}`, 'yearly')
    const [first] = await fires(`first-${project}`, 'yearly')
    await expect
      .poll(
        async () => {
          await look('after', 'run-ended')
          return fires('after', 'run-ended')
        },
        { timeout: 15_000 },
      )
      .toMatchObject([{ cause: { text: `${first!.run} completed` } }])
  })
})

describe('a webhook', () => {
  const body = Buffer.from(JSON.stringify({ params: { epochs: 5 } }))
  const now = () => Math.floor(Date.now() / 1_000)
  const deliver = (id: string, secret: string, at = now()) =>
    triggers.deliver('hooked', 'upload', { id, signature: signatureOf(secret, body, at), body, params: { epochs: 5 } })

  it('starts one run for a delivery, however often it comes', async () => {
    await define('hooked', `onWebhook({ name: 'upload', params: { epochs: 1 } })`, { params: 'epochs: z.int()' })
    const secret = await triggers.newSecret('hooked', 'upload', 'ada')
    await deliver('d-1', secret)
    await deliver('d-1', secret)
    await deliver('d-2', secret)
    const all = await untilFires('hooked', 'upload', 2)
    expect(all.map(({ cause }) => cause.text).toSorted()).toEqual(['delivery d-1', 'delivery d-2'])
    expect((await readRun(store, all[0]!.run!)).plan.params).toEqual({ epochs: 5 })
    for (const { run } of all) await untilEnded(run)
    expect(workers.told.outcomes).toHaveLength(2)
    if (process.env.GYRE_RECORD) await recordHistory(env, `gyre:${project}:hooked:upload:d-1`, 'a webhook fires a run')
  })

  it('is refused without the newest secret, too late, or while it is paused', async () => {
    await define('hooked', `onWebhook({ name: 'upload' })`, { params: 'epochs: z.int()' })
    await expect(deliver('a', 'none')).rejects.toMatchObject({ code: 'WEBHOOK_REFUSED' })
    const old = await triggers.newSecret('hooked', 'upload', 'ada')
    const secret = await triggers.newSecret('hooked', 'upload', 'ada')
    await expect(deliver('a', old)).rejects.toThrow('does not belong to this body and secret')
    await expect(deliver('a', secret, now() - 400)).rejects.toThrow('300 s at most')
    await triggers.pause('hooked', 'upload', 'ada')
    await expect(deliver('a', secret)).rejects.toThrow('is paused')
    expect(await fires('hooked', 'upload')).toEqual([])
  })
})
