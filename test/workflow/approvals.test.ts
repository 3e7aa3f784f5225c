/** Approvals on a real server: who may answer, how many must, what they fill in, and what happens when nobody does. */

import type { WorkflowHandle } from '@temporalio/client'
import type { TestWorkflowEnvironment } from '@temporalio/testing'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { approval } from '#core/steps'
import { digestJson } from '#core/storage'
import { node, recordHistory, runArgs, startTemporal, startWorkers, type MockedWorkers } from '../support/temporal.ts'
import type { NewsKind } from '#core/notify'
import type { Json } from '#core/plan'
import type { OpenQuestion } from '../../workflows/messages.ts'
import type { RunReport } from '../../workflows/types.ts'

let env: TestWorkflowEnvironment
let workers: MockedWorkers | undefined
let started = 0

beforeAll(async () => {
  env = await startTemporal()
}, 60_000)
afterEach(async () => {
  await workers?.stop()
  workers = undefined
})
afterAll(() => env?.teardown())

type Handle = WorkflowHandle & { result(): Promise<RunReport> }

async function ask(input: Json, notify: readonly NewsKind[] = []): Promise<Handle> {
  workers ??= await startWorkers(env, { steps: {} })
  started += 1
  const args = runArgs(`approvals-${started}`, [node('ok', { step: 'approve', kind: 'approve', input })])
  const handle = await env.client.workflow.start('runPipeline', {
    workflowId: args.run,
    taskQueue: 'gyre-pipeline',
    args: [{ ...args, settings: { ...args.settings, notify } }],
  })
  await expect.poll(() => questionsOf(handle)).toHaveLength(1)
  return handle as Handle
}

/** As in run-pipeline.test.ts: `GYRE_RECORD=1` records what test/replay replays. */
async function record(handle: Handle, name: string): Promise<void> {
  if (process.env.GYRE_RECORD) await recordHistory(env, handle.workflowId, name)
}

const questionsOf = (handle: WorkflowHandle) => handle.query<readonly OpenQuestion[]>('questions')

const answer = (handle: WorkflowHandle, by: string, extra: object = {}) =>
  handle.executeUpdate('approve', { args: [{ node: 'ok', approved: true, by, ...extra }] })

/** The sentence with which an answer is refused; fails when it is taken. */
async function refusal(handle: WorkflowHandle, by: string, extra: object = {}): Promise<string> {
  const error = await answer(handle, by, extra).then(
    () => null,
    (refused: unknown) => refused as { cause?: Error },
  )
  return error?.cause?.message ?? 'was taken'
}

async function eventCount(handle: WorkflowHandle): Promise<number> {
  return (await handle.fetchHistory()).events?.length ?? 0
}

const outcome = async (handle: Handle) => (await handle.result()).nodes[0]!.outputs as Record<string, unknown>
const causeOf = (handle: Handle) =>
  handle.result().then(
    () => null,
    (error: { cause?: { type?: string; message?: string } }) => `${error.cause?.type}: ${error.cause?.message}`,
  )

describe('who may answer', () => {
  it('are the people and roles that the step names; a refused answer leaves no event', async () => {
    const handle = await ask({ by: ['ada', 'role:owner'], subject: { a: 1 } })
    const before = await eventCount(handle)
    expect(await refusal(handle, 'bob', { role: 'engineer' })).toBe(
      'by: bob (engineer) is not among those whom step "ok" asks: ada, role:owner',
    )
    expect(await refusal(handle, 'unverified:temporal-ui')).toContain('is not among those')
    expect(await eventCount(handle)).toBe(before)
    await answer(handle, 'eve', { role: 'owner', why: 'checked' })
    expect(await outcome(handle)).toMatchObject({
      ...{ approved: true, by: 'eve', why: 'checked', form: null, subject: digestJson({ a: 1 }) },
      answers: [{ by: 'eve', role: 'owner', why: 'checked' }],
    })
    expect(workers!.told.asked[0]).toMatchObject({ node: 'ok', terms: { by: ['ada', 'role:owner'] } })
    expect(workers!.told.closed).toEqual(['ok'])
  })

  it('are as many different people as the step wants', async () => {
    const handle = await ask({ approvals: 2 })
    await answer(handle, 'ada')
    const before = await eventCount(handle)
    expect(await refusal(handle, 'ada')).toMatch(/^by: ada has answered step "ok" already/)
    expect(await eventCount(handle)).toBe(before)
    expect((await handle.query<RunReport>('report')).nodes[0]!.reason).toMatch(/^1 of 2 agreed \(ada\)/)
    await answer(handle, 'bob')
    expect(await outcome(handle)).toMatchObject({ by: 'ada, bob', answers: [{ by: 'ada' }, { by: 'bob' }] })
    await record(handle, 'two people approve')
  })

  it('can each refuse alone', async () => {
    const handle = await ask({ approvals: 2 })
    await answer(handle, 'ada')
    await answer(handle, 'bob', { approved: false, why: 'too few dents' })
    expect(await causeOf(handle)).toBe('APPROVAL_REFUSED: ok: refused by bob: too few dents')
  })
})

