/** History, differences, tags, restoring and merging over HTTP, and what the command line says of them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeEach, afterEach, expect, test } from 'vitest'
import { commitChange, commitLabels, type HistoryEntry } from '#core/datasets'
import { silentLogger } from '#core/log'
import type { DatasetVersion } from '#core/steps'
import { createMemoryStore, type ObjectStore } from '#core/storage'
import { composePorts } from '../../apps/api/compose.ts'
import { buildServer, type Api } from '../../apps/api/server.ts'
import { digestOf, factsOf, labelOf, rules } from '../core/datasets/rows.ts'
import { FakeEngine, NO_TRIGGERS } from '../support/fake-ports.ts'

const headers = { authorization: 'Bearer the-key-of-the-folder' }
const folder = await mkdtemp(path.join(tmpdir(), 'gyre-api-versions-'))
afterAll(() => rm(folder, { recursive: true, force: true }))

let store: ObjectStore
let first: DatasetVersion
let second: DatasetVersion
let api: Api

beforeEach(async () => {
  store = createMemoryStore()
  const names = [1, 2, 3, 4]
  const change = { facts: names.map((n) => factsOf(n)), labels: names.map((n) => labelOf(n)), rules }
  first = (await commitChange(store, { dataset: 'parts', version: null }, change, { by: 'ada', note: 'imported' }))
    .version
  second = await commitLabels(store, first, [labelOf(1, { label: 'dent' }), labelOf(2, { excluded: 'broken' })], {
    by: 'bob',
    note: 'session 1',
  })
  api = await buildServer(
    composePorts({
      ...{ store, engine: new FakeEngine(), triggers: NO_TRIGGERS, gatewayUrl: null, servicesOnCluster: false },
      ownerToken: 'the-key-of-the-folder',
      catalogDir: path.join(folder, 'catalogs'),
    }),
    { log: silentLogger(), webDir: null, uploadsDir: folder, hosts: [], version: '0.1.0', temporalUi: null },
  )
})
afterEach(() => api.close())

const call = async (method: 'GET' | 'POST', url: string, payload?: object) =>
  (await api.inject({ method, url: `/api/datasets/parts/${url}`, headers, ...(payload && { payload }) })).json()

test('the log tells who made which version why, and what it changed', async () => {
  const log: HistoryEntry[] = await call('GET', 'log')
  expect(log).toMatchObject([
    {
      ...{
        version: second.version,
        images: 4,
        parents: [first.version],
        by: 'bob',
        note: 'session 1',
        refs: ['latest'],
      },
      changes: { relabelled: [{ from: null, to: 'dent', images: 1 }], excluded: 1, added: 0 },
    },
    { version: first.version, parents: [], by: 'ada', note: 'imported', refs: [], changes: { added: 4 } },
  ])
  expect(await call('GET', `log?ref=${first.version.slice(0, 10)}`)).toEqual([log[1]])
  expect(await call('GET', 'log?ref=nowhere')).toMatchObject({ code: 'DATASET_NOT_FOUND' })
})

test('two versions differ in counts, and image by image in pages', async () => {
  const sides = `from=${first.version}&to=latest`
  expect(await call('GET', `diff?${sides}`)).toMatchObject({
    ...{ added: 0, removed: 0, excluded: 1, included: 0, schema: null },
    relabelled: [{ from: null, to: 'dent', images: 1 }],
  })
  const said = { split: 'train', label: null, tags: null, excluded: null }
  const rows = [
    { digest: digestOf(1), kinds: ['relabelled'], was: said, is: { ...said, label: 'dent' } },
    { digest: digestOf(2), kinds: ['excluded'], was: said, is: { ...said, excluded: 'broken' } },
  ]
  const all = rows.sort((a, b) => (a.digest < b.digest ? -1 : 1))
  expect(await call('GET', `diff/rows?${sides}`)).toEqual({ rows: all })
  expect(await call('GET', `diff/rows?${sides}&limit=1&after=${all[0]!.digest}`)).toEqual({ rows: [all[1]] })
  expect(await call('GET', `diff/rows?${sides}&kind=relabelled&label=dent`)).toMatchObject({
    rows: [{ digest: digestOf(1) }],
  })
  expect(await call('GET', `diff/rows?${sides}&kind=relabelled&label=scratch`)).toEqual({ rows: [] })
  expect(await call('GET', `diff/rows?${sides}&kind=renamed`)).toMatchObject({ code: 'INVALID_INPUT' })
})

test('a tag names a version, and moves only when told', async () => {
  const tag = (body: object) => call('POST', 'tags', { tag: 'before-audit', ...body })
  expect(await tag({ version: 'latest' })).toEqual({ version: second.version, images: 4 })
  expect(await tag({ version: second.version })).toMatchObject({ version: second.version })
  expect(await tag({ version: first.version })).toMatchObject({
    ...{ status: 409, code: 'DATASET_TAG_TAKEN' },
    detail: `tag before-audit of parts points to ${second.version.slice(0, 12)} already; choose another name or move it with --move`,
  })
  expect(await tag({ version: first.version, move: true })).toMatchObject({ version: first.version })
  expect(await call('GET', 'refs')).toMatchObject([
    { name: 'before-audit', version: first.version },
    { name: 'latest', version: second.version, by: 'bob' },
  ])
  expect(await call('POST', 'tags', { tag: 'latest', version: 'latest' })).toMatchObject({ code: 'INVALID_INPUT' })
  expect(await call('POST', 'tags', { tag: 'deadbeef', version: 'latest' })).toMatchObject({
    detail: 'tag deadbeef reads as the first digits of a version; add a letter beyond f or a hyphen',
  })
  expect(await call('POST', 'tags', { tag: 'Not This', version: 'latest' })).toMatchObject({ code: 'INVALID_NAME' })
})

test('an earlier version becomes the latest again, and nothing is lost', async () => {
  expect(await call('POST', 'restore', { version: first.version })).toMatchObject({ version: first.version })
  expect(await call('GET', 'refs')).toMatchObject([{ name: 'latest', version: first.version }])
  expect(await call('GET', `log?ref=${second.version}`)).toHaveLength(2)
  expect(await call('POST', 'restore', { version: 'abcdef' })).toMatchObject({ code: 'DATASET_NOT_FOUND' })
})

test('a merge is refused with its conflicts, and made with decisions', async () => {
  const theirs = await commitChange(
    store,
    first,
    { labels: [labelOf(1, { label: 'scratch' }), labelOf(3, { label: 'clean' })] },
    { by: 'eve', note: 'second opinion', ref: 'second-opinion' },
  )
  expect(theirs.published).toEqual(theirs.version)
  const refused = await call('POST', 'merge', { theirs: 'second-opinion' })
  expect(refused).toMatchObject({
    ...{ status: 409, code: 'DATASET_MERGE_CONFLICTS' },
    detail: 'second-opinion and latest of parts disagree in 1 place; decide each or give a policy',
    details: { total: 1, conflicts: [{ digest: digestOf(1), field: 'label', ours: { label: 'dent' } }] },
  })
  const decisions = [{ digest: digestOf(1), field: 'label', take: 'theirs' }]
  const { version } = await call('POST', 'merge', { theirs: 'second-opinion', decisions, note: 'agreed' })
  expect(await call('GET', 'log?limit=1')).toMatchObject([
    {
      version,
      parents: [second.version, theirs.version.version],
      by: 'owner',
      note: 'agreed',
      cause: { kind: 'merge' },
    },
  ])
  expect(await call('GET', `diff?from=${second.version}&to=latest`)).toMatchObject({
    relabelled: [
      { from: null, to: 'clean', images: 1 },
      { from: 'dent', to: 'scratch', images: 1 },
    ],
  })
})
