/** News as receivers get it: a signed webhook and a mail, and what is told of a way that does not work. */

import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { SMTPServer } from 'smtp-server'
import { describe, expect, it, onTestFinished } from 'vitest'
import { deliverNews, NEWS_KINDS, readNotifySettings, signatureTrouble, wantedNews, type News } from '#core/notify'

const NEWS: News = {
  ...{ kind: 'approval', run: 'nightly-1', generation: 1, pipeline: 'nightly', node: 'sign-off' },
  ...{ question: 'Ship it?', to: ['ada', 'role:owner'] },
}
const SETTINGS = { on: NEWS_KINDS, webhook: null, mail: null, pageUrl: 'https://gyre.example' }

async function receiver(status = 200) {
  const calls: { headers: IncomingHttpHeaders; body: string }[] = []
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      calls.push({ headers: request.headers, body })
      response.writeHead(status).end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { calls, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook-of-the-team` }
}

async function mailServer() {
  const mails: { to: string[]; text: string; user: string | undefined }[] = []
  const server = new SMTPServer({
    disabledCommands: ['STARTTLS'],
    allowInsecureAuth: true,
    onAuth: ({ username, password }, _session, done) =>
      password === 'p@ss' ? done(null, { user: username }) : done(new Error('wrong password')),
    onData: (stream, { envelope, user }, done) =>
      void text(stream).then((raw) => {
        mails.push({ to: envelope.rcptTo.map(({ address }) => address), text: raw, user: String(user) })
        done()
      }),
  })
  server.on('error', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server.server, 'listening')
  onTestFinished(() => new Promise<void>((closed) => server.close(closed)))
  return { mails, port: (server.server.address() as AddressInfo).port }
}

describe('a webhook', () => {
  it('is text for chats and fields for programs, signed over its bytes', async () => {
    const { calls, url } = await receiver()
    await deliverNews({ ...SETTINGS, webhook: { url, secret: 'key' } }, NEWS)
    const { headers, body } = calls[0]!
    expect(JSON.parse(body)).toMatchObject({
      text: 'nightly-1 asks ada, role:owner: Ship it?\nhttps://gyre.example/runs/nightly-1\ngyre run approve nightly-1 sign-off',
      ...{ event: 'run.approval', id: 'nightly-1/1/approval/sign-off', node: 'sign-off' },
    })
    const signature = headers['x-gyre-signature'] as string
    const check = (secret: string, nowSeconds = Date.now() / 1_000) =>
      signatureTrouble(signature, { secret, body: Buffer.from(body), nowSeconds: Math.floor(nowSeconds) })
    expect(check('key')).toBeNull()
    expect(check('other')).toContain('does not belong')
    expect(check('key', Date.now() / 1_000 + 400)).toContain('300 s at most')
  })

  it('brings the milestones of labelling sessions, with the page to go to', async () => {
    const { calls, url } = await receiver()
    const certified = { atLeast: 0.98765, confidence: 0.95 }
    const session = { id: 'nightly-1.annotate', images: 20, labelled: 18, certified, people: 2, disagreements: 1 }
    const news = { run: 'nightly-1', generation: 1, pipeline: 'nightly', node: 'annotate' }
    const kinds = ['session-opened', 'session-disagreement', 'session-certified', 'session-finished'] as const
    for (const kind of kinds)
      await deliverNews(
        { ...SETTINGS, webhook: { url, secret: 'key' } },
        { ...news, kind, session: { ...session, secondsLeft: null } },
      )
    const bodies = calls.map(({ body }) => JSON.parse(body) as { event: string; text: string; session: unknown })
    expect(bodies.map(({ event }) => event)).toEqual(kinds.map((kind) => kind.replace('-', '.')))
    expect(bodies[2]).toMatchObject({ session })
    expect(bodies.map(({ text: line }) => line.split('\n')[0])).toEqual([
      'nightly-1.annotate waits for people: 20 images to label',
      'nightly-1.annotate: people disagree about one image',
      'nightly-1.annotate is certified: at least 98.7 % of the labels are right; 18 of 20 images labelled',
      'nightly-1.annotate has ended without a certificate; 18 of 20 images labelled',
    ])
    expect(bodies[0]!.text).toContain('https://gyre.example/labelling/nightly-1.annotate\ngyre annotate open')
  })

  it('that fails is told without its address, and does not keep the mail from being sent', async () => {
    const { url } = await receiver(503)
    const { mails, port } = await mailServer()
    const mail = { server: `smtp://gyre:p%40ss@127.0.0.1:${port}`, from: 'gyre@example.org', to: ['a@example.org'] }
    const failure = await deliverNews({ ...SETTINGS, webhook: { url, secret: 'key' }, mail }, NEWS).catch(
      (error: unknown) => error as Error,
    )
    expect(failure).toMatchObject({ code: 'NOTIFICATION_FAILED', message: 'webhook: answered 503', retryable: true })
    expect(mails).toHaveLength(1)
  })

  it('is left out where this kind of news is not wanted', async () => {
    const { calls, url } = await receiver()
    await deliverNews({ ...SETTINGS, on: ['failed'], webhook: { url, secret: null } }, NEWS)
    expect(calls).toEqual([])
  })
})

