import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createKubernetesServiceHost, type KubernetesServiceSettings } from '#adapter/compute/kubernetes/services'
import type { RevisionSpec } from '#core/compute'
import {
  closeEndpoint,
  createRevision,
  markRetired,
  readGatewayUrl,
  readObserved,
  retiredNumbers,
  writeTraffic,
} from '#core/serving'
import { createMemoryStore, type ObjectStore } from '#core/storage'
import { startFakeKube, type FakeKube } from '../../../support/fake-kube.ts'
import { clusterOf } from '../../../support/played-endpoints.ts'

let kube: FakeKube
let store: ObjectStore

beforeEach(async () => {
  kube = await startFakeKube()
  store = createMemoryStore()
})
afterEach(() => kube.stop())

const host = (changes: Partial<KubernetesServiceSettings> = {}) =>
  createKubernetesServiceHost({ ...clusterOf(kube, store), ...changes })

const spec = (changes: Partial<RevisionSpec> = {}): RevisionSpec => ({
  endpoint: 'parts',
  revision: 1,
  model: { name: 'm', version: 1, digest: 'a'.repeat(64) },
  replicas: 2,
  queueLimit: 8,
  captureBytes: 0,
  captureDataset: null,
  ...changes,
})

const names = (resource: string) => kube.list(resource).map(({ metadata }) => metadata.name)
const image = (name: string) => kube.get('deployments', name)['spec'].template.spec.containers[0].image
const newImage = { worker: 'registry.test/worker:2', inference: 'registry.test/inference:2' }

