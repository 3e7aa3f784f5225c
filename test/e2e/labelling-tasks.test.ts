/** Sessions of several labels an image and of classes in order, annotations of other tools, and webhooks, on one real stack. */

import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openVersion } from '#core/datasets'
import { signatureTrouble } from '#core/notify'
import type { Screen } from '#core/labelling'
import type { RunReport } from '#core/runs'
import type { annotate, importAnnotations, StepOutput } from '#core/steps'
import { openStore } from '#core/storage'
import { LiveStack } from '../support/live-stack.ts'
import { MARKS, SHADES, writeMarked, writeShades } from '../support/marked-images.ts'

const MINUTES = 60_000
const SECRET = 'of the hook'
const OVER = ['completed', 'failed', 'cancelled']

type Labelled = StepOutput<typeof annotate>

let folder: string
let stack: LiveStack
let hook: Server
const told: { event: string; session?: { id: string } }[] = []
const troubles: (string | null)[] = []

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'gyre-tasks-'))
  hook = createServer((request, response) => {
    void text(request).then((body) => {
      const header = request.headers['x-gyre-signature'] as string
      const nowSeconds = Math.floor(Date.now() / 1_000)
      troubles.push(signatureTrouble(header, { secret: SECRET, body: Buffer.from(body), nowSeconds }))
      told.push(JSON.parse(body) as (typeof told)[number])
      response.end()
    })
  })
  hook.listen(0, '127.0.0.1')
  await once(hook, 'listening')
  stack = new LiveStack(path.join(folder, 'state'), {
    GYRE_NOTIFY_WEBHOOK: `http://127.0.0.1:${(hook.address() as AddressInfo).port}/`,
    GYRE_NOTIFY_SECRET: SECRET,
  })
  await stack.start()
}, 3 * MINUTES)
afterAll(async () => {
  await stack?.stop()
  hook?.close()
  await rm(folder, { recursive: true, force: true })
}, MINUTES)

async function run(pipeline: string, params: unknown): Promise<RunReport> {
  const answer = await stack.request('POST', `/api/pipelines/${pipeline}/runs`, { params })
  const body = (await answer.json()) as { id: string; detail?: string }
  if (!answer.ok) throw new Error(body.detail)
  const report = await stack.until(body.id, ({ status }) => OVER.includes(status), 4 * MINUTES)
  expect(report.steps.map(({ id, code, reason }) => [id, code && reason]).filter(([, why]) => why)).toEqual([])
  return report
}

const outputs = <T>(report: RunReport, step: string): T => report.steps.find(({ id }) => id === step)!.outputs as T

/** Rows of a version as they lie in the store. */
async function rowsOf(version: Labelled['version']) {
  const store = await openStore(path.join(folder, 'state', 'objects'))
  return (await openVersion(store, version)).labels()
}

async function exported(session: string, format: string): Promise<string> {
  const answer = await stack.request('GET', `/api/sessions/${session}/export?format=${format}`)
  expect([answer.status, answer.headers.get('content-disposition')]).toEqual([200, expect.stringContaining(session)])
  return answer.text()
}

async function oracleFile(name: string, truth: unknown): Promise<string> {
  await writeFile(path.join(folder, name), JSON.stringify(truth))
  return path.join(folder, name)
}

it(
  'several labels an image: tags are committed and certified, go out to other tools, and the milestones are told',
  async () => {
    const source = path.join(folder, 'marked')
    const truth = await writeMarked(source, 240, [0.5, 0.3, 0.15])
    const oracle = await oracleFile('marks.json', truth)
    const asked = { annotator: 'simulated', oracle, targetAccuracy: 0.9, task: 'multi', classes: MARKS }
    const report = await run('label-images', { dataset: 'marked', source, ...asked })
    const { version, certificate, session, stats } = outputs<Labelled>(report, 'annotate')
    expect(certificate!.atLeast).toBeGreaterThanOrEqual(0.9)
    expect(stats.images).toBe(240)

    const rows = await rowsOf(version)
    expect(rows.every(({ label, origin }) => label === null && origin !== null)).toBe(true)
    const right = rows.flatMap(({ digest, tags }) =>
      MARKS.map((mark) => (tags ?? []).includes(mark) === truth[digest]!.includes(mark)),
    )
    expect(right.filter(Boolean).length / right.length).toBeGreaterThanOrEqual(certificate!.atLeast)

    expect(await stack.gyre('annotate', 'verify', 'marked', '--json')).toMatchObject({ code: 0 })

    const lines = (await exported(session, 'jsonl')).trim().split('\n')
    const said = lines.map((line) => JSON.parse(line) as { digest: string; tags: string[] })
    expect(said.map(({ digest, tags }) => [digest, tags])).toEqual(rows.map(({ digest, tags }) => [digest, tags ?? []]))
    expect((await exported(session, 'cvat')).match(/<image /g)).toHaveLength(240)

    await expect.poll(() => told.map(({ event }) => event), { timeout: MINUTES }).toContain('run.completed')
    const events = told.filter((one) => one.session?.id === session).map(({ event }) => event)
    expect([...events].sort()).toEqual(['session.certified', 'session.opened'])
    expect(troubles.every((trouble) => trouble === null)).toBe(true)
  },
  6 * MINUTES,
)

