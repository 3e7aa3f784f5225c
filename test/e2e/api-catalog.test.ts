/** Rows, facets, views and changes over HTTP: the real core modules and catalogs on a store in memory. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CatalogRow } from '#core/catalog'
import { silentLogger } from '#core/log'
import type { DatasetVersion } from '#core/steps'
import { createMemoryStore, type ObjectStore } from '#core/storage'
import { keepCatalogs } from '../../apps/api/adapters/kept-catalogs.ts'
import { composePorts } from '../../apps/api/compose.ts'
import { buildServer, type Api } from '../../apps/api/server.ts'
import { digestOf, madeVersion } from '../core/catalog/made.ts'
import { FakeEngine, NO_TRIGGERS } from '../support/fake-ports.ts'

const owner = { authorization: 'Bearer the-key-of-the-folder' }
let folder: string
let store: ObjectStore
let version: DatasetVersion
let api: Api

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'gyre-api-catalog-'))
  store = createMemoryStore()
  version = await madeVersion(
    store,
    'parts',
    Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => [
        `i${i}`,
        { blur: i / 40, label: i % 4 ? 'dent' : null, origin: i % 4 ? 'predicted' : null },
      ]),
    ),
  )
  api = await buildServer(
    composePorts({
      ...{ store, engine: new FakeEngine(), triggers: NO_TRIGGERS, gatewayUrl: null, servicesOnCluster: false },
      ownerToken: 'the-key-of-the-folder',
      catalogDir: path.join(folder, 'catalogs'),
    }),
    { log: silentLogger(), webDir: null, uploadsDir: folder, hosts: [], version: '0.1.0', temporalUi: null },
  )
})

afterAll(async () => {
  await api.close()
  await rm(folder, { recursive: true, force: true })
})

const call = (method: 'GET' | 'PUT' | 'POST' | 'DELETE', url: string, payload?: object) =>
  api.inject({ method, url: `/api/datasets/parts/${url}`, headers: owner, ...(payload && { payload }) })
const rows = async (query: string) => (await call('GET', `rows?${query}`)).json()
const where = (condition: string) => `where=${encodeURIComponent(condition)}`

test('rows are numbered in the order that was asked for, by ref or by version', async () => {
  const page = await rows(`${where("label = 'dent'")}&order=-blur&from=10&count=3`)
  expect(page).toMatchObject({ version: version.version, total: 30 })
  expect(page.rows.map(({ row, source }: CatalogRow & { row: number }) => [row, source])).toEqual([
    [10, 'i26.png'],
    [11, 'i25.png'],
    [12, 'i23.png'],
  ])
  expect(await rows(`ref=${version.version}&count=1`)).toMatchObject({ total: 40, rows: [{ row: 0 }] })
  expect(await rows(`ref=${'0'.repeat(64)}`)).toMatchObject({ code: 'DATASET_NOT_FOUND', status: 404 })
  expect(await rows('count=501')).toMatchObject({ code: 'INVALID_INPUT' })
})

test('a condition that does not hold up is answered with its place', async () => {
  expect(await rows(where('blurr > 1'))).toMatchObject({
    ...{
      status: 400,
      code: 'INVALID_INPUT',
      detail: expect.stringMatching(/at character 1: there is no column blurr/),
    },
    details: { condition: 'blurr > 1', position: 1 },
  })
})

test('facets count what fits', async () => {
  const { total, facets } = (await call('GET', `facets?${where('blur < 0.5')}`)).json()
  expect(total).toBe(20)
  expect(facets[0]).toEqual({
    ...{ column: 'label', kind: 'values', more: false },
    buckets: [
      { value: 'dent', images: 15 },
      { value: null, images: 5 },
    ],
  })
})

test('views are saved, shown, changed and removed', async () => {
  const view = { name: 'blurry', where: 'blur > 0.9', note: 'for ada' }
  expect((await call('PUT', 'views/blurry', view)).json()).toMatchObject({ ...view, by: 'owner' })
  expect((await call('GET', 'views')).json()).toMatchObject([view])
  await call('PUT', 'views/blurry', { where: 'blur > 0.8' })
  expect((await call('GET', 'views/blurry')).json()).toMatchObject({ where: 'blur > 0.8', note: '' })
  expect((await call('DELETE', 'views/blurry')).statusCode).toBe(204)
  expect((await call('GET', 'views')).json()).toEqual([])
  expect((await call('GET', 'views/blurry')).json()).toMatchObject({ code: 'VIEW_NOT_FOUND' })
  expect((await call('DELETE', 'views/blurry')).statusCode).toBe(404)
  expect((await call('PUT', 'views/bad', { where: 'nothing' })).statusCode).toBe(400)
  expect((await call('PUT', 'views/Not%20A%20Name', { where: 'true' })).json()).toMatchObject({ code: 'INVALID_NAME' })
  for (const dataset of ['nothing', 'parts%2Frefs', '..%2Fparts', '..']) {
    const url = `/api/datasets/${dataset}/views/mine`
    const put = await api.inject({ method: 'PUT', url, headers: owner, payload: { where: 'true' } })
    expect(put.statusCode).toBe(404)
    expect((await api.inject({ url, headers: owner })).statusCode).toBe(404)
  }
})

describe('changes', () => {
  test('by a condition make a version that latest points to, and count what they changed', async () => {
    const change = { version: version.version, where: 'blur >= 0.9', action: 'exclude', reason: 'too blurry' }
    const changed = (await call('POST', 'changes', change)).json()
    expect(changed).toEqual({ version: expect.not.stringMatching(version.version), images: 4 })
    const page = await rows(where("excluded = 'too blurry'"))
    expect(page).toMatchObject({ version: changed.version, total: 4 })
    expect(await rows(`ref=${version.version}&${where('excluded is not null')}`)).toMatchObject({ total: 0 })
  })

  test('of named images give people’s labels', async () => {
    const [one, other] = [digestOf('i0'), digestOf('i1')]
    const change = { version: 'latest', digests: [one, other], action: 'label', label: 'scratch', reason: 'seen' }
    expect((await call('POST', 'changes', change)).json()).toMatchObject({ images: 2 })
    const page = await rows(where("label = 'scratch' and origin = 'human' and humanSeen"))
    expect(page.rows.map(({ digest }: CatalogRow) => digest)).toEqual([one, other].sort())
  })

  test('that say nothing clear are refused', async () => {
    const body = { version: 'latest', action: 'exclude', reason: 'x' }
    for (const wrong of [
      body,
      { ...body, where: 'true', digests: [digestOf('i0')] },
      { ...body, where: 'nothing' },
      { ...body, where: 'true', reason: '' },
      { ...body, where: 'true', action: 'label' },
      { ...body, where: 'true', action: 'drop' },
      { ...body, digests: ['../../etc'] },
    ])
      expect((await call('POST', 'changes', wrong)).json()).toMatchObject({ code: 'INVALID_INPUT' })
    expect((await call('POST', 'changes', { ...body, where: 'true', version: 'nothing' })).statusCode).toBe(404)
  })
})

describe('catalogs that are open', () => {
  test('are few, and one that is in use stays open until it is done', async () => {
    const catalogs = keepCatalogs(store, { cacheDir: path.join(folder, 'few'), kept: 1 })
    const other = await madeVersion(store, 'others', { one: {} })
    const counts = await catalogs.use(version, async (catalog) => {
      const inner = await catalogs.use(other, (second) => second.count('true'))
      return [await catalog.count('true'), inner]
    })
    expect(counts).toEqual([40, 1])
    expect(await catalogs.useOpen('parts', () => Promise.resolve('open'))).toBe('open')
    expect(await catalogs.useOpen('others', () => Promise.resolve('open'))).toBe(null)
  })

  test('that are not there in time are told of, and are there later', async () => {
    const catalogs = keepCatalogs(store, { cacheDir: path.join(folder, 'late'), patienceMs: 0 })
    await expect(catalogs.use(version, (catalog) => catalog.count())).rejects.toMatchObject({
      code: 'CATALOG_BUILDING',
      details: { retryAfterSeconds: 1 },
    })
    await expect
      .poll(() => catalogs.use(version, (catalog) => catalog.count()).catch(() => null), { timeout: 20_000 })
      .toBe(40)
  })
})
