/**
 * Services on Kubernetes: desired state goes to the object store, as on one machine; this makes it true with Deployments,
 * one per revision, and a gateway in front (`service-manifests.ts`). Nothing is remembered here, so any number of
 * processes may do it at the same time, and what one leaves undone the next reconciliation does.
 *
 * H1  An object is applied only where it is missing or says something else than what is wanted, and never taken over from
 *     another installation: all of ours carry the digest of our store.
 * H2  Before a revision's Pods end, the gateways have heard that it is over.
 * H3  Nothing is deleted unless the store, read after it was seen, does not want it: a record comes before its Deployment.
 * H4  Of two hosts that want different objects (an upgrade, other settings) the one that started later has its way.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { PlatformError } from '#core/errors'
import type { Logger } from '#core/log'
import {
  announceGateway,
  closeEndpoint,
  createRevision,
  isIdle,
  listEndpointKeys,
  liveRevisions,
  markRetired,
  readRevision,
  readShares,
  readTraffic,
  recordObserved,
  wantedRevisions,
  writeTraffic,
  type EndpointKeys,
  type RevisionRecord,
  type Shares,
} from '#core/serving'
import { canonicalJson, digestJson, sha256Hex, type ObjectStore } from '#core/storage'
import type { RevisionSpec, RevisionStatus, ServiceHost, Traffic } from '../services.ts'
import { KubeError, LABELS, type ClusterSettings, type KubeObject, type KubeRequest } from './api.ts'
import { revisionStatus, type DeploymentObject, type ReplicaPod } from './replica-trouble.ts'
import {
  APPLIED,
  APPLIED_AT,
  COMPONENT,
  DEFAULT_RESOURCES,
  GATEWAY,
  gatewayObjects,
  OWNER_LABEL,
  revisionName,
  revisionObjects,
  routeOf,
  type Manifest,
  type RevisionObjects,
  type ServingResources,
  type ServingSettings,
} from './service-manifests.ts'

export interface KubernetesServiceSettings extends ClusterSettings {
  readonly objects: ObjectStore
  readonly log: Logger
  /** The address that clients use, where it is not that of the gateway's Service: an Ingress, a load balancer. */
  readonly endpointUrl?: string | null
  /** A Gateway (Gateway API) that carries the requests, with `endpointUrl`; without one, two Pods of ours do. */
  readonly gateway?: { readonly name: string; readonly namespace: string } | null
  /** How long a Pod goes on serving after its end was decided; 15 where left out. */
  readonly drainSeconds?: number
  readonly resources?: ServingResources
  /** How long a revision that lost its traffic stays warm; 10 min where left out. */
  readonly warmMs?: number
  /** How long a missing image or Secret counts as something to wait for; 1 min where left out. */
  readonly patienceMs?: number
  /** A gateway that cannot be told anything from here has seen a change of the store after this long. */
  readonly gatewayLagMs?: number
}

const COLLECTIONS: Readonly<Record<string, string>> = {
  Deployment: 'apis/apps/v1/{}/deployments',
  Service: 'api/v1/{}/services',
  PodDisruptionBudget: 'apis/policy/v1/{}/poddisruptionbudgets',
  NetworkPolicy: 'apis/networking.k8s.io/v1/{}/networkpolicies',
  HorizontalPodAutoscaler: 'apis/autoscaling/v2/{}/horizontalpodautoscalers',
  HTTPRoute: 'apis/gateway.networking.k8s.io/v1/{}/httproutes',
  Pod: 'api/v1/{}/pods',
}

const GATEWAY_READY_MS = 180_000
const ROUTE_ACCEPTED_MS = 30_000
const GONE_MS = 150_000
const POLL_MS = 250
const TELL_TIMEOUT_MS = 2_000
/** Two looks of a gateway at an S3 store. */
const GATEWAY_LAG_MS = 6_500
/** So often it is looked whether an API was installed or taken away. */
const GROUPS_EVERY_MS = 600_000

export function createKubernetesServiceHost(settings: KubernetesServiceSettings): ServiceHost {
  return new KubernetesServiceHost(settings)
}

