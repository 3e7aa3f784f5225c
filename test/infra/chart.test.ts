/** The Helm chart, rendered: what it asks of a cluster, what it allows, and what it refuses to be asked. */

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { SEARCH_ATTRIBUTES } from '../../infra/temporal/index.ts'
import { chartPermissions, PERMISSIONS_FILE } from '../../infra/k8s/permissions.ts'
import { JOB_PERMISSIONS, SERVICE_PERMISSIONS } from '#adapter/compute/kubernetes/permissions'
import { CHART, helm, helmWith, refusal, render, type Rendered, type Values } from '../support/helm.ts'

const images = { worker: 'r.example/worker:1', api: 'r.example/api:1', inference: 'r.example/inference:1' }
const existing = {
  images,
  store: { uri: 's3://bucket/gyre', endpoint: 'http://minio.storage:9000', credentialsSecret: 'the-store' },
  temporal: { address: 'temporal.example:7233', namespace: 'vision' },
}
const trial = {
  images,
  trial: { enabled: true, s3: { image: 'r.example/minio:1' }, temporal: { image: 'r.example/temporal:1' } },
}
const gpu = {
  ...existing,
  compute: 'process',
  workers: { gpu: { enabled: true, nodeSelector: { 'gpu.example/kind': 'l4' } } },
}
const secured = {
  ...existing,
  temporal: {
    ...existing.temporal,
    apiKeySecret: { name: 'cloud', key: 'token' },
    tls: { enabled: true, serverName: 't', caSecret: { name: 'ca', key: 'ca.pem' }, clientSecret: 'me' },
    codecKeysSecret: { name: 'codec', key: 'keys.json' },
  },
  jobs: { queue: 'vision' },
  api: { pageUrl: 'https://gyre.example', tlsSecret: 'door' },
  pipelinesConfigMap: 'pipelines',
  settingsSecret: 'settings',
  ingress: { enabled: true, tlsSecret: 'page-certificate' },
  httpRoute: { enabled: true, parentRefs: [{ name: 'public', namespace: 'gateways' }] },
}
const variants = Object.entries<Values>({ existing, trial, gpu, secured })

interface Container {
  readonly name: string
  readonly image: string
  readonly command?: readonly string[]
  readonly args?: readonly string[]
  readonly env?: readonly { name: string; value?: string; valueFrom?: Values }[]
  readonly envFrom?: readonly { secretRef: { name: string } }[]
  readonly resources: { requests?: Values; limits?: Values }
  readonly securityContext: Values
  readonly volumeMounts: readonly { name: string; mountPath: string }[]
}
interface PodSpec {
  readonly serviceAccountName?: string
  readonly automountServiceAccountToken?: boolean
  readonly securityContext: Values
  readonly initContainers?: readonly Container[]
  readonly containers: readonly Container[]
  readonly volumes?: readonly { name: string; secret?: { secretName: string }; hostPath?: unknown }[]
  readonly nodeSelector?: Values
  readonly tolerations?: readonly Values[]
}
interface Deployment extends Rendered {
  readonly spec: {
    readonly replicas: number
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> }
    readonly template: { metadata: { labels: Readonly<Record<string, string>> }; spec: PodSpec }
  }
}
interface Role extends Rendered {
  readonly rules: readonly { apiGroups: string[]; resources: string[]; verbs: string[] }[]
}

const ofKind = <T extends Rendered>(objects: readonly Rendered[], kind: string) =>
  objects.filter((object) => object.kind === kind) as unknown as readonly T[]
const deployments = (objects: readonly Rendered[]) => ofKind<Deployment>(objects, 'Deployment')
const deployment = (objects: readonly Rendered[], name: string) =>
  deployments(objects).find(({ metadata }) => metadata.name === name)!
const containersOf = ({ initContainers = [], containers }: PodSpec) => [...initContainers, ...containers]
const podsOf = (objects: readonly Rendered[]) => deployments(objects).map(({ spec }) => spec.template.spec)
const envOf = (objects: readonly Rendered[], name: string, container = 0) =>
  Object.fromEntries(
    deployment(objects, name).spec.template.spec.containers[container]!.env!.map((one) => [one.name, one.value]),
  )
const matches = (labels: Readonly<Record<string, string>>, selector: Readonly<Record<string, string>>) =>
  Object.entries(selector).every(([key, value]) => labels[key] === value)

