/** Decrypting for Temporal's page: for people who are logged in here, from that page alone. */

import { randomBytes } from 'node:crypto'
import { defaultPayloadConverter } from '@temporalio/common'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { silentLogger } from '#core/log'
import { buildServer, type Api } from '../../apps/api/server.ts'
import { createCodec } from '../../infra/temporal/index.ts'
import { fakeWorld } from '../support/fake-ports.ts'

const PAGE = 'http://127.0.0.1:8233'
const codec = createCodec({ active: 'a', keys: new Map([['a', randomBytes(32)]]) })
let api: Api

async function start(withCodec: boolean): Promise<Api> {
  return buildServer(await fakeWorld({ empty: true }), {
    ...{ log: silentLogger(), webDir: null, uploadsDir: '/nowhere', hosts: [], version: '0', temporalUi: PAGE },
    codec: withCodec ? { origin: PAGE, decode: codec.decode } : null,
  })
}

beforeEach(async () => void (api = await start(true)))
afterEach(() => api.close())

/** As the page of Temporal sends it. */
async function ask(headers: Record<string, string>) {
  const [sealed] = await codec.encode([defaultPayloadConverter.toPayload({ folder: 'patients' })])
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
  const metadata = Object.fromEntries(Object.entries(sealed!.metadata!).map(([name, value]) => [name, text(value)]))
  const body = { payloads: [{ metadata, data: text(sealed!.data!) }] }
  return api.inject({ method: 'POST', url: '/api/codec/decode', payload: body, headers })
}

const person = { cookie: 'gyre-80=token-vic', host: 'localhost:80' }

describe('POST /api/codec/decode', () => {
  test('decrypts for a person on the page', async () => {
    const answer = await ask({ ...person, origin: PAGE })
    expect(answer.statusCode).toBe(200)
    expect(answer.headers['access-control-allow-origin']).toBe(PAGE)
    const [{ data, metadata }] = answer.json().payloads
    expect(Buffer.from(metadata.encoding, 'base64').toString()).toBe('json/plain')
    expect(JSON.parse(Buffer.from(data, 'base64').toString())).toEqual({ folder: 'patients' })
  })

  test('refuses who is not logged in, and other pages', async () => {
    const stranger = await ask({ origin: PAGE, host: 'localhost:80' })
    expect(stranger.statusCode).toBe(401)
    expect(stranger.headers['access-control-allow-origin']).toBe(PAGE)
    expect((await ask({ ...person, origin: 'http://127.0.0.1:8234' })).json().code).toBe('CROSS_SITE_REFUSED')
  })

  test('tells a browser beforehand that the page alone may call, with its cookie', async () => {
    const { statusCode, headers } = await api.inject({
      method: 'OPTIONS',
      url: '/api/codec/decode',
      headers: { origin: 'http://evil.example', host: 'localhost:80' },
    })
    expect(statusCode).toBe(204)
    expect(headers['access-control-allow-origin']).toBe(PAGE)
    expect(headers['access-control-allow-credentials']).toBe('true')
  })

  test('is not there where nothing is encrypted', async () => {
    await api.close()
    api = await start(false)
    expect((await ask({ ...person, origin: PAGE })).statusCode).toBe(404)
  })

  test('lets the page call nothing else', async () => {
    const elsewhere = await api.inject({ method: 'POST', url: '/api/logout', headers: { ...person, origin: PAGE } })
    expect(elsewhere.json().code).toBe('CROSS_SITE_REFUSED')
  })
})
