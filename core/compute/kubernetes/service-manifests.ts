/**
 * Endpoints as Kubernetes objects. A revision is a Deployment `<endpoint>-r<n>` with a Service, a PodDisruptionBudget, a
 * NetworkPolicy and, where the metrics API answers, a HorizontalPodAutoscaler. Requests come to them through two Pods of
 * `apps/gateway`, or through an HTTPRoute where Gateway API is used. Functions of their arguments alone.
 *
 * No request is lost while Pods come and go: a new Pod is ready before an old one ends (maxUnavailable 0), and an old one
 * goes on serving for as long as the news of its end may take (the sleep before SIGTERM), then drains by itself.
 */

import type { RevisionSpec, Traffic } from '../services.ts'
import { LABELS, MANAGED_BY, type KubeObject } from './api.ts'

export interface Manifest extends KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: KubeObject['metadata'] & {
    readonly ownerReferences?: readonly { readonly name: string; readonly uid?: string | undefined }[]
  }
  readonly spec: Readonly<Record<string, unknown>>
}

export interface ServingSettings {
  /** Runs replicas and the gateway. */
  readonly image: string
  /** Its keys are the environment that opens the store. */
  readonly storeSecret: string
  readonly podEnv: Readonly<Record<string, string>>
  readonly store: { readonly uri: string; readonly project: string }
  /** Short digest of the store; objects that carry another one belong to somebody else. */
  readonly owner: string
  /** How long a Pod goes on serving after its end was decided: longer than the slowest proxy needs to hear of it. */
  readonly drainSeconds: number
  readonly resources: ServingResources
  /** Whether a Gateway of the cluster carries the requests. */
  readonly isRouted: boolean
}

export interface ServingResources {
  readonly cpu: string
  readonly memory: string
  readonly memoryLimit: string
}

export const DEFAULT_RESOURCES: ServingResources = { cpu: '250m', memory: '384Mi', memoryLimit: '1Gi' }
const GATEWAY_RESOURCES: ServingResources = { cpu: '250m', memory: '192Mi', memoryLimit: '1Gi' }

export const GATEWAY = 'gyre-gateway'
export const OWNER_LABEL = 'gyre.io/store'
/** Digest of what was applied, so that what a newer Gyre or other settings want is noticed. */
export const APPLIED = 'gyre.io/applied-sha256'
export const APPLIED_AT = 'gyre.io/applied-at'
/** Values of the component label. */
export const COMPONENT = { endpoint: 'endpoint', gateway: 'gateway' } as const

/** Where our images hold the product. */
const APP_DIR = '/app'
const PORT = 8080
const GATEWAY_REPLICAS = 2
/** After the sleep: the longest drain of a replica and some air. */
const DRAIN_LIMIT_SECONDS = 60
/** How far above what was asked for an autoscaler may go. */
const AUTOSCALE_FACTOR = 3
const NEVER_READY_SECONDS = 600

export interface RevisionObjects {
  readonly deployment: Manifest
  /** Go with the Deployment: the host makes it their owner. */
  readonly owned: readonly Manifest[]
}

export function revisionName({ endpoint, revision }: Pick<RevisionSpec, 'endpoint' | 'revision'>): string {
  return `${endpoint}-r${revision}`
}

/**
 * @param options - `autoscale`: whether a HorizontalPodAutoscaler is of use; `replicas`: how many run now, where an
 *   autoscaler has decided already.
 */