class KubernetesServiceHost implements ServiceHost {
  readonly #settings: KubernetesServiceSettings
  readonly #serving: ServingSettings
  readonly #groups = new Map<string, { readonly isThere: boolean; readonly at: number }>()
  readonly #patienceMs: number
  // What was read once and cannot change, or only with a newer key, so that looking costs one listing of the store.
  readonly #knownRecords = new Map<string, RevisionRecord>()
  readonly #knownShares = new Map<string, Shares>()
  readonly #observed = new Map<string, string>()
  readonly #startedAt = new Date().toISOString()
  #hasAnnounced = false
  #reconciling: Promise<void> | null = null

  constructor(settings: KubernetesServiceSettings) {
    const { images, storeSecret, podEnv, store, drainSeconds = 15, resources = DEFAULT_RESOURCES } = settings
    const owner = sha256Hex(Buffer.from(canonicalJson(store))).slice(0, 16)
    this.#settings = settings
    this.#patienceMs = settings.patienceMs ?? 60_000
    const isRouted = Boolean(settings.gateway)
    this.#serving = { image: images.inference, storeSecret, podEnv, store, owner, drainSeconds, resources, isRouted }
  }

  async apply(spec: RevisionSpec): Promise<void> {
    if (!/^[a-z]/.test(spec.endpoint))
      throw new PlatformError(
        'INVALID_NAME',
        `on a cluster the name of an endpoint begins with a letter, and ${spec.endpoint} does not; choose another one`,
        { endpoint: spec.endpoint },
      )
    const record = await createRevision(this.#settings.objects, spec)
    await this.#bringUpGateway()
    await this.#bringUp(record, await this.#find<DeploymentObject>('Deployment', revisionName(record)))
  }

  async setTraffic(endpoint: string, traffic: Traffic): Promise<void> {
    const { objects } = this.#settings
    await writeTraffic(objects, endpoint, traffic, 'rollout')
    if (await this.#hasRoutes()) return this.#route(endpoint, { untilAccepted: true })
    await this.#bringUpGateway()
    await this.#gatewayReady()
    await this.#tellGateways()
  }

  async status(endpoint: string): Promise<readonly RevisionStatus[]> {
    const keys = (await listEndpointKeys(this.#settings.objects)).get(endpoint)
    if (!keys) return []
    const [deployments, pods] = await Promise.all([
      this.#listOf<DeploymentObject>('Deployment', endpoint),
      this.#listOf<ReplicaPod>('Pod', endpoint),
    ])
    const wanted = wantedRevisions(keys, await this.#shares(endpoint, keys))
    return statuses(await this.#records(endpoint, wanted), deployments, pods, this.#patienceMs)
  }

  async retire(endpoint: string, revision: number): Promise<void> {
    await markRetired(this.#settings.objects, endpoint, revision)
    await this.#settleNow(endpoint)
  }

  async remove(endpoint: string): Promise<void> {
    const { objects } = this.#settings
    await closeEndpoint(objects, endpoint, 'remove')
    await this.#settleNow(endpoint)
    const isLast = !(await this.#isAnythingWanted())
    if (isLast) await this.#removeGateway()
    const parts = [`${LABELS.component}=${COMPONENT.endpoint},${LABELS.endpoint}=${endpoint}`]
    if (isLast) parts.push(`${LABELS.component}=${COMPONENT.gateway}`)
    await this.#untilGone(endpoint, parts)
  }

  async url(): Promise<string> {
    const { endpointUrl, gateway, api } = this.#settings
    if (endpointUrl) return endpointUrl.replace(/\/+$/, '')
    if (gateway && (await this.#hasRoutes()))
      throw new PlatformError(
        'CLUSTER_REFUSED',
        `where the Gateway ${gateway.namespace}/${gateway.name} answers, its own namespace knows; say it with GYRE_ENDPOINT_URL`,
      )
    const service = await this.#find<KubeObject & { spec?: { clusterIP?: string } }>('Service', GATEWAY)
    const host = service?.spec?.clusterIP ?? `${GATEWAY}.${api.namespace}.svc`
    return `http://${host.includes(':') ? `[${host}]` : host}`
  }

  reconcile(): Promise<void> {
    this.#reconciling ??= this.#reconcile().finally(() => (this.#reconciling = null))
    return this.#reconciling
  }

  async #reconcile(): Promise<void> {
    const { objects, log } = this.#settings
    const deployments = await this.#listOf<DeploymentObject>('Deployment')
    const pods = await this.#listOf<ReplicaPod>('Pod')
    const listed = await listEndpointKeys(objects) // After the Deployments (H3).
    let wanted = 0
    for (const [endpoint, keys] of listed) {
      const isOfEndpoint = ({ metadata }: KubeObject) => metadata.labels?.[LABELS.endpoint] === endpoint
      const ofEndpoint = deployments.filter(isOfEndpoint)
      // What is wrong with one endpoint must not stop the others.
      try {
        const records = await this.#settle(endpoint, keys, ofEndpoint)
        wanted += records.length
        await this.#observe(endpoint, statuses(records, ofEndpoint, pods.filter(isOfEndpoint), this.#patienceMs))
      } catch (error) {
        log.error({ err: error, endpoint }, 'an endpoint cannot be brought up to date')
        wanted += 1
      }
    }
    await this.#endRevisions(
      deployments.filter(({ metadata }) => !listed.has(metadata.labels?.[LABELS.endpoint] ?? '')),
    )
    if (wanted > 0) await this.#bringUpGateway()
    else if (!(await this.#isAnythingWanted())) await this.#removeGateway()
  }

  async #settleNow(endpoint: string): Promise<void> {
    const deployments = await this.#listOf<DeploymentObject>('Deployment', endpoint)
    const keys = (await listEndpointKeys(this.#settings.objects)).get(endpoint)
    if (keys) await this.#settle(endpoint, keys, deployments)
  }

  /** Makes one endpoint as the store wants it. @returns the revisions that are to run. */
  async #settle(
    endpoint: string,
    keys: EndpointKeys,
    deployments: readonly DeploymentObject[],
  ): Promise<readonly RevisionRecord[]> {
    const { objects, warmMs = 600_000 } = this.#settings
    const shares = await this.#shares(endpoint, keys)
    const wanted: RevisionRecord[] = []
    for (const record of await this.#records(endpoint, wantedRevisions(keys, shares)))
      if (isIdle(record, shares, warmMs)) await markRetired(objects, endpoint, record.revision)
      else wanted.push(record)
    const names = wanted.map(revisionName)
    for (const [i, record] of wanted.entries())
      await this.#bringUp(record, deployments.find(({ metadata }) => metadata.name === names[i]) ?? null)
    if (await this.#hasRoutes()) {
      if (wanted.length > 0) await this.#route(endpoint)
      else await this.#delete('HTTPRoute', endpoint)
    }
    await this.#endRevisions(deployments.filter(({ metadata }) => !names.includes(metadata.name)))
    return wanted
  }

  /** For those who may not look at the cluster themselves. */
  async #observe(endpoint: string, status: readonly RevisionStatus[]): Promise<void> {
    const digest = digestJson(status)
    if (this.#observed.get(endpoint) === digest) return
    await recordObserved(this.#settings.objects, endpoint, status)
    this.#observed.set(endpoint, digest)
  }

  async #shares(endpoint: string, keys: EndpointKeys): Promise<Shares | null> {
    const shares = await readShares(this.#settings.objects, endpoint, keys, this.#knownShares.get(endpoint) ?? null)
    if (shares) this.#knownShares.set(endpoint, shares)
    return shares
  }

  /** They never change, so each is read once. */
  async #records(endpoint: string, revisions: readonly number[]): Promise<readonly RevisionRecord[]> {
    return Promise.all(
      revisions.map(async (revision) => {
        const name = revisionName({ endpoint, revision })
        const record = this.#knownRecords.get(name) ?? (await readRevision(this.#settings.objects, endpoint, revision))
        this.#knownRecords.set(name, record)
        return record
      }),
    )
  }

  async #bringUp(record: RevisionSpec, standing: DeploymentObject | null): Promise<void> {
    // What an autoscaler decides is no part of what is wanted.
    const digest = digestJson(revisionObjects(record, this.#serving, { autoscale: false }))
    if (!this.#mustApply(revisionName(record), standing, digest)) return
    const autoscale = await this.#isInstalled('metrics.k8s.io/v1beta1')
    const replicas = (autoscale && standing?.spec?.replicas) || record.replicas
    await this.#applyAll(revisionObjects(record, this.#serving, { autoscale, replicas }), digest)
  }

  async #bringUpGateway(): Promise<void> {
    if (await this.#hasRoutes()) return this.#removeGateway()
    const wanted = gatewayObjects(this.#serving)
    const standing = await this.#find<DeploymentObject>('Deployment', GATEWAY)
    const digest = digestJson(wanted)
    if (this.#mustApply(GATEWAY, standing, digest)) await this.#applyAll(wanted, digest)
    else if (this.#hasAnnounced) return
    await announceGateway(this.#settings.objects, await this.url())
    this.#hasAnnounced = true
  }

  /** Whether a Deployment is missing or not as wanted (H1, H4). @throws {PlatformError} `ENDPOINT_CONFLICT` for a stranger's. */
  #mustApply(name: string, standing: DeploymentObject | null, digest: string): boolean {
    if (!standing || standing.metadata.deletionTimestamp) return true
    const { labels, annotations } = standing.metadata
    if (labels?.[OWNER_LABEL] !== this.#serving.owner)
      throw new PlatformError(
        'ENDPOINT_CONFLICT',
        `the Deployment ${name} in namespace ${this.#settings.api.namespace} belongs to an installation with another store; use another namespace`,
        { name },
      )
    return annotations?.[APPLIED] !== digest && (annotations?.[APPLIED_AT] ?? '') < this.#startedAt
  }

  async #applyAll({ deployment, owned }: RevisionObjects, digest: string): Promise<void> {
    const { uid } = (await this.#apply(deployment)).metadata
    const owner = { apiVersion: 'apps/v1', kind: 'Deployment', name: deployment.metadata.name, uid }
    for (const object of owned)
      await this.#apply({ ...object, metadata: { ...object.metadata, ownerReferences: [owner] } })
    // The digest goes on last: a crash before that leaves something that is not as wanted.
    const annotations = { [APPLIED]: digest, [APPLIED_AT]: new Date().toISOString() }
    await this.#apply({ ...deployment, metadata: { ...deployment.metadata, annotations } })
  }

  /** Deletes Deployments, and with them what they own (H2). */
  async #endRevisions(deployments: readonly DeploymentObject[]): Promise<void> {
    const running = deployments.filter(({ metadata }) => !metadata.deletionTimestamp)
    if (running.length === 0) return
    if (!(await this.#hasRoutes())) await this.#tellGateways()
    for (const { metadata } of running) {
      await this.#delete('Deployment', metadata.name)
      this.#settings.log.info({ deployment: metadata.name }, 'a revision ends')
    }
  }

  async #removeGateway(): Promise<void> {
    const standing = await this.#find<DeploymentObject>('Deployment', GATEWAY)
    const isOurs = standing?.metadata.labels?.[OWNER_LABEL] === this.#serving.owner
    if (isOurs && !standing?.metadata.deletionTimestamp) await this.#delete('Deployment', GATEWAY)
  }

  async #isAnythingWanted(): Promise<boolean> {
    const { objects } = this.#settings
    for (const [endpoint, keys] of await listEndpointKeys(objects))
      if (wantedRevisions(keys, await this.#shares(endpoint, keys)).length > 0) return true
    return false
  }

  /** Waits for the first Pod of the gateway. */
  async #gatewayReady(): Promise<void> {
    const deadline = performance.now() + GATEWAY_READY_MS
    for (;;) {
      const deployment = await this.#find<DeploymentObject>('Deployment', GATEWAY)
      if ((deployment?.status?.readyReplicas ?? 0) > 0) return
      const pods = await this.#list<ReplicaPod>('Pod', `${LABELS.component}=${COMPONENT.gateway}`)
      const { trouble, waiting } = revisionStatus({ revision: 0, replicas: 1 }, deployment, pods, this.#patienceMs)
      if (trouble !== null || performance.now() > deadline)
        throw new PlatformError(
          'GATEWAY_UNAVAILABLE',
          `the gateway does not start: ${trouble ?? waiting ?? 'no Pod of it is ready'}`,
        )
      await delay(POLL_MS)
    }
  }

  /** Resolves when every Pod of the gateway has read the store anew; where they cannot be reached, when they must have. */
  async #tellGateways(): Promise<void> {
    const pods = await this.#list<ReplicaPod>('Pod', `${LABELS.component}=${COMPONENT.gateway}`)
    const running = pods.filter(({ status }) => status?.phase === 'Running' && status.podIP)
    const heard = await Promise.all(running.map(tellGateway))
    if (heard.includes(false)) await delay(this.#settings.gatewayLagMs ?? GATEWAY_LAG_MS)
  }

  async #route(endpoint: string, { untilAccepted = false } = {}): Promise<void> {
    const { objects, gateway } = this.#settings
    if (!gateway) return
    const [traffic, live] = await Promise.all([readTraffic(objects, endpoint), liveRevisions(objects, endpoint)])
    const revisions = live.map(({ revision }) => revision)
    const route = routeOf(endpoint, traffic?.value ?? {}, revisions, this.#serving, gateway)
    const applied = await this.#apply(route)
    if (untilAccepted) await this.#routeAccepted(endpoint, applied.metadata.generation ?? 0)
  }

  async #routeAccepted(endpoint: string, generation: number): Promise<void> {
    const deadline = performance.now() + ROUTE_ACCEPTED_MS
    let why = 'its controller does not answer'
    while (performance.now() < deadline) {
      const route = await this.#find<RouteObject>('HTTPRoute', endpoint)
      const conditions = route?.status?.parents?.flatMap((parent) => parent.conditions ?? []) ?? []
      const ofNow = conditions.filter((one) => (one.observedGeneration ?? 0) >= generation)
      const isSet = (type: string) => ofNow.some((one) => one.type === type && one.status === 'True')
      if (isSet('Accepted') && isSet('ResolvedRefs')) return
      why = ofNow.find(({ status }) => status === 'False')?.message ?? why
      await delay(POLL_MS)
    }
    throw new PlatformError(
      'GATEWAY_UNAVAILABLE',
      `the HTTPRoute of endpoint ${endpoint} was not taken within ${ROUTE_ACCEPTED_MS / 1000} s: ${why}`,
      { endpoint },
    )
  }

  #hasRoutes(): Promise<boolean> {
    return this.#settings.gateway ? this.#isInstalled('gateway.networking.k8s.io/v1') : Promise.resolve(false)
  }

  async #isInstalled(group: string): Promise<boolean> {
    const known = this.#groups.get(group)
    if (known && performance.now() - known.at < GROUPS_EVERY_MS) return known.isThere
    const isThere = await this.#request('GET', `/apis/${group}`).then(
      () => true,
      (error: unknown) => {
        // An API whose server is down (metrics without metrics-server) is of no use either.
        if (error instanceof PlatformError && error.code === 'CLUSTER_UNAVAILABLE' && !error.details['status'])
          throw error
        return false
      },
    )
    this.#groups.set(group, { isThere, at: performance.now() })
    return isThere
  }

  /** Everything of this kind that belongs to an endpoint, or to any. */
  #listOf<T extends KubeObject>(kind: string, endpoint?: string): Promise<readonly T[]> {
    const ofEndpoint = endpoint === undefined ? [] : [`${LABELS.endpoint}=${endpoint}`]
    return this.#list<T>(kind, [`${LABELS.component}=${COMPONENT.endpoint}`, ...ofEndpoint].join(','))
  }

  async #untilGone(endpoint: string, selectors: readonly string[]): Promise<void> {
    const deadline = performance.now() + GONE_MS
    const kinds = ['Pod', 'Deployment', 'Service', 'PodDisruptionBudget', 'NetworkPolicy']
    for (;;) {
      const left = await this.#remaining(kinds, selectors)
      if (left.length === 0) return
      if (performance.now() > deadline)
        throw new PlatformError(
          'CLUSTER_UNAVAILABLE',
          `${left.join(', ')} of endpoint ${endpoint} did not end within ${GONE_MS / 1000} s; delete the endpoint again`,
          { endpoint },
        )
      await delay(POLL_MS)
    }
  }

  async #remaining(kinds: readonly string[], selectors: readonly string[]): Promise<string[]> {
    const lists = kinds.flatMap((kind) =>
      selectors.map(async (selector) =>
        (await this.#list(kind, selector)).map(({ metadata }) => `${kind} ${metadata.name}`),
      ),
    )
    return (await Promise.all(lists)).flat()
  }

  // Requests

  async #list<T extends KubeObject>(kind: string, selector: string): Promise<readonly T[]> {
    const labelSelector = `${selector},${OWNER_LABEL}=${this.#serving.owner}`
    const { items } = await this.#request<{ items: T[] }>('GET', this.#collection(kind), { query: { labelSelector } })
    return items
  }

  async #find<T extends KubeObject>(kind: string, name: string): Promise<T | null> {
    return this.#request<T>('GET', `${this.#collection(kind)}/${name}`).catch(unlessMissing)
  }

  #apply(manifest: Manifest): Promise<KubeObject> {
    return this.#request('PATCH', `${this.#collection(manifest.kind)}/${manifest.metadata.name}`, {
      query: { fieldManager: 'gyre', force: true },
      contentType: 'application/apply-patch+yaml',
      body: manifest,
    })
  }

  async #delete(kind: string, name: string): Promise<void> {
    const body = { propagationPolicy: 'Background' }
    await this.#request('DELETE', `${this.#collection(kind)}/${name}`, { body }).catch(unlessMissing)
  }

  #collection(kind: string): string {
    return `/${COLLECTIONS[kind]?.replace('{}', `namespaces/${this.#settings.api.namespace}`)}`
  }

  async #request<T>(method: 'GET' | 'PATCH' | 'DELETE', path: string, request?: KubeRequest): Promise<T> {
    try {
      return await this.#settings.api.request<T>(method, path, request)
    } catch (error) {
      throw error instanceof KubeError ? clusterError(error, this.#settings.api.server) : error
    }
  }
}

function statuses(
  records: readonly RevisionRecord[],
  deployments: readonly DeploymentObject[],
  pods: readonly ReplicaPod[],
  patienceMs: number,
): readonly RevisionStatus[] {
  return records.map((record) => {
    const isOfRevision = ({ metadata }: KubeObject) => metadata.labels?.[LABELS.revision] === String(record.revision)
    return revisionStatus(record, deployments.find(isOfRevision) ?? null, pods.filter(isOfRevision), patienceMs)
  })
}

interface RouteCondition {
  readonly type: string
  readonly status: string
  readonly message?: string
  readonly observedGeneration?: number
}

interface RouteObject extends KubeObject {
  readonly status?: { readonly parents?: readonly { readonly conditions?: readonly RouteCondition[] }[] }
}

/** Asks a Pod of the gateway to read the store now. @returns whether it did. */
async function tellGateway({ spec, status }: ReplicaPod): Promise<boolean> {
  const port = spec?.containers?.[0]?.ports?.[0]?.containerPort
  const host = status?.podIP?.includes(':') ? `[${status.podIP}]` : status?.podIP
  const signal = AbortSignal.timeout(TELL_TIMEOUT_MS)
  const answer = await fetch(`http://${host}:${port}/internal/reconcile`, { method: 'POST', signal }).catch(() => null)
  await answer?.body?.cancel()
  return answer?.ok ?? false
}

function clusterError(error: KubeError, server: string): PlatformError {
  const { status, reason, message } = error
  const isAway = status === 0 || status === 429 || status >= 500
  const what = isAway ? `the cluster at ${server} does not answer: ${message}` : `the cluster refuses: ${message}`
  return new PlatformError(
    isAway ? 'CLUSTER_UNAVAILABLE' : 'CLUSTER_REFUSED',
    what,
    { status, reason },
    { cause: error },
  )
}

function unlessMissing(error: unknown): null {
  if (error instanceof PlatformError && error.details['status'] === 404) return null
  throw error
}
