/** Similar images, maps and streams over HTTP, on a store in memory. */
import { mkdir } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openVersion } from '#core/datasets'
import { embedImages } from '#core/embedding'
import { silentLogger } from '#core/log'
import { indexNeighbours } from '#core/neighbours'
import type { DatasetVersion } from '#core/steps'
import { createMemoryStore } from '#core/storage'
import { neighboursOf, streamsOf } from '../../apps/api/adapters/dataset-neighbours.ts'
import { buildServer, type Api } from '../../apps/api/server.ts'
import { stepContext, temporaryFolder } from '../core/imports/support.ts'
import { importedScenes } from '../core/streaming/support.ts'
import { fakeWorld } from '../support/fake-ports.ts'
import { pngImage } from '../support/images.ts'

const folder = temporaryFolder()
const store = createMemoryStore()
const owner = { authorization: 'Bearer token-ada' }
let api: Api
let version: DatasetVersion
let digests: readonly string[]

beforeAll(async () => {
  version = await importedScenes(store, folder())
  digests = (await (await openVersion(store, version)).facts()).map(({ digest }) => digest)
  const ports = { ...(await fakeWorld()), neighbours: neighboursOf(store), streams: streamsOf(store) }
  const settings = {
    log: silentLogger(),
    webDir: null,
    uploadsDir: folder(),
    hosts: [],
    version: '0',
    temporalUi: null,
  }
  api = await buildServer(ports, settings)
})
afterAll(() => api.close())

test('a version that nobody has mapped says which pipeline to run, and works once it ran', async () => {
  const refused = await api.inject({ url: '/api/datasets/things/map', headers: owner })
  expect(refused.statusCode).toBe(404)
  expect(refused.json()).toMatchObject({ code: 'DATASET_NOT_MAPPED' })
  await mkdir(folder('scratch'))
  const ctx = stepContext({ store, scratchDir: folder('scratch') })
  await indexNeighbours({ embeddings: await embedImages({ version, model: 'fitted', dims: 64, seed: 7 }, ctx) }, ctx)

  const map = await api.inject({ url: '/api/datasets/things/map', headers: owner })
  expect(map.headers['content-type']).toBe('application/octet-stream')
  expect(map.rawPayload.readUInt32LE(0)).toBe(66)
  expect(map.rawPayload).toHaveLength(4 + 66 * 8)

  const near = await api.inject({ url: `/api/datasets/things/similar?digest=${digests[0]}&count=3`, headers: owner })
  const { rows } = near.json<{ rows: { digest: string; similarity: number }[] }>()
  expect(rows).toHaveLength(3)
  expect(digests).toEqual(expect.arrayContaining(rows.map(({ digest }) => digest)))
})

test('an uploaded image finds those like it, and other bodies are refused', async () => {
  const post = (payload: Buffer, type: string) =>
    api.inject({
      method: 'POST',
      url: '/api/datasets/things/similar?count=2',
      payload,
      headers: { ...owner, 'content-type': type },
    })
  const found = await post(Buffer.from(await pngImage(3)), 'image/png')
  expect(found.json()).toMatchObject({ rows: [{ similarity: expect.closeTo(1, 3) as number }, {}] })
  expect((await post(Buffer.from('{}'), 'application/json')).json()).toMatchObject({ code: 'INVALID_INPUT' })
  expect((await post(Buffer.from('no image'), 'image/png')).json()).toMatchObject({ code: 'IMAGE_UNREADABLE' })
})

test('a stream is described to whoever may run, and not to viewers', async () => {
  const url = '/api/datasets/things/stream?split=all'
  const described = await api.inject({ url, headers: owner })
  expect(described.json()).toMatchObject({ format: 1, version: version.version, samples: 60, expiresAt: null })
  expect((await api.inject({ url, headers: { authorization: 'Bearer token-vic' } })).statusCode).toBe(403)
})