export function revisionObjects(
  record: RevisionSpec,
  settings: ServingSettings,
  { autoscale, replicas = record.replicas }: { autoscale: boolean; replicas?: number },
): RevisionObjects {
  const name = revisionName(record)
  const selector = {
    [LABELS.component]: COMPONENT.endpoint,
    [LABELS.endpoint]: record.endpoint,
    [LABELS.revision]: String(record.revision),
  }
  const metadata = { name, labels: { ...selector, ...common(settings) } }
  const env = {
    GYRE_ENDPOINT: record.endpoint,
    GYRE_REVISION: String(record.revision),
  }
  const pods = podTemplate('inference', metadata.labels, settings, settings.resources, [
    ...plainEnv(env),
    // Captured images are budgeted by replica; a Pod's name is one for its life.
    { name: 'GYRE_REPLICA', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
  ])
  return {
    deployment: deployment(metadata, selector, replicas, pods),
    owned: [
      service(metadata, selector, PORT),
      disruptionBudget(metadata, selector),
      networkPolicy(metadata, selector, {
        // Our gateway is one of the namespace's; so are the steps that prove an endpoint. Those of a Gateway run anywhere.
        ingress: [{ ...(!settings.isRouted && { from: [{ podSelector: {} }] }), ports: [tcp(PORT)] }],
        egress: [dns(), storeAccess(settings)],
      }),
      ...(autoscale ? [autoscaler(metadata, record.replicas)] : []),
    ],
  }
}

/** The gateway of all endpoints, its Deployment first. */
export function gatewayObjects(settings: ServingSettings): RevisionObjects {
  const selector = { [LABELS.component]: COMPONENT.gateway }
  const metadata = { name: GATEWAY, labels: { ...selector, ...common(settings) } }
  const env = plainEnv({ GYRE_SERVICES: 'kubernetes', GYRE_DRAIN_QUIET_MS: '1000' })
  const toReplicas = { to: [{ podSelector: { matchLabels: { [LABELS.component]: COMPONENT.endpoint } } }] }
  return {
    deployment: deployment(
      metadata,
      selector,
      GATEWAY_REPLICAS,
      podTemplate('gateway', metadata.labels, settings, GATEWAY_RESOURCES, env),
    ),
    owned: [
      service(metadata, selector, 80),
      disruptionBudget(metadata, selector),
      networkPolicy(metadata, selector, {
        ingress: [{ ports: [tcp(PORT)] }],
        egress: [dns(), storeAccess(settings), { ...toReplicas, ports: [tcp(PORT)] }],
      }),
    ],
  }
}

/**
 * The traffic of an endpoint where Gateway API carries it: shares as weights, and a way to each very revision.
 *
 * @param gateway - the Gateway of the cluster that clients reach.
 */
export function routeOf(
  endpoint: string,
  traffic: Traffic,
  revisions: readonly number[],
  settings: ServingSettings,
  gateway: { readonly name: string; readonly namespace: string },
): Manifest {
  const path = `/v2/models/${endpoint}`
  const backend = (revision: number) => ({ name: revisionName({ endpoint, revision }), port: PORT })
  const shares = Object.entries(traffic).filter(([, share]) => share > 0)
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: {
      name: endpoint,
      labels: { [LABELS.component]: COMPONENT.endpoint, [LABELS.endpoint]: endpoint, ...common(settings) },
    },
    spec: {
      parentRefs: [{ name: gateway.name, namespace: gateway.namespace }],
      rules: [
        ...revisions.map((revision) => ({
          matches: [{ path: { type: 'PathPrefix', value: `${path}/versions/${revision}` } }],
          backendRefs: [backend(revision)],
        })),
        {
          matches: [{ path: { type: 'PathPrefix', value: path } }],
          backendRefs: shares.map(([revision, weight]) => ({ ...backend(Number(revision)), weight })),
        },
      ],
    },
  }
}

type Metadata = Manifest['metadata']
type Selector = Readonly<Record<string, string>>

function common({ owner }: ServingSettings): Record<string, string> {
  return { [LABELS.managedBy]: MANAGED_BY, [OWNER_LABEL]: owner }
}

function deployment(metadata: Metadata, selector: Selector, replicas: number, template: object): Manifest {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata,
    spec: {
      replicas,
      revisionHistoryLimit: 1,
      minReadySeconds: 2,
      progressDeadlineSeconds: NEVER_READY_SECONDS,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      selector: { matchLabels: selector },
      template,
    },
  }
}