it(
  'classes that have an order: the step says how far wrong labels lie from the right ones',
  async () => {
    const source = path.join(folder, 'shades')
    const truth = await writeShades(source, 150)
    const oracle = await oracleFile('shades.json', Object.fromEntries(Object.entries(truth).map(([k, [v]]) => [k, v])))
    const asked = { annotator: 'simulated', oracle, targetAccuracy: 0.9, task: 'ordinal', classes: SHADES }
    const report = await run('label-images', { dataset: 'shades', source, ...asked })
    const { version, certificate, order } = outputs<Labelled>(report, 'annotate')
    expect(certificate!.atLeast).toBeGreaterThanOrEqual(0.9)
    expect(order).toMatchObject({ withinOne: expect.any(Number), kappa: expect.any(Number) })
    const rows = await rowsOf(version)
    expect(rows.filter(({ digest, label }) => truth[digest]![0] === label).length).toBeGreaterThanOrEqual(0.9 * 150)
  },
  6 * MINUTES,
)

it(
  'labels and predictions of Label Studio come in by the command line; predictions steer a session and are no labels',
  async () => {
    const source = path.join(folder, 'shades')
    const first = await run('import-dataset', { dataset: 'foreign', source })
    const rows = await rowsOf(outputs<Labelled['version']>(first, 'import'))
    const names = await stack.json<{ images?: unknown }>('dataset', 'show', 'foreign')
    expect(names).toBeTruthy()
    const truth = JSON.parse(await readFile(path.join(folder, 'shades.json'), 'utf8')) as Record<string, string>
    const choices = (digest: string) => [
      { type: 'choices', from_name: 'shade', to_name: 'image', value: { choices: [truth[digest]] } },
    ]
    const tasks = rows.map(({ digest }, i) => ({
      data: { image: `https://tool.example/upload/${digest}.png` },
      ...(i < 20 ? { annotations: [{ result: choices(digest) }] } : { predictions: [{ result: choices(digest) }] }),
    }))
    const file = path.join(folder, 'tasks.json')
    await writeFile(file, JSON.stringify(tasks))
    const taken = await stack.json<StepOutput<typeof importAnnotations>>('annotate', 'import', 'foreign', file)
    expect(taken).toMatchObject({
      matched: 150,
      unmatched: 0,
      labelled: 20,
      predicted: 130,
      classes: expect.anything(),
    })

    const oracle = path.join(folder, 'shades.json')
    const asked = { annotator: 'simulated', oracle, targetAccuracy: 0.9, classes: SHADES }
    const labelled = outputs<Labelled>(await run('label-images', { dataset: 'foreign', ...asked }), 'annotate')
    const after = await rowsOf(labelled.version)
    expect(after.filter(({ origin }) => origin === 'imported')).toHaveLength(20)
    expect(labelled.stats.images).toBe(130)
    const target = path.join(folder, 'labels.csv')
    await stack.json('annotate', 'export', labelled.session, target)
    expect((await readFile(target, 'utf8')).trim().split('\n')).toHaveLength(151)
  },
  6 * MINUTES,
)

it(
  'labels of an open session go out as they are, and a class cannot join a session of several labels an image',
  async () => {
    const params = { dataset: 'marked', annotator: 'web', task: 'multi', classes: [...MARKS, 'moss'] }
    const started = await stack.request('POST', '/api/pipelines/label-images/runs', { params })
    const { id } = (await started.json()) as { id: string }
    const session = `${id}.annotate`
    const get = async <T>(route: string): Promise<T | null> => {
      const answer = await stack.request('GET', `/api/sessions/${session}${route}`)
      return answer.ok ? ((await answer.json()) as T) : null
    }
    const nextScreen = async () => (await get<Screen[]>('/screens?count=1'))?.[0]
    await expect.poll(nextScreen, { timeout: 2 * MINUTES }).toBeTruthy()
    const screen = (await nextScreen())!
    expect(screen).toMatchObject({ kind: 'verify', asks: expect.any(String) })
    const answer = { screen: screen.id, class: 'yes', misfits: [], activeMs: 4_000 }
    expect((await stack.request('POST', `/api/sessions/${session}/answers`, answer)).status).toBe(200)
    expect((await stack.request('POST', `/api/sessions/${session}/classes`, { add: 'rust' })).status).toBe(400)

    const lines = (await exported(session, 'jsonl')).trim().split('\n')
    const said = lines.map((line) => JSON.parse(line) as { digest: string; tags: string[]; annotators: string[] })
    expect(said).toHaveLength(240)
    for (const digest of screen.images) {
      const row = said.find((one) => one.digest === digest)!
      expect(row.tags).toContain(screen.asks)
      expect(row.annotators).toHaveLength(1)
    }
    expect((await stack.request('POST', `/api/sessions/${session}/stop`)).status).toBe(202)
    const report = await stack.until(id, ({ status }) => OVER.includes(status), 4 * MINUTES)
    expect(report.status).toBe('completed')
    expect(outputs<Labelled>(report, 'annotate').certificate).toBeNull()
  },
  6 * MINUTES,
)
