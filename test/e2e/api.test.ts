/** The HTTP API over fakes: who may call what, what a page on another site cannot do, and how failures read. */

import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { request, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { removeOldDrops } from '#core/batch'
import { PlatformError } from '#core/errors'
import { silentLogger } from '#core/log'
import { sha256Hex } from '#core/storage'
import { RunFeed } from '../../apps/api/run-feed.ts'
import { buildServer, type Api } from '../../apps/api/server.ts'
import type { ApiLimits } from '../../apps/api/ports.ts'
import { safeName } from '../../apps/api/uploads.ts'
import { fakeStep, fakeWorld, RUN, SESSION, type FakeWorld } from '../support/fake-ports.ts'

let world: FakeWorld
let api: Api
let uploadsDir: string

async function start(limits: Partial<ApiLimits> = {}): Promise<Api> {
  return buildServer(world, {
    log: silentLogger(),
    webDir: null,
    uploadsDir,
    hosts: ['gyre.example'],
    version: '0.1.0',
    temporalUi: null,
    limits: { pollMs: 5, ...limits },
  })
}

/** Everything that dropped images left in the store. */
async function dropped(): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of world.drops.list('')) keys.push(key)
  return keys
}

const as = (name: string) => ({ authorization: `Bearer token-${name}` })
const cookieOf = (name: string) => ({ cookie: `gyre-80=token-${name}`, host: 'localhost:80' })

beforeEach(async () => {
  uploadsDir = await mkdtemp(path.join(tmpdir(), 'gyre-api-'))
  world = await fakeWorld({ perClass: 26 })
  world.engine.put({ id: RUN, steps: [fakeStep('import', [])] })
  api = await start()
})

afterEach(async () => {
  await api.close()
  await rm(uploadsDir, { recursive: true, force: true })
})

describe('login', () => {
  test('health needs no login and every other call does', async () => {
    expect((await api.inject('/api/health')).json()).toMatchObject({ status: 'ok', version: '0.1.0' })
    const refused = await api.inject('/api/runs')
    expect(refused.statusCode).toBe(401)
    expect(refused.headers['content-type']).toBe('application/problem+json')
    expect(refused.json()).toMatchObject({
      code: 'UNAUTHENTICATED',
      status: 401,
      type: 'urn:gyre:error:UNAUTHENTICATED',
    })
  })

  test('a one-time link works once and leaves a cookie that scripts cannot read', async () => {
    const first = await api.inject('/login?code=code-ada')
    expect(first.statusCode).toBe(303)
    expect(first.headers.location).toBe('/')
    expect(first.cookies[0]).toMatchObject({ name: 'gyre-80', httpOnly: true, sameSite: 'Strict', path: '/' })
    const again = await api.inject('/login?code=code-ada')
    expect(again.headers.location).toBe('/welcome?link=spent')
    expect(again.cookies).toEqual([])
    const { value } = first.cookies[0]!
    const me = await api.inject({ url: '/api/me', headers: { host: 'localhost:80' }, cookies: { 'gyre-80': value } })
    expect(me.json()).toMatchObject({ name: 'ada', role: 'owner' })
  })

  test('two stacks on one machine keep their logins apart', async () => {
    const other = await api.inject({ url: '/api/me', headers: { host: 'localhost:81', cookie: 'gyre-80=token-ada' } })
    expect(other.statusCode).toBe(401)
  })

  test('a role bounds what its people do', async () => {
    const cancel = { method: 'POST', url: `/api/runs/${RUN}/cancel` } as const
    expect((await api.inject({ ...cancel, headers: as('ann') })).json()).toMatchObject({ code: 'FORBIDDEN' })
    expect((await api.inject({ ...cancel, headers: as('ada') })).statusCode).toBe(202)
    expect((await api.inject({ url: '/api/users', headers: as('ann') })).statusCode).toBe(403)
    expect(world.engine.asked).toEqual([`cancel ${RUN} by ada`])
  })

  test('a new person gets a one-time link on the address that the owner uses', async () => {
    const made = await api.inject({
      method: 'POST',
      url: '/api/users',
      headers: { ...as('ada'), host: 'gyre.example' },
      payload: { name: 'bo', role: 'annotator' },
    })
    expect(made.statusCode).toBe(201)
    const { code, link } = made.json<{ code: string; link: string }>()
    expect(link).toBe(`http://gyre.example/login?code=${code}`)
  })
})

