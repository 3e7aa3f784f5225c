import { describe, expect, it } from 'vitest'
import type { RevisionSpec } from '#core/compute'
import {
  DEFAULT_RESOURCES,
  gatewayObjects,
  revisionObjects,
  routeOf,
  type Manifest,
  type ServingSettings,
} from '#adapter/compute/kubernetes/service-manifests'

const spec: RevisionSpec = {
  endpoint: 'parts',
  revision: 3,
  model: { name: 'm', version: 1, digest: 'a'.repeat(64) },
  replicas: 2,
  queueLimit: 8,
  captureBytes: 0,
  captureDataset: null,
}
const settings: ServingSettings = {
  image: 'registry.test/inference:1',
  storeSecret: 'gyre-store',
  podEnv: { AWS_ENDPOINT_URL_S3: 'http://s3.test:9000', GYRE_STORE: 's3://b/p' },
  store: { uri: 's3://b/p', project: 'default' },
  owner: '0123456789abcdef',
  drainSeconds: 15,
  resources: DEFAULT_RESOURCES,
  isRouted: false,
}

/* eslint-disable @typescript-eslint/no-explicit-any -- objects of many kinds are read here. */
const revision = revisionObjects(spec, settings, { autoscale: false })
const gateway = gatewayObjects(settings)
const all = (kind: string, objects: readonly Manifest[]) => objects.filter((object) => object.kind === kind) as any[]
const container = (deployment: Manifest) => (deployment as any).spec.template.spec.containers[0]
const env = (deployment: Manifest) =>
  Object.fromEntries(container(deployment).env.map((one: any) => [one.name, one.value ?? one.valueFrom]))

describe('a revision', () => {
  const { spec: deployment } = revision.deployment as any

  it('is named after its endpoint and number, with as many replicas as asked for', () => {
    expect(revision.deployment).toMatchObject({ kind: 'Deployment', metadata: { name: 'parts-r3' } })
    expect(deployment.replicas).toBe(2)
    expect(revision.owned.map(({ kind, metadata }) => [kind, metadata.name])).toEqual([
      ['Service', 'parts-r3'],
      ['PodDisruptionBudget', 'parts-r3'],
      ['NetworkPolicy', 'parts-r3'],
    ])
  })

  it('has every object select the Pods of this revision alone', () => {
    const selector = {
      'app.kubernetes.io/component': 'endpoint',
      'gyre.io/endpoint': 'parts',
      'gyre.io/revision': '3',
    }
    expect(deployment.selector.matchLabels).toEqual(selector)
    const [service, budget, policy] = revision.owned as any[]
    expect([service.spec.selector, budget.spec.selector.matchLabels, policy.spec.podSelector.matchLabels]).toEqual([
      selector,
      selector,
      selector,
    ])
    expect(deployment.template.metadata.labels).toMatchObject(selector)
  })

  it('never has fewer ready Pods than asked for while they are replaced', () => {
    expect(deployment.strategy.rollingUpdate).toEqual({ maxUnavailable: 0, maxSurge: 1 })
    const [budget] = all('PodDisruptionBudget', revision.owned)
    expect(budget.spec).toMatchObject({ maxUnavailable: 1, unhealthyPodEvictionPolicy: 'AlwaysAllow' })
  })

  it('serves on for as long as news of its end may take, and has time to drain after that', () => {
    expect(container(revision.deployment).lifecycle).toEqual({ preStop: { sleep: { seconds: 15 } } })
    expect(deployment.template.spec.terminationGracePeriodSeconds).toBe(75)
  })

  it('is asked for the protocol’s own health', () => {
    expect(container(revision.deployment)).toMatchObject({
      startupProbe: { httpGet: { path: '/v2/health/ready', port: 'http' }, periodSeconds: 1, failureThreshold: 300 },
      readinessProbe: { httpGet: { path: '/v2/health/ready', port: 'http' }, periodSeconds: 2 },
      livenessProbe: { httpGet: { path: '/v2/health/live', port: 'http' }, periodSeconds: 10 },
    })
  })

  it('reserves a quarter of a core and 384 MiB', () => {
    expect(container(revision.deployment).resources).toEqual({
      requests: { cpu: '250m', memory: '384Mi' },
      limits: { memory: '1Gi' },
    })
  })

  it('fits the restricted Pod security standard, and holds no token of the cluster', () => {
    const { spec: pod } = deployment.template
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    })
    expect(container(revision.deployment).securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
  })

  it('knows its store, its revision and itself, and gets credentials from the Secret', () => {
    expect(env(revision.deployment)).toEqual({
      AWS_ENDPOINT_URL_S3: 'http://s3.test:9000',
      GYRE_STORE: 's3://b/p',
      GYRE_PROJECT: 'default',
      GYRE_HOST: '0.0.0.0',
      GYRE_PORT: '8080',
      GYRE_ENDPOINT: 'parts',
      GYRE_REVISION: '3',
      GYRE_REPLICA: { fieldRef: { fieldPath: 'metadata.name' } },
    })
    expect(container(revision.deployment).envFrom).toEqual([{ secretRef: { name: 'gyre-store' } }])
  })

  it('is reached from its namespace, and reaches names and the store', () => {
    const [policy] = all('NetworkPolicy', revision.owned)
    expect(policy.spec.ingress).toEqual([{ from: [{ podSelector: {} }], ports: [{ protocol: 'TCP', port: 8080 }] }])
    expect(policy.spec.egress.flatMap(({ ports }: any) => ports)).toEqual([
      { protocol: 'UDP', port: 53 },
      { protocol: 'TCP', port: 53 },
      { protocol: 'TCP', port: 9000 },
    ])
  })

  it('is reached from anywhere where a Gateway carries the requests, since its Pods may run anywhere', () => {
    const [policy] = all(
      'NetworkPolicy',
      revisionObjects(spec, { ...settings, isRouted: true }, { autoscale: false }).owned,
    )
    expect(policy.spec.ingress).toEqual([{ ports: [{ protocol: 'TCP', port: 8080 }] }])
  })

  it.each([
    [{}, 443],
    [{ AWS_ENDPOINT_URL_S3: 'http://s3.test' }, 80],
    [{ AWS_ENDPOINT_URL: 'https://s3.test' }, 443],
  ])('reaches the store that %o names at port %i', (podEnv, port) => {
    const [policy] = all('NetworkPolicy', revisionObjects(spec, { ...settings, podEnv }, { autoscale: false }).owned)
    expect(policy.spec.egress.at(-1).ports).toEqual([{ protocol: 'TCP', port }])
  })

  it('grows with its load where an autoscaler can see it, and keeps the number that it decided', () => {
    const { owned, deployment: scaled } = revisionObjects(spec, settings, { autoscale: true, replicas: 5 })
    const [autoscaler] = all('HorizontalPodAutoscaler', owned)
    expect(autoscaler.spec).toMatchObject({
      scaleTargetRef: { kind: 'Deployment', name: 'parts-r3' },
      minReplicas: 2,
      maxReplicas: 6,
    })
    expect(scaled.spec['replicas']).toBe(5)
  })
})