describe('reconciling', () => {
  it('brings up what the store wants and is missing, with a gateway whose address everybody finds', async () => {
    await createRevision(store, spec())
    await host().reconcile()
    expect(names('deployments')).toEqual(['gyre-gateway', 'parts-r1'])
    for (const resource of ['services', 'poddisruptionbudgets', 'networkpolicies'])
      expect(names(resource)).toEqual(['gyre-gateway', 'parts-r1'])
    expect(await readGatewayUrl(store)).toMatch(/^http:\/\//)
  })

  it('changes nothing that is as wanted', async () => {
    await createRevision(store, spec())
    const same = host()
    await same.reconcile()
    const before = kube.objects.revision
    await same.reconcile()
    await host().reconcile()
    expect(kube.objects.revision).toBe(before)
  })

  it('lets what belongs to a Deployment go with it, and brings all of it back', async () => {
    await createRevision(store, spec())
    await host().reconcile()
    kube.delete('deployments', 'parts-r1')
    expect(names('services')).toEqual(['gyre-gateway'])
    await host().reconcile()
    expect(names('services')).toEqual(['gyre-gateway', 'parts-r1'])
  })

  it('finishes what a host left half done', async () => {
    await createRevision(store, spec())
    kube.fault({ method: 'PATCH', path: /poddisruptionbudgets.parts-r1/ }, { kind: 'status', status: 500 })
    await host().reconcile()
    expect(names('deployments')).toContain('parts-r1')
    expect(names('networkpolicies')).not.toContain('parts-r1')
    await host().reconcile()
    expect(names('networkpolicies')).toContain('parts-r1')
  })

  it('ends what is over, and the gateway with the last of it', async () => {
    await createRevision(store, spec())
    await createRevision(store, spec({ revision: 2 }))
    const one = host()
    await one.reconcile()
    await markRetired(store, 'parts', 1)
    await one.reconcile()
    expect(names('deployments')).toEqual(['gyre-gateway', 'parts-r2'])
    await closeEndpoint(store, 'parts', 'test')
    await one.reconcile()
    expect(names('deployments')).toEqual([])
    expect(names('services')).toEqual([])
  })

  it('ends a Deployment of ours that the store knows nothing of', async () => {
    await createRevision(store, spec())
    await host().reconcile()
    const forgetful = createMemoryStore()
    await createKubernetesServiceHost(clusterOf(kube, forgetful)).reconcile()
    expect(names('deployments')).toEqual([])
  })

  it('leaves everything of another installation alone', async () => {
    await createRevision(store, spec())
    await host().reconcile()
    const others = { ...clusterOf(kube, createMemoryStore()), store: { uri: 's3://other', project: 'default' } }
    const other = createKubernetesServiceHost(others)
    await other.reconcile()
    expect(names('deployments')).toEqual(['gyre-gateway', 'parts-r1'])
    await expect(other.apply(spec())).rejects.toMatchObject({
      code: 'ENDPOINT_CONFLICT',
      message:
        'the Deployment gyre-gateway in namespace gyre belongs to an installation with another store; use another namespace',
    })
  })

  it('retires a revision that has been without traffic for its warm time', async () => {
    await createRevision(store, spec())
    await createRevision(store, spec({ revision: 2 }))
    await writeTraffic(store, 'parts', { 2: 100 }, 'test')
    await host({ warmMs: 60_000 }).reconcile()
    expect(names('deployments')).toContain('parts-r1')
    await host({ warmMs: -1 }).reconcile()
    expect(names('deployments')).toEqual(['gyre-gateway', 'parts-r2'])
    expect(await retiredNumbers(store, 'parts')).toEqual([1])
  })

  it('brings a new image to what runs; a host of before the change leaves that alone', async () => {
    await createRevision(store, spec())
    const before = host()
    await before.reconcile()
    // As if it had been applied before this moment, in which the next host starts.
    const annotations = { 'gyre.io/applied-at': '2026-01-01T00:00:00.000Z' }
    for (const name of names('deployments'))
      kube.objects.merge(kube.collection('deployments'), name, { metadata: { annotations } })
    await host({ images: newImage }).reconcile()
    expect([image('parts-r1'), image('gyre-gateway')]).toEqual([newImage.inference, newImage.inference])
    await before.reconcile()
    expect(image('parts-r1')).toBe(newImage.inference)
  })

  it('tells through the store what it saw', async () => {
    await createRevision(store, spec())
    const one = host()
    await one.reconcile()
    kube.setStatus('deployments', 'parts-r1', { readyReplicas: 1 })
    await one.reconcile()
    expect(await readObserved(store, 'parts')).toEqual([
      { revision: 1, wanted: 2, ready: 1, trouble: null, waiting: null },
    ])
  })

  it('goes on with the other endpoints when one cannot be brought up', async () => {
    await createRevision(store, spec({ endpoint: 'bad' }))
    await createRevision(store, spec())
    kube.fault({ method: 'PATCH', path: /deployments\/bad-r1/ }, { kind: 'status', status: 422, reason: 'Invalid' }, 99)
    await host().reconcile()
    expect(names('deployments')).toEqual(['gyre-gateway', 'parts-r1'])
  })

  it('deletes nothing while the store cannot be read', async () => {
    await createRevision(store, spec())
    await host().reconcile()
    const broken = { ...store, list: () => failing() } as unknown as ObjectStore
    await expect(host({ objects: broken }).reconcile()).rejects.toThrow('no store')
    expect(names('deployments')).toEqual(['gyre-gateway', 'parts-r1'])
  })
})

async function* failing(): AsyncGenerator<never> {
  throw new Error('no store')
}

describe('autoscaling', () => {
  it('is asked for where the metrics API answers, and what it decided is kept', async () => {
    await createRevision(store, spec())
    await host().reconcile()
    expect(names('horizontalpodautoscalers')).toEqual([])
    kube.groups.add('metrics.k8s.io/v1beta1')
    kube.put('deployments', { ...kube.get('deployments', 'parts-r1'), spec: scaledTo(5) })
    await host({ images: newImage }).reconcile()
    expect(names('horizontalpodautoscalers')).toEqual(['parts-r1'])
    expect(kube.get('deployments', 'parts-r1')['spec'].replicas).toBe(5)
  })

  const scaledTo = (replicas: number) => ({ ...kube.get('deployments', 'parts-r1')['spec'], replicas })
})

describe('an HTTPRoute', () => {
  const gateway = { name: 'public', namespace: 'edge' }
  const weights = () =>
    kube
      .get('/apis/gateway.networking.k8s.io/v1/namespaces/gyre/httproutes', 'parts')
      ['spec'].rules.at(-1)
      .backendRefs.map((one: { name: string; weight: number }) => [one.name, one.weight])

  beforeEach(() => {
    kube.groups.add('gateway.networking.k8s.io/v1')
    const routes = '/apis/gateway.networking.k8s.io/v1/namespaces/gyre/httproutes'
    kube.objects.subscribe(({ collection, type, object }) => {
      if (collection !== routes || type === 'DELETED' || object['status']) return
      const conditions = ['Accepted', 'ResolvedRefs'].map((type) => ({ type, status: 'True', observedGeneration: 99 }))
      setImmediate(() => kube.setStatus(routes, 'parts', { parents: [{ conditions }] }))
    })
  })

  it('carries the shares where a Gateway is named, instead of Pods of ours', async () => {
    const one = host({ gateway })
    await one.apply(spec())
    await one.apply(spec({ revision: 2 }))
    await one.setTraffic('parts', { 1: 90, 2: 10 })
    expect(weights()).toEqual([
      ['parts-r1', 90],
      ['parts-r2', 10],
    ])
    expect(names('deployments')).toEqual(['parts-r1', 'parts-r2'])
  })

  it('follows what the store says when somebody else moved the shares', async () => {
    const one = host({ gateway })
    await one.apply(spec())
    await one.setTraffic('parts', { 1: 100 })
    await createRevision(store, spec({ revision: 2 }))
    await writeTraffic(store, 'parts', { 2: 100 }, 'test')
    await one.reconcile()
    expect(weights()).toEqual([['parts-r2', 100]])
  })

  it('is called at the address that operators named, since a Gateway lies outside our namespace', async () => {
    expect(await host({ gateway, endpointUrl: 'https://ml.example/' }).url('parts')).toBe('https://ml.example')
    await expect(host({ gateway }).url('parts')).rejects.toMatchObject({
      message: expect.stringContaining('GYRE_ENDPOINT_URL'),
    })
  })
})

describe('a cluster that refuses', () => {
  it('says what is not allowed', async () => {
    kube.forbid('patch', 'deployments')
    await expect(host().apply(spec())).rejects.toMatchObject({
      code: 'CLUSTER_REFUSED',
      message: expect.stringContaining('cannot patch resource "deployments"'),
    })
  })

  it('is distinguished from one that is away', async () => {
    const one = host()
    await kube.stop()
    await expect(one.reconcile()).rejects.toMatchObject({ code: 'CLUSTER_UNAVAILABLE' })
  })

  it('could not have a Service whose name begins with a digit, so nothing is stored', async () => {
    await expect(host().apply(spec({ endpoint: '3d-parts' }))).rejects.toMatchObject({ code: 'INVALID_NAME' })
    expect((await store.head('endpoints/3d-parts/revisions/0000000001.json'))?.sizeBytes).toBeUndefined()
  })
})
