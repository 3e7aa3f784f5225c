import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KubeError } from '../../../../core/compute/kubernetes/api.ts'
import { openKube } from '../../../../core/compute/kubernetes/client.ts'
import { startFakeKube, type FakeKube, type FakeKubeOptions } from '../../../support/fake-kube.ts'

const TLS = path.resolve('test/fixtures/tls')
const JOBS = '/apis/batch/v1/namespaces/gyre/jobs'

let fake: FakeKube
let folder: string

async function start(options: FakeKubeOptions = {}): Promise<FakeKube> {
  fake = await startFakeKube(options)
  return fake
}

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'gyre-kubeconfig-'))
})

afterEach(async () => {
  await fake?.stop()
  await rm(folder, { recursive: true, force: true })
})

/** A kubeconfig with one context per user. @returns its path. */
async function kubeconfig(server: string, users: Record<string, object>, cluster: object = {}): Promise<string> {
  const file = path.join(folder, 'config')
  const names = Object.keys(users)
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': names[0],
    clusters: [{ name: 'here', cluster: { server, ...cluster } }],
    users: names.map((name) => ({ name, user: users[name] })),
    contexts: names.map((name) => ({ name, context: { cluster: 'here', user: name } })),
  }
  await writeFile(file, JSON.stringify(config))
  return file
}

async function failureOf(call: Promise<unknown>): Promise<KubeError> {
  const error: unknown = await call.then(
    () => null,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(KubeError)
  return error as KubeError
}

const job = (name: string) => ({ kind: 'Job', apiVersion: 'batch/v1', metadata: { name }, spec: {} })

describe('finding the cluster', () => {
  it('uses the current context, or the one that is named', async () => {
    const { url } = await start({ token: 'of-ada' })
    const file = await kubeconfig(url, { bob: { token: 'of-bob' }, ada: { token: 'of-ada' } })
    const bob = await openKube({ kubeconfig: file, namespace: 'gyre' })
    expect((await failureOf(bob.request('GET', JOBS))).status).toBe(401)
    const ada = await openKube({ kubeconfig: file, context: 'ada', namespace: 'gyre' })
    expect(await ada.request('GET', JOBS)).toMatchObject({ items: [] })
    expect(ada.server).toBe(url)
    expect(ada.namespace).toBe('gyre')
  })

  it('names the contexts there are when the wanted one is missing', async () => {
    const file = await kubeconfig('http://127.0.0.1:1', { ada: {} })
    const opening = openKube({ kubeconfig: file, context: 'prod', namespace: 'gyre' })
    await expect(opening).rejects.toMatchObject({
      code: 'CLUSTER_UNAVAILABLE',
      message: expect.stringMatching(/no context prod, it has ada; set GYRE_KUBE_CONTEXT/) as string,
    })
  })

  it('says that the kubeconfig cannot be read', async () => {
    const opening = openKube({ kubeconfig: path.join(folder, 'nowhere'), namespace: 'gyre' })
    await expect(opening).rejects.toMatchObject({ code: 'CLUSTER_UNAVAILABLE' })
  })

  it('trusts the certificate authority of the kubeconfig and no other', async () => {
    const [cert, key] = await Promise.all([readFile(`${TLS}/server.crt`), readFile(`${TLS}/server.key`)])
    const { url } = await start({ tls: { cert, key } })
    const user = { 'client-certificate': `${TLS}/client.crt`, 'client-key': `${TLS}/client.key` }
    const trusting = await kubeconfig(url, { ada: user }, { 'certificate-authority': `${TLS}/ca.crt` })
    const api = await openKube({ kubeconfig: trusting, namespace: 'gyre' })
    expect(await api.request('GET', '/version')).toMatchObject({ gitVersion: 'v1.34.4' })
    const doubting = await openKube({ kubeconfig: await kubeconfig(url, { ada: user }), namespace: 'gyre' })
    const failure = await failureOf(doubting.request('GET', '/version'))
    expect(failure).toMatchObject({
      status: 0,
      reason: 'Unreachable',
      message: expect.stringContaining('certificate') as string,
    })
  })

  it('asks a login plugin once, and again when its token is refused', async () => {
    const { url } = await start({ token: 'token-1' })
    const count = path.join(folder, 'count')
    await writeFile(count, '')
    const script = `
      const fs = require('fs'); fs.appendFileSync('${count}', 'x')
      const token = 'token-' + fs.readFileSync('${count}', 'utf8').length
      console.log(JSON.stringify({ status: { token, expirationTimestamp: '2999-01-01T00:00:00Z' } }))`
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: process.execPath, args: ['-e', script] }
    const api = await openKube({ kubeconfig: await kubeconfig(url, { ada: { exec } }), namespace: 'gyre' })
    await Promise.all([api.request('GET', JOBS), api.request('GET', JOBS)])
    expect(await readFile(count, 'utf8')).toBe('x')
    fake.token = 'token-2'
    await api.request('GET', JOBS)
    expect(await readFile(count, 'utf8')).toBe('xx')
  })

  it('says what a failing login plugin said', async () => {
    const { url } = await start()
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: process.execPath,
      args: ['-e', 'console.error("session ended"); process.exit(1)'],
    }
    const api = await openKube({ kubeconfig: await kubeconfig(url, { ada: { exec } }), namespace: 'gyre' })
    await expect(api.request('GET', JOBS)).rejects.toMatchObject({
      code: 'CLUSTER_UNAVAILABLE',
      message: expect.stringContaining('session ended') as string,
    })
  })
})