describe('the gateway', () => {
  it('is two Pods behind one address, of which one may be away', () => {
    expect(gateway.deployment).toMatchObject({ metadata: { name: 'gyre-gateway' }, spec: { replicas: 2 } })
    expect(all('Service', gateway.owned)[0].spec.ports).toMatchObject([{ port: 80, targetPort: 'http' }])
    expect(all('PodDisruptionBudget', gateway.owned)[0].spec.maxUnavailable).toBe(1)
  })

  it('leaves the replicas to Kubernetes', () => {
    expect(env(gateway.deployment)).toMatchObject({ GYRE_SERVICES: 'kubernetes', GYRE_PORT: '8080' })
    expect(container(gateway.deployment).command).toEqual(['node', '/app/dist/gateway.js'])
  })
})

describe('a route', () => {
  it('divides by weight, and leads to each very revision', () => {
    const gatewayRef = { name: 'public', namespace: 'edge' }
    const { metadata, spec: route } = routeOf('parts', { 2: 90, 3: 10, 1: 0 }, [2, 3], settings, gatewayRef) as any
    expect(metadata.name).toBe('parts')
    expect(route.parentRefs).toEqual([gatewayRef])
    expect(route.rules).toEqual([
      {
        matches: [{ path: { type: 'PathPrefix', value: '/v2/models/parts/versions/2' } }],
        backendRefs: [{ name: 'parts-r2', port: 8080 }],
      },
      {
        matches: [{ path: { type: 'PathPrefix', value: '/v2/models/parts/versions/3' } }],
        backendRefs: [{ name: 'parts-r3', port: 8080 }],
      },
      {
        matches: [{ path: { type: 'PathPrefix', value: '/v2/models/parts' } }],
        backendRefs: [
          { name: 'parts-r2', port: 8080, weight: 90 },
          { name: 'parts-r3', port: 8080, weight: 10 },
        ],
      },
    ])
  })
})
