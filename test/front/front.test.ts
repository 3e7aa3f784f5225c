/** The front door over servers that only say what they were asked. */

import {
  createServer,
  request,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Principal } from '#core/identity'
import { createFront, type FrontOptions } from '../../apps/front/front.ts'
import { sendAllThenRead } from '../support/deaf-client.ts'

interface Seen {
  readonly server: 'api' | 'gateway'
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

const people: Record<string, Principal> = { 'token-of-shop': { name: 'shop', role: 'viewer' } }
let servers: Server[]
let seen: Seen[]
let upstreams: { api: string; gateway: string }

async function listen(server: Server): Promise<string> {
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function recorder(name: Seen['server']): Server {
  return createServer((incoming, response) => void record(name, incoming, response))
}

async function record(name: Seen['server'], incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = '', url: path = '', headers } = incoming
  seen.push({ server: name, method, path, headers, body: await text(incoming) })
  response.setHeader('set-cookie', ['a=1', 'b=2'])
  response.writeHead(201, { 'x-answered-by': name }).end(`from ${name}`)
}

async function front(options: Partial<FrontOptions> = {}): Promise<string> {
  const { api, gateway } = upstreams
  const listener = createFront({
    doorkeeper: { authenticate: async (token) => people[token] ?? null },
    ...{ apiUrl: new URL(api), gatewayUrl: new URL(gateway), scheme: 'https', behindProxy: false },
    ...options,
  })
  return listen(createServer(listener))
}

beforeEach(async () => {
  servers = []
  seen = []
  upstreams = { api: await listen(recorder('api')), gateway: await listen(recorder('gateway')) }
})
afterEach(() => {
  for (const server of servers) {
    server.closeAllConnections()
    server.close()
  }
})

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

describe('the front door', () => {
  it('brings pages and calls to the API and their answers back as they are', async () => {
    const url = await front()
    const answer = await fetch(`${url}/api/runs?limit=3`, {
      method: 'POST',
      body: 'a body',
      headers: { 'x-mine': '1' },
    })
    expect([answer.status, await answer.text(), answer.headers.getSetCookie()]).toEqual([
      201,
      'from api',
      ['a=1', 'b=2'],
    ])
    expect(seen).toMatchObject([
      { server: 'api', method: 'POST', path: '/api/runs?limit=3', body: 'a body', headers: { 'x-mine': '1' } },
    ])
  })

  it('brings predictions with a token to the gateway', async () => {
    const url = await front()
    const answer = await fetch(`${url}/v2/models/parts/infer`, {
      method: 'POST',
      body: 'an image',
      headers: bearer('token-of-shop'),
    })
    expect(answer.status).toBe(201)
    expect(seen).toMatchObject([{ server: 'gateway', path: '/v2/models/parts/infer', body: 'an image' }])
  })

  it.each([{}, bearer('unknown'), { authorization: 'Basic eDp5' }, { cookie: 'gyre=token-of-shop' }])(
    'refuses predictions with %j in the form of the protocol',
    async (headers) => {
      const url = await front()
      const answer = await fetch(`${url}/v2/models/parts/infer`, { method: 'POST', headers: { ...headers } })
      expect(answer.status).toBe(401)
      expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="gyre"')
      expect(await answer.json()).toEqual({ error: expect.stringContaining('gyre user token NAME') as string })
      expect(seen).toEqual([])
    },
  )

  it('lets a client without a token send all of its body, so that it reads why', async () => {
    const answer = await sendAllThenRead(`${await front()}/v2/models/parts/infer`, 8 * 2 ** 20)
    expect(answer).toMatch(/^HTTP\/1.1 401 .*"endpoints need a bearer token from outside/s)
    expect(seen).toEqual([])
  })

  it('lets an address that failed too often wait, also with a good token', async () => {
    const url = await front({ failuresPerMinute: 2 })
    const status = async (token: string) => (await fetch(`${url}/v2`, { headers: bearer(token) })).status
    expect(await status('wrong')).toBe(401)
    expect(await status('wrong')).toBe(401)
    const refused = await fetch(`${url}/v2`, { headers: bearer('token-of-shop') })
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(50)
  })

  it('lets nothing else of the gateway be reached', async () => {
    const url = await front()
    for (const path of ['/internal/reconcile', '/metrics', '/v2x', '/%76%32', '/v2.'])
      await fetch(`${url}${path}`, { headers: bearer('token-of-shop') })
    expect(seen.map(({ server }) => server)).toEqual(Array(5).fill('api'))
  })

  it('says itself who calls, whatever the caller claims', async () => {
    const url = await front()
    const claims = {
      'x-forwarded-for': '6.6.6.6',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-prefix': '/evil',
      'x-real-ip': '6.6.6.6',
      forwarded: 'for=6.6.6.6',
    }
    await fetch(`${url}/api/me`, { headers: claims })
    const { headers } = seen[0]!
    expect(headers).toMatchObject({
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'https',
      host: new URL(url).host,
    })
    for (const name of ['x-forwarded-host', 'x-forwarded-prefix', 'x-real-ip', 'forwarded'])
      expect(headers).not.toHaveProperty(name)
  })

  it('behind a proxy believes the last thing that the proxy adds', async () => {
    const url = await front({ behindProxy: true })
    const claims = { 'x-forwarded-for': '6.6.6.6, 10.0.0.9', 'x-forwarded-host': 'gyre.example' }
    await fetch(`${url}/api/me`, { headers: claims })
    expect(seen[0]?.headers).toMatchObject({
      'x-forwarded-for': '10.0.0.9',
      'x-forwarded-proto': 'https',
      host: 'gyre.example',
    })
  })

  it('passes bodies of unknown length and events on as they come', async () => {
    const events = createServer((incoming, response) => {
      incoming.on('data', (chunk: Buffer) => response.write(`heard ${chunk.toString()}`))
      incoming.on('end', () => response.end())
    })
    const url = await front({ apiUrl: new URL(await listen(events)) })
    const outgoing = request(url, { method: 'POST', path: '/api/x' })
    const answered = new Promise<AsyncIterable<Buffer>>((resolve) => outgoing.once('response', resolve))
    outgoing.write('one')
    const chunks = (await answered)[Symbol.asyncIterator]()
    expect(String((await chunks.next()).value)).toBe('heard one')
    outgoing.write('two')
    expect(String((await chunks.next()).value)).toBe('heard two')
    outgoing.end()
    expect((await chunks.next()).done).toBe(true)
  })

  it('closes the call behind it when its caller leaves', async () => {
    let left: () => void
    const gone = new Promise<void>((resolve) => (left = resolve))
    const endless = createServer((_incoming, response) => {
      response.write('on and on')
      response.once('close', () => left())
    })
    const url = await front({ apiUrl: new URL(await listen(endless)) })
    const leaving = new AbortController()
    await fetch(`${url}/api/runs/1/events`, { signal: leaving.signal })
    leaving.abort()
    await gone
  })

  it('says where predictions are where a cluster makes them', async () => {
    const url = await front({ gatewayUrl: null })
    const answer = await fetch(`${url}/v2/models/parts/infer`, { method: 'POST', headers: bearer('token-of-shop') })
    expect([answer.status, await answer.json()]).toEqual([
      404,
      { error: 'the endpoints run in a cluster; gyre endpoint list has their addresses' },
    ])
  })

  it('asks for another try while a server behind it is away', async () => {
    const away = createServer()
    const url = await listen(away)
    await new Promise<void>((resolve) => void away.close(() => resolve()))
    const at = await front({ apiUrl: new URL(url), gatewayUrl: new URL(url) })
    const [page, prediction] = [
      await fetch(`${at}/api/me`),
      await fetch(`${at}/v2/models/parts/infer`, { method: 'POST', headers: bearer('token-of-shop') }),
    ]
    expect([page.status, page.headers.get('content-type')]).toEqual([503, 'application/problem+json'])
    expect([prediction.status, prediction.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await prediction.json()).toEqual({ error: 'the gateway is being restarted; try again in 1 s' })
  })
})