describe('other sites', () => {
  test('a name that merely resolves to this machine reaches nothing', async () => {
    const rebound = await api.inject({ url: '/api/health', headers: { host: 'evil.example:8080' } })
    expect(rebound.statusCode).toBe(403)
    expect(rebound.json().code).toBe('CROSS_SITE_REFUSED')
  })

  test.each([undefined, 'http://evil.example', 'null', 'http://localhost:81'])(
    'a cookie from the origin %s changes nothing',
    async (origin) => {
      const call = await api.inject({
        method: 'POST',
        url: `/api/runs/${RUN}/cancel`,
        headers: { ...cookieOf('ada'), ...(origin ? { origin } : {}) },
      })
      expect(call.json().code).toBe('CROSS_SITE_REFUSED')
      expect(world.engine.asked).toEqual([])
    },
  )

  test('our own pages may use the cookie', async () => {
    const call = await api.inject({
      method: 'POST',
      url: `/api/runs/${RUN}/cancel`,
      headers: { ...cookieOf('ada'), origin: 'http://localhost' },
    })
    expect(call.statusCode).toBe(202)
  })

  test('every answer forbids framing, sniffing and foreign scripts', async () => {
    const { headers } = await api.inject('/api/health')
    expect(headers['content-security-policy']).toContain("script-src 'self';")
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'cache-control': 'no-store',
    })
  })

  test('a stored report is shown in a sandbox where nothing runs', async () => {
    const report = await api.inject({ url: `/api/reports/${'c'.repeat(64)}`, headers: as('vic') })
    expect(report.headers['content-security-policy']).toMatch(/^sandbox; default-src 'none'/)
  })
})

describe('failures', () => {
  test('a code of the catalogue gives its status, meaning and remedy', async () => {
    const missing = await api.inject({ url: '/api/runs/nothing', headers: as('vic') })
    expect(missing.statusCode).toBe(404)
    expect(missing.json()).toMatchObject({
      code: 'RUN_NOT_FOUND',
      title: 'No run has this id.',
      detail: 'no run "nothing"; see gyre run list',
      remedy: 'List them with `gyre run list`.',
      details: { run: 'nothing' },
    })
  })

  test('a body that does not fit is refused with its path', async () => {
    const call = { method: 'POST', url: `/api/sessions/${SESSION}/answers`, headers: as('ann') } as const
    const wrong = await api.inject({ ...call, payload: { screen: '000001', class: 7, misfits: [] } })
    expect(wrong.statusCode).toBe(400)
    expect(wrong.json()).toMatchObject({ code: 'INVALID_INPUT', details: { path: 'body.class' } })
    const broken = await api.inject({
      ...call,
      headers: { ...as('ann'), 'content-type': 'application/json' },
      payload: '{"screen":',
    })
    expect(broken.json()).toMatchObject({ code: 'INVALID_INPUT', status: 400 })
  })

  test('an unknown address is a problem document too', async () => {
    const nowhere = await api.inject({ url: '/api/nowhere', headers: as('ada') })
    expect(nowhere.json()).toMatchObject({ code: 'ROUTE_NOT_FOUND', status: 404 })
  })

  test('one caller cannot exhaust the server', async () => {
    await api.close()
    api = await start({ requestsPerMinute: 2 })
    const statuses = []
    for (let call = 0; call < 3; call++) statuses.push(await api.inject({ url: '/api/runs', headers: as('vic') }))
    expect(statuses.map(({ statusCode }) => statusCode)).toEqual([200, 200, 429])
    expect(statuses[2]!.json().code).toBe('TOO_MANY_REQUESTS')
    expect(Number(statuses[2]!.headers['retry-after'])).toBeGreaterThan(0)
  })
})