describe('unary calls', () => {
  it('send JSON and give the parsed answer', async () => {
    const { api } = await start()
    const made = await api.request<{ metadata: { uid: string } }>('POST', JOBS, { body: job('a') })
    expect(made.metadata.uid).toMatch(/^[0-9a-f-]{36}$/)
    expect(await api.request('GET', JOBS, { query: { limit: 1, continue: undefined } })).toMatchObject({
      items: [{ metadata: { name: 'a', uid: made.metadata.uid } }],
    })
    expect(fake.requests.at(-1)?.query).toEqual({ limit: '1' })
  })

  it('fail with the words of the Status', async () => {
    const { api } = await start()
    const failure = await failureOf(api.request('GET', `${JOBS}/none`))
    expect(failure).toMatchObject({ status: 404, reason: 'NotFound', message: 'jobs "none" not found' })
  })

  it('fail with the text of a proxy that answers no Status', async () => {
    const { api } = await start()
    fake.fault({}, { kind: 'status', status: 502, reason: '', message: 'Bad gateway' })
    expect(await failureOf(api.request('GET', JOBS))).toMatchObject({ status: 502, message: 'Bad gateway' })
  })

  it('ask a busy server again after the time that it names', async () => {
    const { api } = await start()
    fake.fault({}, { kind: 'status', status: 429, reason: 'TooManyRequests', retryAfterSeconds: 0 }, 2)
    await api.request('GET', JOBS)
    expect(fake.requests).toHaveLength(3)
  })

  it('tell 429 after five tries, and at once for an eviction', async () => {
    const { api } = await start()
    fake.fault({}, { kind: 'status', status: 429, reason: 'TooManyRequests', retryAfterSeconds: 0 }, 6)
    expect(await failureOf(api.request('GET', JOBS))).toMatchObject({ status: 429, retryAfterSeconds: 0 })
    expect(fake.requests).toHaveLength(5)
    const eviction = api.request('POST', '/api/v1/namespaces/gyre/pods/a/eviction', { body: {} })
    expect(await failureOf(eviction)).toMatchObject({ status: 429 })
    expect(fake.requests).toHaveLength(6)
  })

  it('fail with status 0 when nobody listens, the connection is cut, or no answer comes in time', async () => {
    await start()
    const api = fake.connect({ answerMs: 50 })
    fake.fault({}, { kind: 'half-open' })
    expect(await failureOf(api.request('GET', JOBS))).toMatchObject({
      status: 0,
      reason: 'Timeout',
      message: `${fake.url} did not answer within 0.05 s`,
    })
    const patient = fake.connect()
    fake.fault({}, { kind: 'reset' })
    expect(await failureOf(patient.request('GET', JOBS))).toMatchObject({ status: 0, reason: 'Unreachable' })
    await fake.stop()
    const { message } = await failureOf(patient.request('GET', JOBS))
    expect(message).toMatch(/^http:\/\/127\.0\.0\.1:\d+ cannot be reached: .*ECONNREFUSED/)
  })

  it('end with the reason of the signal of their caller', async () => {
    const { api } = await start()
    fake.fault({}, { kind: 'half-open' })
    const reason = new Error('not wanted any more')
    const caller = new AbortController()
    const call = api.request('GET', JOBS, { signal: caller.signal })
    await fake.until(() => fake.requests.length === 1)
    caller.abort(reason)
    await expect(call).rejects.toBe(reason)
  })

  it('show how far the clocks are apart', async () => {
    const { api } = await start()
    expect(api.clockSkewMs).toBeNull()
    fake.clockSkewMs = 90_000
    await api.request('GET', '/version')
    expect(api.clockSkewMs).toBeGreaterThan(88_000)
    expect(api.clockSkewMs).toBeLessThan(92_000)
  })
})

describe('streams', () => {
  const watching = { query: { watch: true, resourceVersion: 1 } }

  it('give bytes as they come, and end with the connection', async () => {
    const { api } = await start()
    const stream = await api.stream(JOBS, watching)
    fake.put('jobs', job('a'))
    const seen: string[] = []
    for await (const chunk of stream) {
      seen.push(...Buffer.from(chunk).toString().trim().split('\n'))
      fake.breakStreams('end')
    }
    expect(seen.map((line) => (JSON.parse(line) as { type: string }).type)).toContain('ADDED')
  })

  it('are refused like any other call', async () => {
    const { api } = await start()
    expect((await failureOf(api.stream('/api/v1/namespaces/gyre/pods/none/log'))).status).toBe(404)
  })

  it('fail with status 0 when the connection breaks', async () => {
    const { api } = await start()
    const stream = await api.stream(JOBS, watching)
    const reading = collect(stream)
    fake.breakStreams('cut')
    expect(await failureOf(reading)).toMatchObject({ status: 0, reason: 'Unreachable' })
  })

  it('end with the reason of the signal of their caller, and close the connection', async () => {
    const { api } = await start()
    const caller = new AbortController()
    const stream = await api.stream(JOBS, { ...watching, signal: caller.signal })
    const reading = collect(stream)
    const reason = new Error('enough')
    caller.abort(reason)
    await expect(reading).rejects.toBe(reason)
    await fake.until(() => fake.openStreams() === 0)
  })

  it('close the connection when their reader stops', async () => {
    const { api } = await start()
    const stream = await api.stream(JOBS, watching)
    fake.put('jobs', job('a'))
    const reader = stream[Symbol.asyncIterator]()
    await reader.next()
    await reader.return?.()
    await fake.until(() => fake.openStreams() === 0)
  })
})

async function collect(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}
