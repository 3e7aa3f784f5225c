/** What the HTTP API tells of a run beside how it stands: logs, lineage, artifacts, and how two runs differ. */

import { tmpdir } from 'node:os'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { silentLogger } from '#core/log'
import { createRun, StepLog, type RunComparison, type RunRecord } from '#core/runs'
import { putBlob } from '#core/storage'
import { buildServer, type Api } from '../../apps/api/server.ts'
import { fakeRecord, fakeStep, fakeWorld, RUN, type FakeWorld } from '../support/fake-ports.ts'

let world: FakeWorld
let api: Api

beforeEach(async () => {
  world = await fakeWorld({ empty: true })
  await keep(RUN)
  api = await buildServer(world, {
    log: silentLogger(),
    webDir: null,
    uploadsDir: tmpdir(),
    hosts: [],
    version: '0.1.0',
    temporalUi: null,
  })
})
afterEach(() => api.close())

/** A run of `import` and `train` in the store and in the engine. */
async function keep(id: string, record: Partial<RunRecord> = {}, accuracy = 0.9): Promise<void> {
  await createRun(world.store, fakeRecord(id, [['import'], ['train', 'import']], record))
  world.engine.put({
    id,
    status: 'completed',
    endedAt: '2026-03-02T10:01:00.000Z',
    steps: [fakeStep('import', []), fakeStep('train', ['import'], { outputs: { accuracy } })],
  })
}

const get = (url: string) => api.inject({ url, headers: { authorization: 'Bearer token-vic' } })

test('the log of a step is read from a place on, and an unknown step is told the known ones', async () => {
  const log = new StepLog({ store: world.store, run: RUN, node: 'train', attempt: 1 })
  log.write({ level: 'info', text: 'epoch 1' })
  await log.close()
  expect((await get(`/api/runs/${RUN}/steps/train/log`)).json()).toMatchObject({
    lines: [{ text: 'epoch 1' }],
    next: 1,
  })
  expect((await get(`/api/runs/${RUN}/steps/train/log?after=1`)).json()).toEqual({ lines: [], next: 1 })
  expect((await get(`/api/runs/${RUN}/steps/deploy/log`)).json()).toMatchObject({
    code: 'INVALID_INPUT',
    detail: `run "${RUN}" has no step "deploy"; its steps are import, train`,
  })
  expect((await get('/api/runs/never/steps/train/log')).json()).toMatchObject({ code: 'RUN_NOT_FOUND' })
})

test('the lineage of a run names who or what began it, its base, and the runs that are based on it', async () => {
  const cause = { kind: 'new-images', text: '340 new images in parts', trigger: 'fresh' } as const
  await keep('again', { basedOn: { kind: 'rerun', run: RUN, forced: ['train'] }, cause })
  expect((await get('/api/runs/again/lineage')).json()).toEqual({
    by: 'ada',
    cause,
    basedOn: { kind: 'rerun', run: RUN, forced: ['train'] },
    derived: [],
  })
  expect((await get(`/api/runs/${RUN}/lineage`)).json()).toMatchObject({
    basedOn: null,
    derived: [{ id: 'again', kind: 'rerun' }],
  })
})

test('two runs are compared step by step', async () => {
  await keep('again', {}, 0.95)
  const { steps } = (await get(`/api/runs/${RUN}/compare/again`)).json<RunComparison>()
  expect(steps[1]).toMatchObject({
    name: 'train',
    output: 'different',
    figures: [{ name: 'accuracy', a: 0.9, b: 0.95 }],
    why: ['the same code and inputs gave another output'],
  })
})

test('an artifact is looked into without fetching it, by its bytes and never by a name', async () => {
  const peek = async (bytes: Uint8Array) =>
    (await get(`/api/blobs/${(await putBlob(world.store, bytes)).sha256}/peek`)).json<object>()
  expect(await peek(Buffer.from('{"a":1}\n'))).toEqual({
    type: 'application/octet-stream',
    sizeBytes: 8,
    text: '{"a":1}\n',
    isWhole: true,
  })
  expect(await peek(Buffer.from([0, 1, 2, 255]))).toMatchObject({ text: null })
  expect(await peek(Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'))).toMatchObject({ type: 'image/png', text: null })
  const long = await peek(Buffer.from(`${'é'.repeat(40)}\n`.repeat(2_000)))
  expect(long).toMatchObject({ isWhole: false })
  expect((long as { text: string }).text).toMatch(/^(é{40}\n)+$/)
})

test('an artifact is fetched whole, as a file that no browser opens', async () => {
  const bytes = Buffer.alloc(5 * 2 ** 20, 'onnx')
  const { sha256 } = await putBlob(world.store, bytes)
  const answer = await get(`/api/blobs/${sha256}?name=model.onnx`)
  expect(answer.rawPayload.equals(bytes)).toBe(true)
  expect(answer.headers).toMatchObject({
    'content-type': 'application/octet-stream',
    'content-disposition': 'attachment; filename="model.onnx"',
    'content-security-policy': expect.stringContaining('sandbox') as string,
  })
  expect((await get(`/api/blobs/${'0'.repeat(64)}`)).json()).toMatchObject({ code: 'OBJECT_NOT_FOUND' })
  expect((await get(`/api/blobs/${sha256}?name=../../x`)).statusCode).toBe(400)
})

test('a report may be framed by our own pages, and nothing else may', async () => {
  const report = await get(`/api/reports/${'c'.repeat(64)}`)
  expect(report.headers['x-frame-options']).toBe('SAMEORIGIN')
  expect((await get(`/api/runs/${RUN}`)).headers['x-frame-options']).toBe('DENY')
})