describe('pipelines and runs', () => {
  test('a run starts in the name of its caller, under the id that was asked for', async () => {
    const started = await api.inject({
      method: 'POST',
      url: '/api/pipelines/image-classifier/runs',
      headers: as('ada'),
      payload: { params: { dataset: 'surfaces' }, runId: 'mine' },
    })
    expect(started.statusCode).toBe(201)
    expect(started.json()).toEqual({ id: 'mine' })
    expect(world.engine.runs.get('mine')?.params).toEqual({ dataset: 'surfaces' })
    expect(world.engine.asked).toEqual(['start image-classifier by ada'])
  })

  test('a plan shows what a run would do, and starts nothing', async () => {
    const payload = { params: { epochs: 3 } }
    const planned = await api.inject({
      method: 'POST',
      url: '/api/pipelines/image-classifier/plan',
      headers: as('vic'),
      payload,
    })
    expect(planned.json()).toEqual({ nodes: [], params: { epochs: 3 } })
    expect(world.engine.asked).toEqual([])
  })

  test('a run in flight cannot be resumed', async () => {
    const call = await api.inject({ method: 'POST', url: `/api/runs/${RUN}/resume`, headers: as('ada') })
    expect(call.statusCode).toBe(409)
    expect(call.json().code).toBe('RUN_NOT_RESUMABLE')
  })

  test('an approval carries who gave it and why', async () => {
    const payload = { approved: false, why: 'too few stains' }
    await api.inject({ method: 'POST', url: `/api/runs/${RUN}/approvals/approve`, headers: as('ada'), payload })
    expect(world.engine.asked).toEqual([`refuse ${RUN}/approve by ada: too few stains`])
  })

  test('watchers of a run see each change once, and its end', async () => {
    const show = vi.spyOn(world.engine, 'show')
    const events = api.inject({ url: `/api/runs/${RUN}/events`, headers: as('vic') })
    await until(() => show.mock.calls.length > 2)
    world.engine.put({ id: RUN, status: 'completed', endedAt: '2026-03-02T10:09:00.000Z' })
    const { headers, body } = await events
    expect(headers['content-type']).toBe('text/event-stream')
    const reports = [...body.matchAll(/^event: report\ndata: (.*)$/gm)].map(([, json]) => JSON.parse(json!).status)
    expect(reports).toEqual(['running', 'completed'])
  })

  test('however many watch a run, it is asked for once a time, and not at all when they left', async () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const show = vi.spyOn(world.engine, 'show')
    const feed = new RunFeed(world.engine, 100)
    const listener = { changed: vi.fn(), ended: vi.fn() }
    const leave = [feed.watch(RUN, listener), feed.watch(RUN, { ...listener })]
    await vi.advanceTimersByTimeAsync(250)
    expect(show).toHaveBeenCalledTimes(3)
    expect(listener.changed).toHaveBeenCalledTimes(2)
    for (const go of leave) go()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(show).toHaveBeenCalledTimes(3)
    expect(listener.ended).not.toHaveBeenCalled()
  })

  test('a stream outlives an engine that is being restarted', async () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    vi.spyOn(world.engine, 'show').mockRejectedValueOnce(new Error('connection refused'))
    const feed = new RunFeed(world.engine, 100)
    const listener = { changed: vi.fn(), ended: vi.fn() }
    feed.watch(RUN, listener)
    await vi.advanceTimersByTimeAsync(150)
    expect(listener.changed).toHaveBeenCalledOnce()
    feed.close()
    expect(listener.ended).toHaveBeenCalledOnce()
  })

  test('closing the server ends the watchers first', async () => {
    const url = new URL(await api.listen({ port: 0, host: '127.0.0.1' }))
    const watcher = await new Promise<IncomingMessage>((resolve) =>
      request({ port: url.port, path: `/api/runs/${RUN}/events`, headers: as('vic') }, resolve).end(),
    )
    const body = text(watcher)
    await api.close()
    expect(await body).toMatch(/^event: report\n/)
  })

  test('a connection on which nothing was asked does not keep the server from ending', async () => {
    const url = new URL(await api.listen({ port: 0, host: '127.0.0.1' }))
    const silent = connect(Number(url.port), '127.0.0.1')
    await once(silent, 'connect')
    await (await fetch(new URL('/api/health', url))).json()
    const ended = once(silent, 'close')
    await api.close()
    await ended
  }, 5_000)
})

