/** The API over the real core modules and a folder store: what the command line and the pages read is what was stored. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { importImages } from '#core/imports'
import { silentLogger } from '#core/log'
import { openFolderStore, putBlob, sha256Hex, type ObjectStore } from '#core/storage'
import { composePorts } from '../../apps/api/compose.ts'
import { buildServer, type Api } from '../../apps/api/server.ts'
import { drawImage, FakeEngine, NO_TRIGGERS } from '../support/fake-ports.ts'

const owner = { authorization: 'Bearer the-key-of-the-folder' }
let root: string
let store: ObjectStore
let api: Api
let engine: FakeEngine

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'gyre-api-store-'))
  await mkdir(path.join(root, 'scratch'))
  store = await openFolderStore(path.join(root, 'objects'))
  for (const name of ['scratch', 'stain']) {
    await mkdir(path.join(root, 'images', name), { recursive: true })
    for (let number = 0; number < 10; number++)
      await writeFile(path.join(root, 'images', name, `${number}.png`), await drawImage(name, number))
  }
  await importImages(
    { dataset: 'surfaces', source: path.join(root, 'images'), labels: 'folders', heldOutShare: 0.2, seed: 7 },
    {
      store,
      runId: 'import-1',
      nodeId: 'import',
      attempt: 1,
      scratchDir: path.join(root, 'scratch'),
      signal: new AbortController().signal,
      log: silentLogger(),
      progress: () => undefined,
    },
  )
  engine = new FakeEngine()
  const uploadsDir = path.join(root, 'uploads')
  api = await buildServer(
    composePorts({
      store,
      engine,
      triggers: NO_TRIGGERS,
      ownerToken: 'the-key-of-the-folder',
      gatewayUrl: 'http://127.0.0.1:9',
      servicesOnCluster: false,
      catalogDir: path.join(root, 'catalogs'),
    }),
    { log: silentLogger(), webDir: null, uploadsDir, hosts: [], version: '0.1.0', temporalUi: null },
  )
})

afterAll(async () => {
  await api.close()
  await rm(root, { recursive: true, force: true })
})

const read = async (url: string) => (await api.inject({ url, headers: owner })).json()

describe('datasets', () => {
  test('the list counts labels and classes', async () => {
    const [dataset] = await read('/api/datasets')
    expect(dataset).toMatchObject({ name: 'surfaces', labelled: dataset.images, classes: 2 })
  })

  test('a dataset shows its classes, splits and history', async () => {
    const dataset = await read('/api/datasets/surfaces')
    expect(dataset.classes.map((row: { class: string }) => row.class)).toEqual(['scratch', 'stain'])
    expect(dataset.splits.train + dataset.splits.test).toBe(dataset.images)
    expect(dataset.history).toMatchObject([{ version: dataset.version, images: dataset.images }])
    expect((await read('/api/datasets/nothing')).code).toBe('DATASET_NOT_FOUND')
  })

  test('its pages hold every image once, in the order of digests, under any filter', async () => {
    const { version, images, classes } = await read('/api/datasets/surfaces')
    for (const filter of ['', '&label=stain', '&split=train']) {
      const digests: string[] = []
      for (let cursor: string | null = ''; cursor !== null;) {
        const url = `/api/datasets/surfaces/images?limit=3&ref=${version}${filter}${cursor && `&cursor=${cursor}`}`
        const page: { images: { digest: string }[]; next: string | null } = await read(url)
        digests.push(...page.images.map(({ digest }) => digest))
        cursor = page.next
      }
      expect(digests).toEqual([...new Set(digests)].sort())
      if (filter === '') expect(digests.length).toBe(images)
      if (filter === '&label=stain') expect(digests.length).toBe(classes[1].images)
    }
  })

  test('an image is served as it was imported, and small', async () => {
    const { images } = await read('/api/datasets/surfaces/images?label=scratch')
    const url = `/surfaces/${images[0].digest}`
    const original = await api.inject({ url: `/api/images${url}`, headers: owner })
    expect(sha256Hex(original.rawPayload)).toBe(images[0].digest)
    const small = await api.inject({ url: `/api/thumbnails${url}?size=32`, headers: owner })
    expect(small.headers['content-type']).toBe('image/webp')
    const missing = await read(`/api/images/surfaces/${'0'.repeat(64)}`)
    expect(missing.code).toBe('OBJECT_NOT_FOUND')
  })
})

describe('people', () => {
  test('a link makes a login, which ends by logging out', async () => {
    const invited = await api.inject({
      method: 'POST',
      url: '/api/users',
      headers: { ...owner, host: 'localhost:8080' },
      payload: { name: 'ann', role: 'annotator' },
    })
    const link = new URL(invited.json().link)
    const login = await api.inject({ url: link.pathname + link.search, headers: { host: link.host } })
    const { name, value } = login.cookies[0]!
    const browser = { headers: { host: link.host, origin: link.origin }, cookies: { [name]: value } }
    expect((await api.inject({ url: '/api/me', ...browser })).json()).toMatchObject({
      name: 'ann',
      permissions: ['view', 'annotate'],
    })
    expect((await api.inject({ method: 'POST', url: '/api/logout', ...browser })).statusCode).toBe(204)
    expect((await api.inject({ url: '/api/me', ...browser })).statusCode).toBe(401)
    expect(await read('/api/users')).toEqual([{ name: 'ann', role: 'annotator' }])
  })

  test('the owner may ask for a link of their own', async () => {
    const { name, role } = await read('/api/me')
    const invited = await api.inject({ method: 'POST', url: '/api/users', headers: owner, payload: { name, role } })
    expect(invited.statusCode).toBe(201)
  })

  test('a key that is nearly right opens nothing', async () => {
    const call = await api.inject({ url: '/api/me', headers: { authorization: 'Bearer the-key-of-the-folde' } })
    expect(call.statusCode).toBe(401)
  })
})

describe('tasks', () => {
  test('a task is there from the moment it was asked for', async () => {
    const payload = { model: 'surface-defects', dataset: 'surfaces' }
    const { id } = (await api.inject({ method: 'POST', url: '/api/batches', headers: owner, payload })).json()
    const task = {
      id,
      model: 'surface-defects',
      source: 'dataset surfaces',
      status: 'running',
      images: null,
      ready: false,
    }
    expect(await read(`/api/batches/${id}`)).toMatchObject(task)
    expect(await read('/api/batches')).toMatchObject([task])
    expect((await read('/api/batches/other')).code).toBe('BATCH_NOT_FOUND')
  })
})

test('what is not there yet is an empty list', async () => {
  for (const url of ['/api/models', '/api/endpoints', '/api/sessions']) expect(await read(url), url).toEqual([])
})

test('a stored report is found by its digest', async () => {
  const { sha256 } = await putBlob(store, Buffer.from('<!doctype html><h1>Evaluation</h1>'))
  const report = await api.inject({ url: `/api/reports/${sha256}`, headers: owner })
  expect(report.body).toContain('Evaluation')
})
