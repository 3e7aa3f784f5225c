/** Health reports, actions on findings and label schemas over HTTP: the real core modules on a store in memory. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkHealth, type Finding, type HealthReport } from '#core/health'
import { silentLogger } from '#core/log'
import type { DatasetVersion } from '#core/steps'
import { composePorts } from '../../apps/api/compose.ts'
import { buildServer, type Api } from '../../apps/api/server.ts'
import { datasetOf, photo, stepContext } from '../core/health/support.ts'
import { FakeEngine, NO_TRIGGERS } from '../support/fake-ports.ts'

const headers = { authorization: 'Bearer the-key-of-the-folder' }
const engine = new FakeEngine()
let folder: string
let version: DatasetVersion
let api: Api

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'gyre-api-health-'))
  const ctx = stepContext({ scratchDir: folder })
  const usual = Array.from({ length: 60 }, async (_, i) => ({
    bytes: await photo(i, { format: 'jpeg', camera: i % 2 ? 'Left' : 'Right' }),
    label: i % 2 ? 'dent' : 'ok',
  }))
  const spoilt = [
    photo(901, { spoil: (image) => image.blur(4) }),
    photo(902, { width: 256, height: 192 }),
    photo(903, { width: 120, height: 24 }),
    photo(904, { spoil: (image) => image.greyscale() }),
    photo(905, { spoil: (image) => image.linear(0.3, 0) }),
  ].map(async (bytes) => ({ bytes: await bytes, label: 'it’s rare' }))
  version = await datasetOf(ctx, await Promise.all([...usual, ...spoilt]), { dataset: 'parts' })
  await checkHealth({ version }, ctx)
  const parts = { store: ctx.store, engine, triggers: NO_TRIGGERS, gatewayUrl: null, servicesOnCluster: false }
  api = await buildServer(
    composePorts({ ...parts, ownerToken: 'the-key-of-the-folder', catalogDir: path.join(folder, 'catalogs') }),
    { log: silentLogger(), webDir: null, uploadsDir: folder, hosts: [], version: '0.1.0', temporalUi: null },
  )
})

afterAll(async () => {
  await api.close()
  await rm(folder, { recursive: true, force: true })
})

const call = (method: 'GET' | 'PUT' | 'POST', url: string, payload?: object) =>
  api.inject({ method, url: `/api/datasets/parts/${url}`, headers, ...(payload && { payload }) })

test('the report of a version has findings, and its page is served', async () => {
  const report = (await call('GET', 'health')).json<HealthReport & { html: string; by: string }>()
  expect(report).toMatchObject({ version: version.version, images: 65, by: 'run-1', against: null })
  expect(report.findings.map(({ kind }) => kind)).toEqual(
    expect.arrayContaining(['leaking-metadata', 'blurry', 'odd-size', 'odd-aspect', 'grey', 'dark']),
  )
  const page = await api.inject({ method: 'GET', url: `/api/reports/${report.html}`, headers })
  expect(page.headers['content-type']).toContain('text/html')
  expect(page.body).toContain('The camera gives the class away')
  expect(page.body.match(/data:image\/webp;base64/g)!.length).toBeGreaterThan(5)
})

test('the condition of a finding finds exactly its images in the catalog', async () => {
  const { findings } = (await call('GET', 'health')).json<HealthReport>()
  const told = findings.filter((finding): finding is Finding & { where: string } => finding.where !== null)
  expect(told.length).toBeGreaterThan(5)
  for (const { kind, where, images, digests } of told) {
    const { total, rows } = (await call('GET', `rows?count=500&where=${encodeURIComponent(where)}`)).json()
    expect([kind, total]).toEqual([kind, images])
    expect(rows.map(({ digest }: { digest: string }) => digest).sort()).toEqual([...digests].sort())
  }
})

test('a version that nobody checked answers 404 and says what to do', async () => {
  const answer = await call('GET', `health?against=${version.version}`)
  expect(answer.statusCode).toBe(404)
  expect(answer.json()).toMatchObject({
    code: 'HEALTH_NOT_CHECKED',
    detail: expect.stringContaining('gyre dataset health parts'),
  })
})

test('a check is a run', async () => {
  const answer = await call('POST', 'health', { labels: false })
  expect(answer.statusCode).toBe(202)
  const { run } = answer.json<{ run: string }>()
  expect(await engine.show(run)).toMatchObject({
    pipeline: 'dataset-health',
    params: { dataset: 'parts', labels: false },
  })
})

test('acting on a finding makes a version with the reason', async () => {
  const act = { finding: 'blurry', action: 'exclude', reason: 'out of focus' }
  const changed = (await call('POST', 'health/actions', { version: version.version, ...act })).json<{
    version: string
    images: number
  }>()
  expect(changed.images).toBe(1)
  const excluded = encodeURIComponent("excluded = 'out of focus'")
  expect((await call('GET', `rows?ref=${changed.version}&where=${excluded}`)).json()).toMatchObject({ total: 1 })
  const nothing = await call('POST', 'health/actions', { version: version.version, ...act, finding: 'drift' })
  expect(nothing.json()).toMatchObject({ code: 'INVALID_INPUT', detail: expect.stringContaining('no finding drift') })
})

test('a schema is shown, set, and migrated after a preview', async () => {
  expect((await call('GET', 'schema')).json()).toMatchObject({
    isSet: false,
    schema: { classes: ['dent', 'it’s rare', 'ok'] },
  })
  const migration = {
    operations: [{ do: 'merge', classes: ['dent', 'it’s rare'], to: 'bad' }],
    reason: 'fewer classes',
  }
  const preview = (await call('POST', 'schema/migrations', { ...migration, preview: true })).json()
  expect(preview).toMatchObject({ moves: [{ images: 30 }, { images: 5 }], needsPerson: { images: 0 } })
  expect((await call('GET', 'schema')).json()).toMatchObject({ isSet: false })
  const done = (await call('POST', 'schema/migrations', migration)).json<{ version: string }>()
  expect((await call('GET', `schema?ref=${done.version}`)).json()).toMatchObject({
    isSet: true,
    schema: { classes: ['bad', 'ok'] },
  })
  const set = { task: 'single', classes: ['bad', 'ok', 'unsure'], boxes: null, attributes: {} }
  const { version: next } = (await call('PUT', 'schema', { schema: set, reason: 'one more' })).json<{
    version: string
  }>()
  expect((await call('GET', `schema?ref=${next}`)).json()).toMatchObject({ schema: set })
  const wrong = await call('POST', 'schema/migrations', { operations: [{ do: 'remove', class: 'x' }], reason: 'x' })
  expect([wrong.statusCode, wrong.json<{ code: string }>().code]).toEqual([400, 'INVALID_INPUT'])
})
