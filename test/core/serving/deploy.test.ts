import { describe, expect, it } from 'vitest'
import { createFakeServiceHost, type ServiceHost } from '#core/compute'
import { PlatformError } from '#core/errors'
import type { Progress } from '#core/execution'
import { deployEndpoint, describeEndpoint, listEndpoints, markRetired } from '#core/serving'
import { createMemoryStore } from '#core/storage'

const digest = (letter: string) => letter.repeat(64)
const model = (version: number, letter = String(version)) => ({
  kind: 'model-version' as const,
  name: 'm',
  version,
  digest: digest(letter),
})

function harness(options: { unusable?: string; host?: (host: ServiceHost) => ServiceHost } = {}) {
  const store = createMemoryStore()
  const host = createFakeServiceHost({ store, unusableModels: new Set(options.unusable ? [options.unusable] : []) })
  const progress: Progress[] = []
  const ctx = { store, signal: new AbortController().signal, progress: (one: Progress) => void progress.push(one) }
  const deploy = (version: number, fields: object = {}) =>
    deployEndpoint(
      { name: 'e', model: model(version), replicas: 2, queueLimit: 64, captureBytes: 0, ...fields },
      ctx,
      options.host?.(host) ?? host,
    )
  return { store, host, deploy, progress }
}

describe('deploying', () => {
  it('starts a revision, then gives it all traffic', async () => {
    const { deploy, host, store, progress } = harness()
    expect(await deploy(1)).toEqual({ kind: 'endpoint', name: 'e', revision: 1, url: 'http://fake.invalid' })
    expect(host.route('e')).toBe(1)
    expect(await describeEndpoint(store, 'e')).toMatchObject({
      name: 'e',
      traffic: { 1: 100 },
      revisions: [{ revision: 1 }],
    })
    expect(progress).toEqual([{ done: 2, total: 2, unit: 'replicas' }])
  })

  it('twice the same gives the same revision', async () => {
    const { deploy, store } = harness()
    expect((await deploy(1)).revision).toBe(1)
    expect((await deploy(1)).revision).toBe(1)
    expect((await describeEndpoint(store, 'e')).revisions).toHaveLength(1)
  })

  it('another model or another setting gives the next revision and leaves the former one warm', async () => {
    const { deploy, host, store } = harness()
    await deploy(1)
    expect((await deploy(2)).revision).toBe(2)
    expect((await deploy(2, { queueLimit: 65 })).revision).toBe(3)
    expect(host.route('e')).toBe(3)
    expect((await describeEndpoint(store, 'e')).revisions.map(({ revision }) => revision)).toEqual([1, 2, 3])
  })

  it('back to a model that is still warm uses its revision; once retired, a new one', async () => {
    const { deploy, store } = harness()
    await deploy(1)
    await deploy(2)
    expect((await deploy(1)).revision).toBe(1)
    await markRetired(store, 'e', 2)
    expect((await deploy(2)).revision).toBe(3)
  })

  it('at the same time gives every model its own revision', async () => {
    const { deploy } = harness()
    const endpoints = await Promise.all([deploy(1), deploy(2), deploy(3)])
    expect(new Set(endpoints.map(({ revision }) => revision))).toEqual(new Set([1, 2, 3]))
  })

  it('a model that cannot start fails with the cause, moves no traffic and leaves nothing running', async () => {
    const { deploy, host, store } = harness({ unusable: digest('2') })
    await deploy(1)
    await expect(deploy(2)).rejects.toMatchObject({
      code: 'ENDPOINT_NOT_READY',
      message: 'revision 2 of endpoint e cannot start: model m@2 cannot be loaded',
    })
    expect(host.route('e')).toBe(1)
    expect((await describeEndpoint(store, 'e')).revisions.map(({ revision }) => revision)).toEqual([1])
  })

  it('waits for a gateway that restarts', async () => {
    let refusals = 2
    const { deploy, progress } = harness({
      host: (host) => ({
        ...host,
        status: async (name) => {
          if (refusals-- > 0) throw new PlatformError('GATEWAY_UNAVAILABLE', 'away')
          return host.status(name)
        },
      }),
    })
    expect((await deploy(1)).revision).toBe(1)
    expect(progress[0]).toEqual({ done: 0, unit: 'replicas', note: 'waiting for the gateway' })
  })

  it('stops when it is cancelled', async () => {
    const { host, store } = harness({})
    const stop = new AbortController()
    const waiting: ServiceHost = { ...host, status: () => Promise.resolve([]) }
    const ctx = { store, signal: stop.signal, progress: () => stop.abort(new Error('cancelled')) }
    const input = { name: 'e', model: model(1), replicas: 1, queueLimit: 1, captureBytes: 0 }
    await expect(deployEndpoint(input, ctx, waiting)).rejects.toThrow()
  })

  it('captures only where a dataset is named', async () => {
    const { deploy, store } = harness()
    await deploy(1, { captureBytes: 500 })
    await deploy(1, { captureBytes: 500, captureDataset: 'd' })
    const { revisions } = await describeEndpoint(store, 'e')
    expect(revisions.map(({ captureBytes, captureDataset }) => [captureBytes, captureDataset])).toEqual([
      [0, null],
      [500, 'd'],
    ])
  })
})

describe('the list of endpoints', () => {
  it('is empty at first, then ascending by name', async () => {
    const { store, host } = harness()
    expect(await listEndpoints(store)).toEqual([])
    for (const endpoint of ['b', 'a'])
      await host.apply({
        endpoint,
        revision: 1,
        model: model(1),
        replicas: 1,
        queueLimit: 1,
        captureBytes: 0,
        captureDataset: null,
      })
    expect((await listEndpoints(store)).map(({ name, traffic }) => [name, traffic])).toEqual([
      ['a', {}],
      ['b', {}],
    ])
  })

  it('has no endpoint that nobody made', async () => {
    await expect(describeEndpoint(createMemoryStore(), 'e')).rejects.toMatchObject({ code: 'ENDPOINT_NOT_FOUND' })
  })
})