describe('a mail', () => {
  it('goes to everybody named, with the login of the address', async () => {
    const { mails, port } = await mailServer()
    const to = ['a@example.org', 'b@example.org']
    const mail = { server: `smtp://gyre:p%40ss@127.0.0.1:${port}`, from: 'gyre@example.org', to }
    await deliverNews({ ...SETTINGS, mail }, { ...NEWS, kind: 'failed', reason: 'no dents' })
    expect(mails).toMatchObject([{ to, user: 'gyre' }])
    expect(mails[0]!.text).toContain('Subject: nightly-1 failed at sign-off: no dents')
  })

  it('that fails is told without the password', async () => {
    const { port } = await mailServer()
    const mail = { server: `smtp://gyre:hunter2@127.0.0.1:${port}`, from: 'gyre@example.org', to: ['a@example.org'] }
    const failure = await deliverNews({ ...SETTINGS, mail }, NEWS).catch((error: unknown) => error as Error)
    expect(failure).toMatchObject({ code: 'NOTIFICATION_FAILED', message: expect.stringMatching(/^mail: /) })
    expect(String(failure)).not.toContain('hunter2')
  })
})

describe('the settings', () => {
  it('come from the environment, and want nothing where there is no way to tell', () => {
    expect(wantedNews(readNotifySettings({}))).toEqual([])
    const usual = wantedNews(readNotifySettings({ GYRE_NOTIFY_WEBHOOK: 'https://chat.example/x' }))
    expect(NEWS_KINDS.filter((kind) => !usual.includes(kind))).toEqual(['session-progress'])
    const settings = readNotifySettings({
      ...{ GYRE_NOTIFY_WEBHOOK: 'https://chat.example/x', GYRE_NOTIFY_ON: 'failed, approval' },
      ...{ GYRE_SMTP_URL: 'smtps://mail.example', GYRE_NOTIFY_EMAIL: 'a@example.org, b@example.org' },
    })
    expect(wantedNews(settings)).toEqual(['failed', 'approval'])
    expect(settings.mail).toEqual({
      server: 'smtps://mail.example',
      from: 'a@example.org',
      to: ['a@example.org', 'b@example.org'],
    })
  })

  it.each([
    [{ GYRE_NOTIFY_WEBHOOK: 'hunter2' }, /^GYRE_NOTIFY_WEBHOOK is no address/],
    [{ GYRE_SMTP_URL: 'smtp://x' }, /set GYRE_NOTIFY_EMAIL, too$/],
    [{ GYRE_NOTIFY_ON: 'lunch' }, /"lunch" is no kind of news/],
  ])('that do not fit are refused by name: %o', (env, message) => {
    expect(() => readNotifySettings(env)).toThrow(message)
    expect(() => readNotifySettings(env)).not.toThrow(/hunter2/)
  })
})
