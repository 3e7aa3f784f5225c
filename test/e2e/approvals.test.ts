/** Approvals over HTTP: what waits for whom, who may answer, and the page behind a one-time link. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createLink, keepQuestion, openLink, type ApprovalTerms } from '#core/approvals'
import { addUser } from '#core/identity'
import { silentLogger } from '#core/log'
import { approval } from '#core/steps'
import type { AuditEvent } from '../../apps/api/audit.ts'
import { buildServer, type Api } from '../../apps/api/server.ts'
import { fakeStep, fakeWorld, RUN, type FakeWorld } from '../support/fake-ports.ts'

const { fixed } = approval({
  form: z.object({
    batch: z.string().describe('As on the box'),
    limit: z.number().min(0).max(1).default(0.5),
    urgent: z.boolean().default(false),
  }),
})
const FORM = fixed!.form as ApprovalTerms['form']

let world: FakeWorld
let api: Api
let folder: string
let audited: AuditEvent[]

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'gyre-approvals-'))
  world = await fakeWorld({ empty: true })
  audited = []
  world.engine.put({ id: RUN, status: 'waiting', steps: [fakeStep('ok', [], { step: 'approve', status: 'waiting' })] })
  api = await buildServer(world, {
    ...{
      log: silentLogger(),
      webDir: null,
      uploadsDir: folder,
      hosts: ['gyre.example'],
      version: '0',
      temporalUi: null,
    },
    audit: (event) => audited.push(event),
  })
})

afterEach(async () => {
  await api.close()
  await rm(folder, { recursive: true })
})

async function ask(terms: Partial<ApprovalTerms> = {}, askedAt = '2026-03-02T10:00:00.000Z'): Promise<void> {
  const plain = { subject: { accuracy: 0.97, note: '<b>bold</b>' }, question: 'Ship it?', approvals: 1, by: [] }
  const rest = { onDeadline: 'fail', escalateTo: [], allowUnverified: true } as const
  const asked = { run: RUN, node: 'ok', pipeline: 'image-classifier', askedAt, waitMs: 86_400_000 }
  await keepQuestion(world.questions, { ...asked, terms: { ...plain, ...rest, ...terms } })
}

const as = (name: string) => ({ authorization: `Bearer token-${name}` })
const waiting = async (name = 'ada') =>
  (await api.inject({ url: '/api/approvals', headers: as(name) })).json<Record<string, unknown>[]>()
const answer = (name: string, payload: object) =>
  api.inject({ method: 'POST', url: `/api/runs/${RUN}/approvals/ok`, headers: as(name), payload })

describe('what waits', () => {
  test('is listed with question, subject, form and whether the reader may answer', async () => {
    await ask({ by: ['ann'], form: FORM! })
    expect(await waiting('ann')).toMatchObject([
      { run: RUN, node: 'ok', question: 'Ship it?', subject: { accuracy: 0.97 }, asked: ['ann'], mayAnswer: true },
    ])
    expect((await waiting('ada'))[0]).toMatchObject({
      mayAnswer: false,
      form: FORM,
      deadlineAt: '2026-03-03T10:00:00.000Z',
    })
  })

  test('is the newest question of a step, and nothing of a run that is over', async () => {
    await ask()
    await ask({ question: 'Ship it now?' }, '2026-03-02T11:00:00.000Z')
    expect(await waiting()).toMatchObject([{ question: 'Ship it now?' }])
    world.engine.put({ id: RUN, status: 'cancelled' })
    expect(await waiting()).toEqual([])
  })
})

describe('an answer', () => {
  test('comes with the role of whoever gives it, and takes defaults of the form', async () => {
    await ask({ by: ['role:annotator'], form: FORM! })
    const reply = await answer('ann', { approved: true, why: 'fine', form: { batch: 'B7' } })
    expect(reply.statusCode).toBe(202)
    expect(world.engine.answers).toEqual([
      { approved: true, by: 'ann', role: 'annotator', why: 'fine', form: { batch: 'B7', limit: 0.5, urgent: false } },
    ])
    expect(audited).toMatchObject([{ event: `POST /api/runs/${RUN}/approvals/ok`, by: 'ann', status: 202 }])
  })

  test('is refused where the step names nobody and the role may not publish', async () => {
    await ask()
    const reply = await answer('ann', { approved: true })
    expect(reply.json()).toMatchObject({ code: 'FORBIDDEN', detail: expect.stringContaining('annotator of ann') })
    expect(world.engine.answers).toEqual([])
  })
})

describe('a one-time link', () => {
  const HOST = { host: 'gyre.example', origin: 'http://gyre.example' }
  const send = (token: string, fields: Record<string, string>, headers: object = HOST) =>
    api.inject({
      method: 'POST',
      url: `/approve?token=${token}`,
      headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
      payload: new URLSearchParams(fields).toString(),
    })
  const linkFor = async (person: string) => {
    await addUser(world.questions, person, 'annotator', { by: 'ada' })
    return (await createLink(world.questions, { run: RUN, node: 'ok', person }, { by: 'ada' })).token
  }
  const open = (token: string) => api.inject({ url: `/approve?token=${token}`, headers: { host: 'gyre.example' } })

  test('is made by an owner for a person who may log in', async () => {
    await ask({ by: ['ann'] })
    await addUser(world.questions, 'ann', 'annotator', { by: 'ada' })
    const make = (name: string, person: string) =>
      api.inject({
        ...{ method: 'POST', url: `/api/runs/${RUN}/approvals/ok/links` },
        headers: { ...as(name), host: 'gyre.example' },
        payload: { person },
      })
    expect((await make('opal', 'ann')).statusCode).toBe(403)
    expect((await make('ada', 'nobody')).json()).toMatchObject({ code: 'USER_NOT_FOUND' })
    const { link } = (await make('ada', 'ann')).json<{ link: string }>()
    expect(link).toMatch(/^http:\/\/gyre\.example\/approve\?token=[0-9a-f]{16}\.[\w-]{43}$/)
  })

  test('shows the question and changes nothing, however often it is opened', async () => {
    await ask({ by: ['ann'], form: FORM! })
    const token = await linkFor('ann')
    for (const page of [await open(token), await open(token)]) {
      expect(page.statusCode).toBe(200)
      expect(page.body).toContain('Ship it?')
      expect(page.body).toContain('&#60;b&#62;bold')
      expect(page.body).toContain('name="form.batch"')
      expect(page.headers['content-security-policy']).toContain("default-src 'none'")
    }
    expect(world.engine.answers).toEqual([])
  })

  test('answers once in the name of its person', async () => {
    await ask({ by: ['ann'], form: FORM! })
    const token = await linkFor('ann')
    const fields = { 'form.batch': 'B7', 'form.limit': '0.25', 'form.urgent': 'on', why: 'fine', decision: 'approve' }
    expect((await send(token, fields)).statusCode).toBe(200)
    expect(world.engine.answers).toMatchObject([
      { approved: true, by: 'ann', role: 'annotator', form: { batch: 'B7', limit: 0.25, urgent: true } },
    ])
    expect((await send(token, fields)).statusCode).toBe(404)
    expect((await open(token)).body).toContain('Nothing to answer')
    expect(world.engine.answers).toHaveLength(1)
    expect(audited).toMatchObject([{ event: 'POST /approve', by: 'ann', details: { run: RUN, approved: true } }])
  })

  test('stays good when its answer does not fit, and says what is wrong', async () => {
    await ask({ by: ['ann'] })
    const token = await linkFor('ann')
    world.engine.refusesWith = 'form.limit: 2 is greater than 1'
    const reply = await send(token, { why: 'kept text', decision: 'approve' })
    expect(reply.statusCode).toBe(422)
    expect(reply.body).toContain('form.limit: 2 is greater than 1')
    expect(reply.body).toContain('kept text')
    expect(await openLink(world.questions, token)).not.toBeNull()
  })

  test('cannot be used from a page of another site, nor for another question, nor after a week', async () => {
    await ask({ by: ['ann'] })
    const token = await linkFor('ann')
    const foreign = await send(token, { decision: 'approve' }, { host: 'gyre.example', origin: 'http://evil.example' })
    expect(foreign.json()).toMatchObject({ code: 'CROSS_SITE_REFUSED' })
    expect(await openLink(world.questions, `${token.slice(0, -1)}x`)).toBeNull()
    expect(await openLink(world.questions, token, { now: () => Date.now() + 8 * 86_400_000 })).toBeNull()
    expect(world.engine.answers).toEqual([])
  })
})