function podTemplate(
  entry: 'inference' | 'gateway',
  labels: Selector,
  settings: ServingSettings,
  resources: ServingResources,
  env: readonly object[],
): object {
  const { image, storeSecret, podEnv, store, drainSeconds } = settings
  const probe = (path: 'live' | 'ready') => ({ httpGet: { path: `/v2/health/${path}`, port: 'http' } })
  return {
    metadata: { labels },
    spec: {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: drainSeconds + DRAIN_LIMIT_SECONDS,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      topologySpreadConstraints: ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'].map((topologyKey) => ({
        maxSkew: 1,
        topologyKey,
        whenUnsatisfiable: 'ScheduleAnyway',
        labelSelector: { matchLabels: labels },
        matchLabelKeys: ['pod-template-hash'],
      })),
      affinity: {
        podAntiAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            {
              weight: 100,
              podAffinityTerm: { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: labels } },
            },
          ],
        },
      },
      containers: [
        {
          name: entry,
          image,
          imagePullPolicy: 'IfNotPresent',
          command: ['node', `${APP_DIR}/dist/${entry}.js`],
          ports: [{ name: 'http', containerPort: PORT }],
          envFrom: [{ secretRef: { name: storeSecret } }],
          env: [
            ...plainEnv({
              ...podEnv,
              GYRE_STORE: store.uri,
              GYRE_PROJECT: store.project,
              GYRE_HOST: '0.0.0.0',
              GYRE_PORT: String(PORT),
            }),
            ...env,
          ],
          resources: {
            requests: { cpu: resources.cpu, memory: resources.memory },
            limits: { memory: resources.memoryLimit },
          },
          startupProbe: { ...probe('ready'), periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 300 },
          // Patient on purpose: to take a slow Pod away from a machine that has too much to do makes it worse.
          readinessProbe: { ...probe('ready'), periodSeconds: 2, timeoutSeconds: 10, failureThreshold: 3 },
          livenessProbe: { ...probe('live'), periodSeconds: 10, timeoutSeconds: 10, failureThreshold: 6 },
          lifecycle: { preStop: { sleep: { seconds: drainSeconds } } },
          // Its last words become part of the Pod's status: why it cannot start.
          terminationMessagePolicy: 'FallbackToLogsOnError',
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
          volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
        },
      ],
      volumes: [{ name: 'tmp', emptyDir: {} }],
    },
  }
}

function plainEnv(values: Readonly<Record<string, string>>): { name: string; value: string }[] {
  return Object.entries(values).map(([name, value]) => ({ name, value }))
}

function service(metadata: Metadata, selector: Selector, port: number): Manifest {
  const ports = [{ name: 'http', port, targetPort: 'http', protocol: 'TCP', appProtocol: 'http' }]
  return { apiVersion: 'v1', kind: 'Service', metadata, spec: { type: 'ClusterIP', selector, ports } }
}

/** One at a time; Pods that are broken anyway hold up no drain of a node. */
function disruptionBudget(metadata: Metadata, selector: Selector): Manifest {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata,
    spec: { maxUnavailable: 1, unhealthyPodEvictionPolicy: 'AlwaysAllow', selector: { matchLabels: selector } },
  }
}

function networkPolicy(
  metadata: Metadata,
  selector: Selector,
  rules: { readonly ingress: readonly object[]; readonly egress: readonly object[] },
): Manifest {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata,
    spec: { podSelector: { matchLabels: selector }, policyTypes: ['Ingress', 'Egress'], ...rules },
  }
}

function autoscaler(metadata: Metadata, replicas: number): Manifest {
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata,
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: metadata.name },
      minReplicas: replicas,
      maxReplicas: replicas * AUTOSCALE_FACTOR,
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } },
      ],
      behavior: { scaleDown: { stabilizationWindowSeconds: 300 } },
    },
  }
}

function tcp(port: number): object {
  return { protocol: 'TCP', port }
}

function dns(): object {
  return { ports: [{ protocol: 'UDP', port: 53 }, tcp(53)] }
}

/** S3 by its port alone: its addresses are many, and change. */
function storeAccess({ podEnv }: ServingSettings): object {
  const address = podEnv['AWS_ENDPOINT_URL_S3'] ?? podEnv['AWS_ENDPOINT_URL']
  const { protocol, port } = new URL(address ?? 'https://s3.amazonaws.com')
  return { ports: [tcp(port === '' ? (protocol === 'http:' ? 80 : 443) : Number(port))] }
}