describe('labelling', () => {
  test('screens come from the host, answers go to it under the name of the caller', async () => {
    const screens = (await api.inject({ url: `/api/sessions/${SESSION}/screens?count=2`, headers: as('ann') })).json()
    expect(screens.map(({ id }: { id: string }) => id)).toEqual(['000001', '000002'])
    const misfits = [
      { image: screens[0].images[23], class: 'dent' },
      { image: screens[0].images[0], class: null, why: 'broken' },
    ]
    const answered = await api.inject({
      method: 'POST',
      url: `/api/sessions/${SESSION}/answers`,
      headers: as('ann'),
      payload: { screen: '000001', class: 'scratch', misfits, activeMs: 2300 },
    })
    expect(answered.json()).toMatchObject({ screens: 1, labelled: 24, misfits: 2, screensLeft: 7 })
    expect(world.session.answers).toEqual([
      { screen: '000001', class: 'scratch', misfits, activeMs: 2300, annotator: 'ann' },
    ])
  })

  test('undo hands the screen back', async () => {
    const payload = { screen: '000001', class: 'scratch', misfits: [] }
    await api.inject({ method: 'POST', url: `/api/sessions/${SESSION}/answers`, headers: as('ann'), payload })
    const undone = await api.inject({ method: 'POST', url: `/api/sessions/${SESSION}/undo`, headers: as('ann') })
    expect(undone.json()).toMatchObject({ screen: { id: '000001' }, state: { screens: 0 } })
    const nothing = await api.inject({ method: 'POST', url: `/api/sessions/${SESSION}/undo`, headers: as('ann') })
    expect(nothing.json().screen).toBeNull()
  })

  test('stopping goes through the engine, so that the workflow agrees', async () => {
    await api.inject({ method: 'POST', url: `/api/sessions/${SESSION}/stop`, headers: as('ann') })
    expect(world.engine.asked).toEqual([`stop ${SESSION} by ann`])
  })

  test('a host that is being restarted is a 503 that says so', async () => {
    world.session.trouble = new PlatformError(
      'SESSION_HOST_UNAVAILABLE',
      'the session moves to another process; wait a moment',
    )
    const payload = { screen: '000001', class: 'scratch', misfits: [] }
    const call = await api.inject({
      method: 'POST',
      url: `/api/sessions/${SESSION}/answers`,
      headers: as('ann'),
      payload,
    })
    expect(call.statusCode).toBe(503)
    expect(call.json().code).toBe('SESSION_HOST_UNAVAILABLE')
  })
})

describe('images', () => {
  test('an image keeps its bytes, its true type, and may be cached for ever', async () => {
    const [image] = world.images
    const got = await api.inject({ url: `/api/images/surfaces/${image!.digest}`, headers: as('vic') })
    expect(got.rawPayload.equals(image!.bytes)).toBe(true)
    expect(got.headers).toMatchObject({
      'content-type': 'image/png',
      'cache-control': 'private, max-age=31536000, immutable',
    })
  })

  test('a thumbnail is a small WebP, made once', async () => {
    let made = 0
    const { thumbnail } = world
    world = { ...world, thumbnail: (image, size) => (made++, thumbnail(image, size)) }
    await api.close()
    api = await start()
    const url = `/api/thumbnails/surfaces/${world.images[0]!.digest}?size=48`
    const both = await Promise.all([api.inject({ url, headers: as('vic') }), api.inject({ url, headers: as('vic') })])
    const later = await api.inject({ url, headers: as('vic') })
    for (const answer of [...both, later]) expect(answer.rawPayload.subarray(8, 12).toString()).toBe('WEBP')
    expect(made).toBe(1)
  })

  test('a page of images ends with the cursor of the next', async () => {
    const digests: string[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const url: string = `/api/datasets/surfaces/images?limit=50&split=train${cursor && `&cursor=${cursor}`}`
      const page = (await api.inject({ url, headers: as('vic') })).json()
      digests.push(...page.images.map(({ digest }: { digest: string }) => digest))
      cursor = page.next
    }
    // 156 images, every fifth is held out: 32 of them.
    expect(new Set(digests).size).toBe(124)
    expect(digests.length).toBe(124)
  })
})