describe('a form', () => {
  const { fixed } = approval({
    form: z.object({ batch: z.string().min(1), limit: z.number().max(1), grade: z.enum(['a', 'b']) }),
  })

  it('is filled in by whoever approves, or the answer is refused with the field that is wrong', async () => {
    const handle = await ask({ form: fixed!.form as Json })
    const before = await eventCount(handle)
    const good = { batch: 'b7', limit: 0.5, grade: 'a' }
    const fill = (change: object) => refusal(handle, 'ada', { form: { ...good, ...change } })
    expect(await refusal(handle, 'ada')).toMatch(/^form: /)
    expect(await fill({ limit: 2 })).toMatch(/^form\.limit: /)
    expect(await fill({ limit: 'much' })).toMatch(/^form\.limit: /)
    expect(await fill({ grade: 'c' })).toMatch(/^form\.grade: /)
    expect(await fill({ batch: undefined })).toMatch(/^form: .*batch/)
    expect(await fill({ more: 1 })).toMatch(/^form.*more/)
    expect(await eventCount(handle)).toBe(before)
    await answer(handle, 'ada', { form: good })
    expect(await outcome(handle)).toMatchObject({ form: good, answers: [{ by: 'ada', form: good }] })
    await record(handle, 'a form is filled in')
  })

  it('is not asked of who refuses', async () => {
    const handle = await ask({ form: fixed!.form as Json })
    await answer(handle, 'ada', { approved: false })
    expect(await causeOf(handle)).toBe('APPROVAL_REFUSED: ok: refused by ada')
  })

  it('is refused where there is none', async () => {
    const handle = await ask({})
    expect(await refusal(handle, 'ada', { form: { a: 1 } })).toBe('form: this approval has none; leave it out')
    await answer(handle, 'ada')
    await handle.result()
  })
})

describe('a deadline', () => {
  it.each([
    ['fail', 'APPROVAL_UNANSWERED: ok: nobody answered in time'],
    ['refuse', 'APPROVAL_REFUSED: ok: refused by its deadline: nobody answered in time'],
  ])('can %s the run', async (onDeadline, cause) => {
    expect(await causeOf(await ask({ deadline: 300, onDeadline }))).toBe(cause)
  })

  it('can approve, and says that it did', async () => {
    const handle = await ask({ deadline: 300, onDeadline: 'approve', approvals: 2 })
    await answer(handle, 'ada')
    expect(await outcome(handle)).toMatchObject({ by: 'deadline', why: '1 of 2 answered in time' })
  })

  it('comes after an escalation, from which on others may answer', async () => {
    const handle = await ask({ by: ['ada'], escalateAfter: 300, escalateTo: ['role:owner'] }, [
      'approval',
      'escalation',
      'completed',
    ])
    expect(await refusal(handle, 'eve', { role: 'owner' })).toContain('is not among those')
    await expect.poll(async () => (await questionsOf(handle))[0]!.escalated, { timeout: 5_000 }).toBe(true)
    await answer(handle, 'eve', { role: 'owner' })
    expect(await outcome(handle)).toMatchObject({ by: 'eve' })
    await expect.poll(() => workers!.told.news.map(({ kind }) => kind)).toEqual(['approval', 'escalation', 'completed'])
    expect(workers!.told.news[1]).toMatchObject({ node: 'ok', to: ['role:owner'] })
    await record(handle, 'an escalation is told and answered')
  })
})

describe('news', () => {
  it('of a failure names the step and its cause', async () => {
    const handle = await ask({ deadline: 300 }, ['failed'])
    await causeOf(handle)
    await expect
      .poll(() => workers!.told.news)
      .toEqual([
        expect.objectContaining({
          kind: 'failed',
          node: 'ok',
          reason: 'nobody answered in time',
          run: handle.workflowId,
        }),
      ])
  })

  it('that is not wanted leaves no event', async () => {
    const handle = await ask({})
    await answer(handle, 'ada')
    await handle.result()
    const { events } = await handle.fetchHistory()
    expect(events?.some((event) => event.startChildWorkflowExecutionInitiatedEventAttributes)).toBe(false)
  })
})
