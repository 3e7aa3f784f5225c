/** One server for a team: the real stack over TLS, with people of different roles at the same time. */

import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import tls from 'node:tls'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { TestAuthority, type TestCertificate } from '../support/certificates.ts'
import { gyre, interrupt, processNamed, StateFolders, type RunningStack } from '../support/gyre.ts'
import { TeamClient } from '../support/team-client.ts'

const PATIENCE = { timeout: 30_000, interval: 50 }
const SESSION_SECONDS = 20

const folders = new StateFolders()
let folder: string
let authority: TestAuthority
let files: TestCertificate
let port: number
let state: string
let stack: RunningStack

beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'gyre-serve-'))
  authority = new TestAuthority(folder)
  files = authority.issue('DNS:localhost,IP:127.0.0.1')
  port = await freePort()
  state = folders.create()
  stack = await folders.startServe(state, [...flags(), '--session', `${SESSION_SECONDS}s`])
}, 120_000)

afterAll(async () => {
  await folders.clean()
  rmSync(folder, { recursive: true, force: true })
})

const flags = () => ['--listen', `0.0.0.0:${port}`, '--tls-cert', files.certFile, '--tls-key', files.keyFile]

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = net.createServer()
    server.listen(0, '127.0.0.1', () => {
      const { port: free } = server.address() as net.AddressInfo
      server.close(() => resolve(free))
    })
  })
}

async function on<T = Record<string, string>>(...args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await gyre([...args, '--json', '--no-start', '--state', state])
  if (code !== 0) throw new Error(`gyre ${args.join(' ')}: ${stderr}`)
  return JSON.parse(stdout) as T
}

/** Adds a person and lets them in as they would come in themselves. */
async function join(name: string, role: string): Promise<TeamClient> {
  const { link } = await on('user', 'add', name, '--role', role)
  return TeamClient.logIn(link!, authority.pem)
}

/** The serial number of the certificate that is shown to a new connection. */
function shownSerial(): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ port, host: '127.0.0.1', servername: 'localhost', ca: authority.pem }, () => {
      resolve(socket.getPeerCertificate().serialNumber)
      socket.destroy()
    })
    socket.once('error', reject)
  })
}

/** What a browser gets that was led here under another name. */
async function answerUnderName(host: string): Promise<string> {
  const options = { ...{ port, host: '127.0.0.1', servername: 'localhost', ca: authority.pem }, headers: { host } }
  const [answer] = (await once(https.get({ ...options, path: '/api/health' }), 'response')) as [IncomingMessage]
  return text(answer)
}

