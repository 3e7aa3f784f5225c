/** What people set for themselves, over HTTP. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { silentLogger } from '#core/log'
import { buildServer, type Api } from '../../apps/api/server.ts'
import { fakeWorld } from '../support/fake-ports.ts'

let api: Api
let uploadsDir: string

beforeAll(async () => {
  uploadsDir = await mkdtemp(path.join(tmpdir(), 'gyre-settings-'))
  const settings = { log: silentLogger(), webDir: null, uploadsDir, hosts: [], version: '0.1.0', temporalUi: null }
  api = await buildServer(await fakeWorld(), settings)
})
afterAll(async () => {
  await api.close()
  await rm(uploadsDir, { recursive: true })
})

const headers = (person: string) => ({ authorization: `Bearer token-${person}` })
const read = async (person: string) =>
  (await api.inject({ url: '/api/me/settings', headers: headers(person) })).json<unknown>()
const save = (person: string, payload: object) =>
  api.inject({ method: 'PUT', url: '/api/me/settings', headers: headers(person), payload })

test('keys are kept for the person who set them, and for nobody else', async () => {
  expect(await read('ann')).toEqual({ keys: {}, classKeys: {} })
  const chosen = { keys: { misfit: 'v' }, classKeys: { scratch: 'q', 'hairline crack': '4' } }
  expect((await save('ann', chosen)).statusCode).toBe(200)
  expect(await read('ann')).toEqual(chosen)
  expect(await read('vic')).toEqual({ keys: {}, classKeys: {} })
  await save('ann', { keys: {}, classKeys: {} })
  expect(await read('ann')).toEqual({ keys: {}, classKeys: {} })
})

test.each([
  ['a key that is none', { keys: { misfit: '' }, classKeys: {} }],
  ['a key that is a text', { keys: { misfit: 'a long text of sorts' }, classKeys: {} }],
  ['too many of them', { keys: Object.fromEntries([...Array(61).keys()].map((at) => [`c${at}`, 'x'])), classKeys: {} }],
  ['something else', { classKeys: {} }],
])('%s is refused', async (_, payload) => {
  const refused = await save('ann', payload)
  expect(refused.statusCode).toBe(400)
  expect(refused.json<{ code: string }>().code).toBe('INVALID_INPUT')
})
