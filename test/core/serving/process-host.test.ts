import { describe, expect, it } from 'vitest'
import { createProcessServiceHost, type RevisionSpec } from '#core/compute'
import { describeEndpoint } from '#core/serving'
import { createMemoryStore } from '#core/storage'

const spec: RevisionSpec = {
  endpoint: 'e',
  revision: 1,
  model: { name: 'm', version: 1, digest: 'a'.repeat(64) },
  replicas: 2,
  queueLimit: 8,
  captureBytes: 0,
  captureDataset: null,
}

describe('the process service host while the gateway is away', () => {
  it('stores what is wanted, for the gateway to find', async () => {
    const store = createMemoryStore()
    const host = createProcessServiceHost({ store, gatewayUrl: 'http://127.0.0.1:9/' })
    await host.apply(spec)
    await host.apply({ ...spec, revision: 2 })
    await host.setTraffic('e', { 2: 100 })
    await host.retire('e', 1)
    const { traffic, revisions } = await describeEndpoint(store, 'e')
    expect(traffic).toEqual({ 2: 100 })
    expect(revisions.map(({ revision }) => revision)).toEqual([2])
    expect(await host.url('e')).toBe('http://127.0.0.1:9')
  })

  it('cannot tell how the replicas are', async () => {
    const host = createProcessServiceHost({ store: createMemoryStore(), gatewayUrl: 'http://127.0.0.1:9' })
    await expect(host.status('e')).rejects.toMatchObject({
      code: 'GATEWAY_UNAVAILABLE',
      message: 'the gateway at http://127.0.0.1:9 does not answer; start the stack with `gyre dev`',
    })
  })
})