describe('gyre serve', () => {
  it('is reached by its name over TLS alone, and says where it is', async () => {
    expect(stack.info).toMatchObject({ publicUrl: `https://localhost:${port}` })
    const client = new TeamClient(`https://localhost:${port}`, authority.pem)
    const answer = await client.get('/api/health')
    expect(answer.json()).toMatchObject({ status: 'ok', temporalUi: null })
    expect(answer.headers['strict-transport-security']).toMatch(/^max-age=/)
    expect((await client.call('GET', '/', undefined, { accept: 'text/html' })).text).toContain('<title>')
    await expect(fetch(`https://localhost:${port}/api/health`)).rejects.toThrow()
    await expect(fetch(`http://localhost:${port}/api/health`)).rejects.toThrow()
  })

  it('opens nothing else to other machines', async () => {
    const [own] = Object.values(os.networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ internal, family }) => !internal && family === 'IPv4')
    const host = own?.address ?? '127.0.0.2' // Another address of this machine, as other machines use.
    const opens = (at: number) =>
      new Promise<boolean>((resolve) => {
        const socket = net.connect({ port: at, host }, () => (socket.destroy(), resolve(true)))
        socket.once('error', () => resolve(false))
      })
    expect(await opens(port)).toBe(true)
    const { apiUrl, gatewayUrl, temporalAddress, temporalUiUrl } = stack.info
    for (const url of [apiUrl, gatewayUrl!, `http://${temporalAddress}`, temporalUiUrl!])
      expect([url, await opens(Number(new URL(url).port))]).toEqual([url, false])
  })

  it('lets two people with different roles work at the same time, each with their own rights', async () => {
    const [ada, ann] = await Promise.all([join('ada', 'engineer'), join('ann', 'annotator')])
    const asked = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const [name, person] = i % 2 === 0 ? (['ada', ada] as const) : (['ann', ann] as const)
        const [me, run] = await Promise.all([
          person.get('/api/me'),
          person.post('/api/pipelines/import-dataset/runs', { params: { dataset: 'none' } }),
        ])
        return { name, me: me.json().name, run: run.json().code }
      }),
    )
    // The engineer's call is allowed and then found to lack a parameter; the annotator's is not looked at.
    for (const { name, me, run } of asked)
      expect({ me, run }).toEqual({ me: name, run: name === 'ada' ? 'PIPELINE_PARAMS_INVALID' : 'FORBIDDEN' })
    expect((await ada.get('/api/users')).status).toBe(403)
  })

  it('keeps a cookie of somebody from being used by another site', async () => {
    const mallory = await join('mallory', 'owner')
    const forged = await mallory.call('POST', '/api/users', '{}', { origin: 'https://evil.example' })
    expect(forged.json()).toMatchObject({ code: 'CROSS_SITE_REFUSED' })
    expect(await answerUnderName('evil.example')).toContain('CROSS_SITE_REFUSED')
  })

  it('changes a role at once, and ends all logins of who is removed', async () => {
    const bo = await join('bo', 'viewer')
    const { token } = await on('user', 'token', 'bo', '--for', 'api')
    const program = new TeamClient(bo.url, authority.pem, token)
    expect((await program.get('/api/me')).json()).toMatchObject({ permissions: ['view'] })
    await on('user', 'role', 'bo', 'annotator')
    expect((await bo.get('/api/me')).json()).toMatchObject({ permissions: ['view', 'annotate'] })
    const { link } = await on('user', 'link', 'bo')
    await on('user', 'remove', 'bo')
    for (const client of [bo, program]) expect((await client.get('/api/me')).status).toBe(401)
    expect((await bo.open(link!)).headers['location']).toBe('/welcome?link=spent')
  })

  it('lets programs predict with a token that opens nothing else', async () => {
    await on('user', 'add', 'shop', '--role', 'viewer')
    const { token, id } = await on('user', 'token', 'shop', '--label', 'till 3')
    const shop = new TeamClient(`https://localhost:${port}`, authority.pem, token)
    expect((await shop.get('/v2')).json()).toMatchObject({ name: 'gyre' })
    expect((await shop.get('/v2/models/none')).status).toBe(404)
    expect((await shop.get('/api/me')).status).toBe(401)
    const stranger = new TeamClient(shop.url, authority.pem)
    expect((await stranger.get('/v2')).json()).toEqual({ error: expect.stringContaining('bearer token') as string })
    await on('user', 'revoke', 'shop', id!)
    await vi.waitFor(async () => expect((await shop.get('/v2')).status).toBe(401), PATIENCE)
  })

  it('shows the token of a person elsewhere when that person predicts on the command line', async () => {
    await on('user', 'add', 'eve', '--role', 'viewer')
    const { token } = await on('user', 'token', 'eve', '--for', 'api')
    const image = path.join(folder, 'image.png')
    writeFileSync(image, 'pixels')
    const predictAs = (bearer: string) =>
      gyre(['endpoint', 'predict', 'nobody', image, '--state', folders.create()], {
        GYRE_API_URL: `https://localhost:${port}`,
        GYRE_API_TOKEN: bearer,
        NODE_EXTRA_CA_CERTS: authority.certFile,
      })
    expect((await predictAs(token!)).stderr).toContain("there is no endpoint 'nobody'")
    expect((await predictAs('wrong')).stderr).toContain('endpoints need a bearer token from outside')
  })

  it('ends a login when its person logs out, and by itself when its time is over', async () => {
    const [one, two] = [await join('cleo', 'viewer'), await join('cleo', 'viewer')]
    const loggedInAt = Date.now()
    expect(await on<unknown[]>('user', 'tokens', 'cleo')).toHaveLength(2)
    expect((await one.call('POST', '/api/logout')).status).toBe(204)
    expect((await one.get('/api/me')).status).toBe(401)
    expect((await two.get('/api/me')).status).toBe(200)
    await vi.waitFor(async () => expect((await two.get('/api/me')).status).toBe(401), PATIENCE)
    expect(Date.now() - loggedInAt).toBeGreaterThan((SESSION_SECONDS - 2) * 1_000)
  })

  it('tells in a log of its own who came in and who changed what', async () => {
    await join('dora', 'viewer')
    const lines = readFileSync(path.join(state, 'logs', 'audit.log'), 'utf8')
      .trim()
      .split('\n')
    const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(events).toContainEqual(
      expect.objectContaining({ event: 'POST /api/users', by: 'owner', details: { name: 'dora', role: 'viewer' } }),
    )
    expect(events).toContainEqual(expect.objectContaining({ event: 'login', by: 'dora', status: 303 }))
    expect(lines.join('')).not.toMatch(/[0-9a-f]{16}\.[A-Za-z0-9_-]{43}/)
  })

  it('takes a renewed certificate without closing a connection, and keeps the former one when it is bad', async () => {
    const client = new TeamClient(`https://localhost:${port}`, authority.pem)
    await client.get('/api/health')
    const before = await shownSerial()
    const renewed = authority.issue('DNS:localhost,IP:127.0.0.1')
    copyFileSync(renewed.certFile, files.certFile)
    stack.process.kill('SIGHUP') // The key is still the former one.
    await vi.waitFor(
      () => expect(readFileSync(path.join(state, 'logs', 'front.log'), 'utf8')).toContain('the former one stays'),
      PATIENCE,
    )
    expect(await shownSerial()).toBe(before)
    copyFileSync(renewed.keyFile, files.keyFile)
    stack.process.kill('SIGHUP')
    await vi.waitFor(async () => expect(await shownSerial()).not.toBe(before), PATIENCE)
    expect((await client.get('/api/health')).status).toBe(200)
  })

  it('is back when its front door was killed', async () => {
    const victim = processNamed(state, 'front')!
    process.kill(victim.pid, 'SIGKILL')
    const client = new TeamClient(`https://localhost:${port}`, authority.pem)
    await vi.waitFor(async () => expect((await client.get('/api/health')).status).toBe(200), PATIENCE)
    expect(processNamed(state, 'front')?.pid).not.toBe(victim.pid)
  })

  it('ends in good order when it is told to', async () => {
    expect(await interrupt(stack.process)).toBe(0)
    await expect(shownSerial()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })
})

describe('gyre serve refuses, before anything is started,', () => {
  it.each([
    ['another machine without TLS', ['--listen', '0.0.0.0:9443'], 'clear text'],
    ['half a pair', ['--listen', '0.0.0.0:9443', '--tls-cert', 'x.crt'], '--tls-key is missing'],
    [
      'a certificate that is not there',
      ['--listen', '0.0.0.0', '--tls-cert', '/no.crt', '--tls-key', '/no.key'],
      '/no.crt does not exist',
    ],
    ['a proxy without its address', ['--listen', '127.0.0.1', '--behind-proxy'], '--public-url'],
    ['no address', [], '--listen'],
  ])('%s', async (_, args, words) => {
    const { code, stderr } = await gyre(['serve', ...args, '--state', folders.create()])
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(words) as string })
  })

  it('a name that its certificate does not carry', async () => {
    const args = [...flags(), '--public-url', 'https://gyre.example']
    const { code, stderr } = await gyre(['serve', ...args, '--state', folders.create()])
    expect(code).toBe(2)
    expect(stderr).toContain('is for localhost, 127.0.0.1, not for gyre.example')
  })
})
