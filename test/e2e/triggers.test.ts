/** People and triggers on the real stack: a signed call starts a run, two people sign it off, and everything is told. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { signatureOf } from '#core/notify'
import { LiveStack } from '../support/live-stack.ts'

const MINUTE = 60_000
const PIPELINE = `
  import { z } from 'zod'
  import { definePipeline, defineStep, onSchedule, onWebhook } from 'gyre/pipeline'
  import * as steps from 'gyre/steps'
  const measure = defineStep({ name: 'measure', input: z.object({ size: z.int() }), output: z.object({ size: z.int() }), run: (one) => one })
  const signOff = steps.approval({ form: z.object({ limit: z.number().max(1).default(0.5) }) })
  export default definePipeline({
    name: 'nightly',
    params: z.object({ size: z.int().default(1) }),
    triggers: [onSchedule({ cron: '0 3 1 1 *' }), onWebhook({ name: 'on-upload' })],
    build({ params, step }) {
      const subject = step('measure', measure, { size: params.size })
      step('sign-off', signOff, { subject, question: 'Ship it?', approvals: 2, by: ['ada', 'role:owner'] })
    },
  })`

let folder: string
let stack: LiveStack
let chat: Server
const news: { event: string; run: string }[] = []

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'gyre-triggers-'))
  await mkdir(path.join(folder, 'project/pipelines'), { recursive: true })
  await writeFile(path.join(folder, 'project/pipelines/nightly.ts'), PIPELINE)
  chat = createServer((request, response) => {
    void text(request).then((body) => {
      news.push(JSON.parse(body) as (typeof news)[number])
      response.end()
    })
  })
  chat.listen(0, '127.0.0.1')
  await once(chat, 'listening')
  stack = new LiveStack(path.join(folder, 'state'), {
    GYRE_PROJECT_DIR: path.join(folder, 'project'),
    GYRE_NOTIFY_WEBHOOK: `http://127.0.0.1:${(chat.address() as AddressInfo).port}`,
  })
  await stack.start()
}, 3 * MINUTE)

afterAll(async () => {
  await stack?.stop()
  chat?.close()
  await rm(folder, { recursive: true, force: true })
}, MINUTE)

interface Waiting {
  readonly run: string
  readonly subject: unknown
  readonly answers: readonly { readonly by: string }[]
}

describe('a run that a webhook starts', () => {
  it(
    'is signed off on the command line and by a one-time link, and told from question to end',
    async () => {
      const { address, secret } = await stack.json<Record<'address' | 'secret', string>>(
        ...['pipeline', 'trigger', 'secret', 'nightly', 'on-upload'],
      )
      const body = JSON.stringify({ params: { size: 7 } })
      const send = (key: string) =>
        fetch(address, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'x-gyre-delivery': 'upload-1',
            'x-gyre-signature': signatureOf(key, body, Math.floor(Date.now() / 1_000)),
          },
          body,
        })
      expect((await send('another')).status).toBe(401)
      expect([(await send(secret)).status, (await send(secret)).status]).toEqual([202, 202])

      const waiting = () => stack.json<Waiting[]>('approvals')
      await expect.poll(waiting, { timeout: MINUTE }).toMatchObject([{ subject: { size: 7 }, answers: [] }])
      const [{ run }] = (await waiting()) as [Waiting]
      const approve = (...more: string[]) => stack.gyre('run', 'approve', run, 'sign-off', ...more)
      expect(await approve('--form', 'limit=2')).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('form.limit: 2 is greater than 1'),
      })
      expect((await approve('--form', 'limit=0.2')).code).toBe(0)
      expect(await approve()).toMatchObject({ stderr: expect.stringContaining('by: owner has answered') })

      await stack.gyre('user', 'add', 'ada', '--role', 'annotator')
      const { link } = await stack.json<{ link: string }>('run', 'approve', run, 'sign-off', '--link', 'ada')
      expect(await (await fetch(link)).text()).toContain('Ship it?')
      const answer = () =>
        fetch(link, {
          method: 'POST',
          headers: { origin: new URL(link).origin, 'content-type': 'application/x-www-form-urlencoded' },
          body: 'decision=approve&form.limit=0.3',
        })
      expect([(await answer()).status, (await answer()).status]).toEqual([200, 404])

      const report = await stack.until(run, ({ status }) => status === 'completed', MINUTE)
      expect(report.steps.find(({ id }) => id === 'sign-off')!.outputs).toMatchObject({
        ...{ by: 'owner, ada', form: { limit: 0.3 } },
        answers: [{ form: { limit: 0.2 } }, { by: 'ada', role: 'annotator' }],
      })
      await expect
        .poll(() => news.map(({ event }) => event), { timeout: MINUTE })
        .toEqual(['run.approval', 'run.completed'])
      const fires = await stack.json<{ run: string }[]>('pipeline', 'trigger', 'fires', 'nightly', 'on-upload')
      expect(fires).toMatchObject([{ run, cause: { kind: 'webhook', text: 'delivery upload-1' } }])
    },
    3 * MINUTE,
  )
})

describe('a paused trigger', () => {
  it(
    'stays paused when the API comes again',
    async () => {
      await stack.json('pipeline', 'trigger', 'pause', 'nightly', 'schedule')
      await stack.kill('api')
      const paused = async () =>
        (await stack.json<{ name: string; paused: boolean }[]>('pipeline', 'trigger', 'list')).map((one) => one.paused)
      await expect.poll(paused, { timeout: MINUTE }).toEqual([true, false])
    },
    2 * MINUTE,
  )
})