describe('models and tasks', () => {
  test('an alias moves, and the answer shows it', async () => {
    const payload = { alias: 'stable', version: 1 }
    const url = '/api/models/surface-defects/aliases'
    expect((await api.inject({ method: 'POST', url, headers: as('ann'), payload })).statusCode).toBe(403)
    const moved = await api.inject({ method: 'POST', url, headers: as('ada'), payload })
    expect(moved.json().aliases).toContainEqual({ alias: 'stable', version: 1 })
  })

  test('one image goes through an endpoint', async () => {
    const predict = { method: 'POST', url: '/api/endpoints/surface-defects/predict' } as const
    const headers = { ...as('vic'), 'content-type': 'image/png' }
    const answered = await api.inject({ ...predict, headers, payload: Buffer.from(world.images[0]!.bytes) })
    expect(answered.json()[0]).toEqual({ class: 'scratch', score: 0.93 })
    expect((await api.inject({ ...predict, headers: as('vic') })).json().code).toBe('INVALID_INPUT')
  })

  test('an endpoint shows its revisions and how its traffic moved', async () => {
    const shown = await api.inject({ url: '/api/endpoints/surface-defects', headers: as('vic') })
    expect(shown.json()).toMatchObject({
      revisions: [{ revision: 1, percent: 100 }],
      history: [{ shares: { 1: 100 } }],
    })
    expect((await api.inject({ url: '/api/endpoints/nobody', headers: as('vic') })).statusCode).toBe(404)
  })

  test('those who may publish move traffic, as shares, to the canary or back', async () => {
    const url = '/api/endpoints/surface-defects'
    const traffic = { method: 'PUT', url: `${url}/traffic`, payload: { shares: { 1: 90, 2: 10 } } } as const
    expect((await api.inject({ ...traffic, headers: as('ann') })).statusCode).toBe(403)
    expect((await api.inject({ ...traffic, headers: as('ada') })).statusCode).toBe(200)
    for (const to of ['promote', 'back'])
      expect((await api.inject({ method: 'POST', url: `${url}/${to}`, headers: as('ada') })).statusCode).toBe(200)
    expect(world.moves).toEqual([{ 1: 90, 2: 10 }, 'promote', 'back'])
    const broken = { ...traffic, headers: as('ada'), payload: { shares: { r1: 100 } } }
    expect((await api.inject(broken)).json().code).toBe('INVALID_INPUT')
  })

  test('a roll-out and the end of an endpoint are runs', async () => {
    const url = '/api/endpoints/surface-defects'
    const payload = { model: 'surface-defects@1', replicas: 3, canaryPercent: 10 }
    const rolled = await api.inject({ method: 'POST', url: `${url}/revisions`, headers: as('ada'), payload })
    expect(rolled.statusCode).toBe(202)
    expect(world.engine.runs.get(rolled.json().id)).toMatchObject({
      pipeline: 'roll-out',
      params: { name: 'surface-defects', ...payload },
    })
    const ended = await api.inject({ method: 'DELETE', url, headers: as('ada') })
    expect(world.engine.runs.get(ended.json().id)).toMatchObject({
      pipeline: 'remove-endpoint',
      params: { name: 'surface-defects' },
    })
    expect((await api.inject({ method: 'DELETE', url, headers: as('ann') })).statusCode).toBe(403)
  })

  test('a task over a dataset starts the batch pipeline', async () => {
    const payload = { model: 'surface-defects@champion', dataset: 'surfaces' }
    const made = await api.inject({ method: 'POST', url: '/api/batches', headers: as('ada'), payload })
    expect(made.statusCode).toBe(201)
    expect(world.engine.runs.get(made.json().id)).toMatchObject({ pipeline: 'batch-task', params: payload })
  })

  test('an algorithm goes along as one bundle, from those who may bring code', async () => {
    const bundle = Buffer.from('export default 1')
    const algorithm = { bundle: bundle.toString('base64'), params: { threshold: 0.7 } }
    const payload = { algorithm, dataset: 'surfaces' }
    const ask = (name: string) => api.inject({ method: 'POST', url: '/api/batches', headers: as(name), payload })
    expect(world.engine.runs.get((await ask('ada')).json().id)).toMatchObject({
      params: {
        algorithm: { bundle: { sha256: sha256Hex(bundle), sizeBytes: 16 }, params: { threshold: 0.7 } },
        dataset: 'surfaces',
      },
    })
    expect((await ask('opal')).json()).toMatchObject({ code: 'FORBIDDEN', status: 403 })
  })

  test('a task needs exactly one source', async () => {
    const call = { method: 'POST', url: '/api/batches', headers: as('ada') } as const
    for (const sources of [{}, { source: '/data', dataset: 'surfaces' }]) {
      const refused = await api.inject({ ...call, payload: { model: 'm', ...sources } })
      expect(refused.json()).toMatchObject({ code: 'INVALID_INPUT', status: 400 })
    }
  })

  test('dropped images land in one place of the store, whatever their names try', async () => {
    const names = [
      '../../escape.png',
      '..\\..\\other.png',
      '/etc/passwd',
      'plain.png',
      'PLAIN.png',
      '.hidden',
      'a%0Ab.png',
      'x'.repeat(300) + '.png',
      'grün 😀.png',
    ]
    const made = await api.inject({
      method: 'POST',
      url: '/api/batches',
      ...multipart(names.map((name) => [name, 'bytes'])),
    })
    expect(made.statusCode).toBe(201)
    const { source } = world.engine.runs.get(made.json().id)!.params as { source: string }
    expect(source).toBe(`upload:${made.json().id}`)
    const images = `uploads/${made.json().id}/images/`
    const kept = await dropped()
    expect(kept.filter((key) => key.startsWith(images) && !key.slice(images.length).includes('/'))).toHaveLength(
      names.length,
    )
    expect(kept).toHaveLength(names.length + 1)
    expect(Buffer.from(await world.drops.get(`${images}plain.png`)).toString()).toBe('bytes')
    expect(await readdir(uploadsDir)).toEqual([])
  })

  test.each([
    ['a\u0000b\n.png', 'a_b_.png'],
    ['C:\\images\\one.jpg', 'one.jpg'],
    ['...', 'image'],
    ['invoice\u202egnp.exe', 'invoice_gnp.exe'],
    [undefined, 'image'],
  ])('the name %j is stored as %j', (sent, stored) => expect(safeName(sent)).toBe(stored))

  test.each([
    ['one file is too large', [['a.png', 'x'.repeat(2_000)]]],
    [
      'all files together are too large',
      [
        ['a.png', 'x'.repeat(900)],
        ['b.png', 'x'.repeat(900)],
      ],
    ],
    ['there are too many files', Array.from({ length: 5 }, (_, i) => [`${i}.png`, 'x'])],
    ['there is no file', []],
  ] as [string, [string, string][]][])('an upload is refused and leaves nothing when %s', async (_why, files) => {
    await api.close()
    api = await start({ uploadFileBytes: 1_000, uploadTotalBytes: 1_500, uploadFiles: 4 })
    const refused = await api.inject({ method: 'POST', url: '/api/batches', ...multipart(files) })
    expect([400, 413]).toContain(refused.statusCode)
    expect(world.engine.asked).toEqual([])
    expect(await dropped()).toEqual([])
    expect(await readdir(uploadsDir)).toEqual([])
  })

  test('a task that does not start leaves no images', async () => {
    vi.spyOn(world.engine, 'start').mockRejectedValue(
      new PlatformError('MODEL_NOT_FOUND', 'there is no model surface-defects; see gyre model list'),
    )
    const refused = await api.inject({ method: 'POST', url: '/api/batches', ...multipart([['a.png', 'bytes']]) })
    expect(refused.json().code).toBe('MODEL_NOT_FOUND')
    expect(await dropped()).toEqual([])
  })

  test('images go two weeks after they were dropped', async () => {
    const made = await api.inject({ method: 'POST', url: '/api/batches', ...multipart([['a.png', 'bytes']]) })
    const day = 24 * 3_600_000
    await removeOldDrops(world.drops, Date.now() + 13 * day)
    expect(await dropped()).toContain(`uploads/${made.json().id}/images/a.png`)
    await removeOldDrops(world.drops, Date.now() + 15 * day)
    expect(await dropped()).toEqual([])
  })

  test('results are a download, a document in a sandbox, or JSON', async () => {
    const get = (format: string) => api.inject({ url: `/api/batches/b/${format}`, headers: as('vic') })
    expect((await get('results.csv')).headers['content-disposition']).toBe('attachment; filename="results.csv"')
    expect((await get('results.json')).json()[0]).toMatchObject({ path: 'one.png', class: 'scratch' })
    expect((await get('gallery.html')).headers['content-security-policy']).toMatch(/^sandbox/)
  })

  test('the description of the API names every route that the command line uses', async () => {
    const { paths } = (await api.inject('/api/openapi.json')).json()
    expect(Object.keys(paths)).toEqual(
      expect.arrayContaining([
        '/api/runs/{id}',
        '/api/sessions/{id}/answers',
        '/api/batches',
        '/api/datasets/{name}/images',
      ]),
    )
  })
})

/** A hand-made multipart body: clients that wish us ill do not use a library. */
function multipart(files: [string, string][]) {
  const boundary = 'x-boundary'
  const part = (headers: string, body: string) =>
    `--${boundary}\r\ncontent-disposition: form-data; ${headers}\r\n\r\n${body}\r\n`
  const body =
    files.map(([name, bytes]) => part(`name="images"; filename="${name}"\r\ncontent-type: image/png`, bytes)).join('') +
    part('name="model"', 'surface-defects@champion') +
    `--${boundary}--\r\n`
  return {
    headers: { ...as('ada'), 'content-type': `multipart/form-data; boundary=${boundary}` },
    payload: Buffer.from(body, 'utf8'),
  }
}

async function until(met: () => boolean): Promise<void> {
  while (!met()) await new Promise((resolve) => setImmediate(resolve))
}