it('the rules of the chart are the permissions that Gyre asks for (node --import tsx infra/k8s/permissions.ts brings them up to date)', () => {
  expect(readFileSync(PERMISSIONS_FILE, 'utf8')).toBe(chartPermissions())
})

it('the chart has the version of the product', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  const chart = readFileSync(path.join(CHART, 'Chart.yaml'), 'utf8')
  expect(chart).toContain(`\nversion: ${version}\nappVersion: ${version}\n`)
})

describe.skipIf(!helm.path)(`the chart ${helm.missing}`, () => {
  it.each(variants)('passes the linter: %s', async (_name, values) => {
    expect(await helmWith(['lint', '--strict'], values)).toContain('0 chart(s) failed')
  })

  it.each(variants)('gives each Pod what the restricted profile asks for: %s', async (_name, values) => {
    const pods = podsOf(await render(values))
    expect(pods.length).toBeGreaterThanOrEqual(3)
    for (const pod of pods) {
      expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
      expect(pod.securityContext['runAsUser']).toBeGreaterThan(0)
      expect(pod.volumes?.some(({ hostPath }) => hostPath)).toBe(false)
      for (const container of containersOf(pod))
        expect(container.securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        })
    }
  })

  it.each(variants)(
    'asks for processor and memory for each container, and bounds its memory: %s',
    async (_n, values) => {
      for (const container of podsOf(await render(values)).flatMap(containersOf)) {
        expect(container.resources.requests).toMatchObject({ cpu: expect.anything() as unknown })
        expect(container.resources.requests).toMatchObject({ memory: expect.anything() as unknown })
        expect(container.resources.limits).toMatchObject({ memory: expect.anything() as unknown })
      }
    },
  )

  it.each(variants)('mounts what it has, and selects the Pods that it makes: %s', async (_name, values) => {
    const objects = await render(values)
    for (const { spec } of deployments(objects)) {
      expect(matches(spec.template.metadata.labels, spec.selector.matchLabels)).toBe(true)
      const volumes = (spec.template.spec.volumes ?? []).map(({ name }) => name)
      for (const { volumeMounts } of containersOf(spec.template.spec))
        expect(volumeMounts.map(({ name }) => name).filter((name) => !volumes.includes(name))).toEqual([])
    }
    const labels = deployments(objects).map(({ spec }) => spec.template.metadata.labels)
    const selectors = [...ofKind(objects, 'Service'), ...ofKind(objects, 'PodDisruptionBudget')].map(({ spec }) => {
      const { selector } = spec as { selector: Record<string, string> & { matchLabels?: Record<string, string> } }
      return selector.matchLabels ?? selector
    })
    for (const selector of selectors) expect(labels.filter((one) => matches(one, selector))).toHaveLength(1)
  })

  it('lets only workers call the API server, and only as the permissions say', async () => {
    const objects = await render(existing)
    const withToken = deployments(objects).filter(({ spec }) => spec.template.spec.automountServiceAccountToken)
    expect(withToken.map(({ metadata }) => metadata.name)).toEqual(['gyre-worker-pipeline', 'gyre-worker-cpu'])
    expect(ofKind(objects, 'ClusterRole')).toEqual([])
    expect(ofKind(objects, 'RoleBinding')).toMatchObject([
      { roleRef: { kind: 'Role', name: 'gyre-worker' }, subjects: [{ name: 'gyre-worker', namespace: 'gyre' }] },
    ])
    const allowed = (rules: Role['rules']) =>
      new Set(
        rules.flatMap(({ apiGroups, resources, verbs }) =>
          apiGroups.flatMap((group) => resources.flatMap((one) => verbs.map((verb) => `${verb} ${group}/${one}`))),
        ),
      )
    const listed = (permissions: typeof JOB_PERMISSIONS) =>
      allowed(
        permissions.map((one) => ({ apiGroups: [one.apiGroup], resources: [...one.resources], verbs: [...one.verbs] })),
      )
    const [role] = ofKind<Role>(objects, 'Role')
    expect(allowed(role!.rules)).toEqual(listed([...JOB_PERMISSIONS, ...SERVICE_PERMISSIONS]))
    const [withoutJobs] = ofKind<Role>(await render(gpu), 'Role')
    expect(allowed(withoutJobs!.rules)).toEqual(listed(SERVICE_PERMISSIONS))
  })

  it('names Secrets and makes none', async () => {
    const objects = await render(secured)
    expect(ofKind(objects, 'Secret')).toEqual([])
    const pod = deployment(objects, 'gyre-worker-cpu').spec.template.spec
    expect(pod.containers[0]!.envFrom).toEqual([
      { secretRef: { name: 'the-store' } },
      { secretRef: { name: 'settings' } },
    ])
    expect(pod.containers[0]!.env).toContainEqual({
      name: 'TEMPORAL_API_KEY',
      valueFrom: { secretKeyRef: { name: 'cloud', key: 'token' } },
    })
    expect(pod.volumes?.flatMap(({ secret }) => secret?.secretName ?? [])).toEqual(['ca', 'me', 'codec'])
    expect(envOf(objects, 'gyre-worker-cpu')).toMatchObject({
      TEMPORAL_TLS: 'true',
      TEMPORAL_TLS_CA: '/secrets/temporal-ca/ca.pem',
      TEMPORAL_TLS_CERT: '/secrets/temporal-client/tls.crt',
      GYRE_CODEC_KEYS_FILE: '/secrets/codec/keys.json',
      GYRE_KUBE_QUEUE: 'vision',
    })
  })

  it('tells workers where everything is, and which steps are theirs', async () => {
    const objects = await render(existing)
    expect(envOf(objects, 'gyre-worker-cpu')).toMatchObject({
      GYRE_STORE: 's3://bucket/gyre',
      AWS_ENDPOINT_URL_S3: 'http://minio.storage:9000',
      GYRE_STORE_POD_ENDPOINT: 'http://minio.storage:9000',
      GYRE_KUBE_STORE_SECRET: 'the-store',
      GYRE_TEMPORAL_ADDRESS: 'temporal.example:7233',
      GYRE_NAMESPACE: 'vision',
      GYRE_QUEUES: 'cpu,gpu',
      GYRE_COMPUTE: 'kubernetes',
      GYRE_IMAGE_WORKER: 'r.example/worker:1',
      GYRE_IMAGE_INFERENCE: 'r.example/inference:1',
    })
    expect(envOf(objects, 'gyre-worker-cpu')).not.toHaveProperty('GYRE_IMAGE_TRAINER')
    const withTrainer = await render({ ...existing, images: { ...images, trainer: 'r.example/trainer:1' } })
    expect(envOf(withTrainer, 'gyre-worker-cpu')).toMatchObject({ GYRE_IMAGE_TRAINER: 'r.example/trainer:1' })
    expect(envOf(objects, 'gyre-worker-pipeline')).toMatchObject({ GYRE_QUEUES: 'pipeline' })
  })

  it('gives a class of workers its GPUs, its nodes and what their taints ask for', async () => {
    const objects = await render(gpu)
    expect(envOf(objects, 'gyre-worker-gpu')).toMatchObject({ GYRE_QUEUES: 'gpu', GYRE_COMPUTE: 'process' })
    expect(envOf(objects, 'gyre-worker-cpu')).toMatchObject({ GYRE_QUEUES: 'cpu' })
    const { nodeSelector, tolerations, containers } = deployment(objects, 'gyre-worker-gpu').spec.template.spec
    expect(nodeSelector).toEqual({ 'gpu.example/kind': 'l4' })
    expect(tolerations).toEqual([{ key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }])
    expect(containers[0]!.resources.limits).toMatchObject({ 'nvidia.com/gpu': 1 })
  })

  it('denies all traffic but what is named: the front door in, the store and Temporal out', async () => {
    const policies = ofKind(await render(existing), 'NetworkPolicy')
    const spec = (name: string) => policies.find(({ metadata }) => metadata.name === name)!.spec
    expect(spec('gyre-default-deny')).toEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] })
    expect(spec('gyre-api')).toMatchObject({ ingress: [{ ports: [{ port: 8080, protocol: 'TCP' }] }] })
    const store = { ports: [{ port: 9000, protocol: 'TCP' }] }
    expect((spec('gyre-jobs') as { egress: unknown[] }).egress).toEqual([
      {
        ports: [
          { port: 53, protocol: 'UDP' },
          { port: 53, protocol: 'TCP' },
        ],
      },
      store,
    ])
    expect(JSON.stringify(spec('gyre-workers'))).toContain('{"port":7233,"protocol":"TCP"}')
    expect(ofKind(await render({ ...existing, networkPolicy: { enabled: false } }), 'NetworkPolicy')).toEqual([])
  })

  it('leads people to the front door, under the name of the page', async () => {
    const objects = await render(secured)
    const backend = { service: { name: 'gyre-api', port: { name: 'http' } } }
    expect(ofKind(objects, 'Ingress')[0]!.spec).toEqual({
      tls: [{ hosts: ['gyre.example'], secretName: 'page-certificate' }],
      rules: [{ host: 'gyre.example', http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
    })
    expect(ofKind(objects, 'HTTPRoute')[0]!.spec).toMatchObject({ hostnames: ['gyre.example'] })
    expect(envOf(objects, 'gyre-api', 1)).toMatchObject({
      GYRE_BEHIND_PROXY: '1',
      GYRE_TLS_CERT: '/secrets/tls/tls.crt',
    })
  })

  it('brings small servers for a trial, with credentials that nobody chose', async () => {
    const [first, second] = [await render(trial), await render(trial)]
    const data = (objects: readonly Rendered[]) =>
      (ofKind(objects, 'Secret')[0] as unknown as { data: Record<string, string> }).data
    const secret = Buffer.from(data(first)['AWS_SECRET_ACCESS_KEY']!, 'base64').toString()
    expect(secret).toMatch(/^[A-Za-z0-9]{40}$/)
    expect(data(second)['AWS_SECRET_ACCESS_KEY']).not.toBe(data(first)['AWS_SECRET_ACCESS_KEY'])
    const others = first.filter(({ kind }) => kind !== 'Secret')
    expect(JSON.stringify(others)).not.toContain(secret)
    expect(envOf(first, 'gyre-worker-cpu')).toMatchObject({
      GYRE_STORE: 's3://gyre/gyre',
      AWS_ENDPOINT_URL_S3: 'http://gyre-trial-s3:9000',
      GYRE_TEMPORAL_ADDRESS: 'gyre-trial-temporal:7233',
    })
    const { args } = deployment(first, 'gyre-trial-temporal').spec.template.spec.containers[0]!
    expect(args?.filter((arg) => arg.startsWith('--search-attribute='))).toEqual(
      SEARCH_ATTRIBUTES.map((name) => `--search-attribute=${name}=Keyword`),
    )
    const kept = { ...trial.trial, s3: { ...trial.trial.s3, storage: { size: '20Gi' } } }
    expect(ofKind(await render({ ...trial, trial: kept }), 'PersistentVolumeClaim')).toMatchObject([
      { metadata: { name: 'gyre-trial-s3' }, spec: { resources: { requests: { storage: '20Gi' } } } },
    ])
  })

  it.each<[string, Values, string]>([
    ['no image', { ...existing, images: {} }, 'images.worker is not set: name the image'],
    ['no store', { ...existing, store: {} }, 'store.uri is not set: name the bucket, as s3://gyre/production'],
    ['no Temporal', { ...existing, temporal: {} }, 'temporal.address is not set'],
    ['a folder as store', { ...existing, store: { uri: '/data' } }, "at '/store/uri'"],
    ['a misspelt value', { ...existing, stroe: {} }, "additional properties 'stroe' not allowed"],
    ['a word as number', { ...existing, workers: { cpu: { replicas: 'two' } } }, "'/workers/cpu/replicas'"],
    ['root', { ...existing, runAsUser: 0 }, "'/runAsUser'"],
    ['a trial beside a store', { ...trial, store: existing.store }, 'store.uri and trial.enabled exclude each other'],
    ['a trial without image', { images, trial: { enabled: true } }, 'trial.s3.image is not set'],
    ['a page nobody finds', { ...existing, ingress: { enabled: true } }, 'api.pageUrl is still http://localhost:8080'],
    [
      'https without certificate',
      { ...existing, api: { pageUrl: 'https://g.example' }, ingress: { enabled: true } },
      'ingress.tlsSecret is not set, but api.pageUrl begins with https',
    ],
  ])('refuses %s, and says what to write', async (_name, values, message) => {
    expect(await refusal(values)).toContain(message)
  })
})
