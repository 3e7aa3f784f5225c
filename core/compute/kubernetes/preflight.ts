/**
 * Whether a cluster can do what an installation wants of it, asked before any work is started: is it there, does it let us
 * in, is it new enough, are the clocks together, is there such a namespace, may we do what we must, are the images and the
 * Secret in place. What is only less comfortable without (metrics, Gateway API, GPUs) is a remark.
 */

import { setTimeout as delay } from 'node:timers/promises'
import pLimit from 'p-limit'
import { isPlatformError, PlatformError } from '#core/errors'
import { KubeError, type KubeConnection } from './api.ts'
import { JOB_PERMISSIONS, roleRules, SERVICE_PERMISSIONS, type PermissionRule, type RoleRule } from './permissions.ts'

export interface ClusterNeeds {
  /** Steps are to run as Jobs. */
  readonly jobs: boolean
  /** Endpoints are to run as Deployments. */
  readonly services: boolean
  /** Images that Pods are to run. */
  readonly images?: readonly string[]
  /** The Secret that Pods take the store's credentials from. */
  readonly storeSecret?: string
  /** How long images that were just loaded are waited for; 40 s where left out. */
  readonly patienceMs?: number
}

export interface ClusterFinding {
  readonly check:
    'cluster' | 'clock' | 'namespace' | 'permissions' | 'secret' | 'images' | 'gpus' | 'autoscaling' | 'routes'
  /** A problem makes the cluster unusable; a remark does not. */
  readonly level: 'good' | 'remark' | 'problem'
  /** What, value, bound, and in a problem the remedy. */
  readonly sentence: string
  /** Lines to type or to add: commands, or rules of a Role as YAML. */
  readonly remedy?: string
}

const LEAST_MINOR = 31
const MOST_SKEW_MS = 30_000
const GPU = 'nvidia.com/gpu'
/** A node counts its images every 30 s, and tells of them a little later. */
const NODE_STATUS_MS = 40_000
const LOOK_AGAIN_MS = 1_000
/** Questions about permissions that are asked at once. */
const AT_ONCE = 8

/** @returns what was found, in the order of the checks; it ends early where nothing more can be asked. */
export async function checkCluster(api: KubeConnection, needs: ClusterNeeds): Promise<readonly ClusterFinding[]> {
  const found: ClusterFinding[] = []
  try {
    for (const check of [checkEntry, checkClock, checkNamespace, checkRest]) {
      const findings = await check(api, needs)
      found.push(...findings)
      if (findings.some(({ level }) => level === 'problem') && check !== checkClock) break
    }
  } catch (error) {
    found.push({ check: 'cluster', level: 'problem', sentence: sentenceOf(error, api) })
  }
  return found
}

async function checkRest(api: KubeConnection, needs: ClusterNeeds): Promise<readonly ClusterFinding[]> {
  const found = await Promise.all([
    checkPermissions(api, needs),
    checkSecret(api, needs),
    checkNodes(api, needs),
    needs.services ? Promise.all([checkMetrics(api), checkRoutes(api)]) : [],
  ])
  return found.flat()
}

/**
 * @throws {PlatformError} `CLUSTER_UNAVAILABLE` when nothing answers, else `CLUSTER_REFUSED`; one sentence for each problem,
 *   and what to type or to add as `details.command`.
 */
export async function refuseUnfitCluster(api: KubeConnection, needs: ClusterNeeds): Promise<void> {
  const problems = (await checkCluster(api, needs)).filter(({ level }) => level === 'problem')
  if (problems.length === 0) return
  const code = api.clockSkewMs === null ? 'CLUSTER_UNAVAILABLE' : 'CLUSTER_REFUSED'
  const command = [...new Set(problems.flatMap(({ remedy }) => remedy ?? []))].join('\n')
  const message = problems.map(({ sentence }) => sentence).join('\n')
  throw new PlatformError(code, message, { problems, ...(command ? { command } : {}) })
}

interface Version {
  readonly major?: string
  readonly minor?: string
  readonly gitVersion?: string
}

async function checkEntry(api: KubeConnection): Promise<readonly ClusterFinding[]> {
  const { gitVersion = 'of unknown version', major, minor } = await api.request<Version>('GET', '/version')
  // The version is told to anybody; this only to those who have logged in.
  await api.request('GET', '/apis')
  const isOld = Number.parseInt(major ?? '', 10) === 1 && Number.parseInt(minor ?? '', 10) < LEAST_MINOR
  if (!isOld) return [{ check: 'cluster', level: 'good', sentence: `Kubernetes ${gitVersion} at ${api.server}` }]
  const sentence = `${api.server} is Kubernetes ${gitVersion}; Gyre needs 1.${LEAST_MINOR} or newer: upgrade it`
  return [{ check: 'cluster', level: 'problem', sentence }]
}

function sentenceOf(error: unknown, { server }: KubeConnection): string {
  if (isPlatformError(error)) return error.message
  if (!(error instanceof KubeError)) throw error
  const { status, message } = error
  if (status === 0) return `${message}; check the address in the kubeconfig, and the network`
  if (status === 401 || status === 403)
    return `${server} refuses the login (${message}); log in again, or mend the user in the kubeconfig`
  return `${server} answers HTTP ${status}: ${message}; look at the API server`
}

function checkClock({ clockSkewMs }: KubeConnection): readonly ClusterFinding[] {
  const skewMs = clockSkewMs ?? 0
  const seconds = Math.round(Math.abs(skewMs) / 1000)
  const apart = `the clock of the cluster is ${seconds} s ${skewMs < 0 ? 'behind' : 'ahead of'} this machine’s`
  if (Math.abs(skewMs) <= MOST_SKEW_MS)
    return [{ check: 'clock', level: 'good', sentence: seconds <= 1 ? 'clocks agree' : apart }]
  const sentence = `${apart}, at most ${MOST_SKEW_MS / 1000} s are allowed: let both be set by NTP`
  return [{ check: 'clock', level: 'problem', sentence }]
}

async function checkNamespace(api: KubeConnection): Promise<readonly ClusterFinding[]> {
  const { namespace } = api
  const failure = await failureOf(api.request('GET', `/api/v1/namespaces/${namespace}`))
  if (failure?.status === 404)
    return [
      {
        check: 'namespace',
        level: 'problem',
        sentence: `the cluster has no namespace ${namespace}; create it, or set GYRE_KUBE_NAMESPACE to another`,
        remedy: `kubectl create namespace ${namespace}`,
      },
    ]
  // Namespaces belong to the whole cluster: the account of an installation need not see them.
  const unseen = failure ? `, which this account cannot look at (${failure.reason})` : ''
  return [{ check: 'namespace', level: 'good', sentence: `namespace ${namespace}${unseen}` }]
}

async function checkPermissions(api: KubeConnection, needs: ClusterNeeds): Promise<readonly ClusterFinding[]> {
  const wanted = roleRules(await rulesThatMatter(api, needs))
  const limit = pLimit(AT_ONCE)
  const denied = await Promise.all(
    wanted.flatMap(({ apiGroups: [group = ''], resources, verbs }) =>
      resources.map(async (resource) => {
        const answers = await Promise.all(verbs.map((verb) => limit(() => isAllowed(api, { group, resource, verb }))))
        return { group, resource, verbs, missing: verbs.filter((_, i) => !answers[i]) }
      }),
    ),
  )
  const lacking = denied.filter(({ missing }) => missing.length > 0)
  const who = lacking.length > 0 ? await whoAmI(api) : ''
  if (lacking.length === 0)
    return [{ check: 'permissions', level: 'good', sentence: 'may do all that Gyre needs, and is asked for no more' }]
  if (lacking.every(({ verbs, missing }) => missing.length === verbs.length))
    return [
      {
        check: 'permissions',
        level: 'problem',
        sentence: `${who} may do nothing of what Gyre needs in namespace ${api.namespace}; if that is the right namespace, bind a Role with these rules to it`,
        remedy: rulesYaml(wanted),
      },
    ]
  return lacking.map(({ group, resource, missing }) => ({
    check: 'permissions',
    level: 'problem',
    sentence: `${who} may not ${missing.join(', ')} ${resource}${group && `.${group}`} in namespace ${api.namespace}; add this rule to its Role`,
    remedy: rulesYaml([{ apiGroups: [group], resources: [resource], verbs: missing }]),
  }))
}

/** The rules of what is to run, without those whose API group is not installed. */
async function rulesThatMatter(api: KubeConnection, { jobs, services }: ClusterNeeds): Promise<PermissionRule[]> {
  const rules = [...(jobs ? JOB_PERMISSIONS : []), ...(services ? SERVICE_PERMISSIONS : [])]
  const groups = [...new Set(rules.flatMap(({ where }) => where ?? []))]
  const installed = await Promise.all(groups.map(async (group) => ((await isInstalled(api, group)) ? [group] : [])))
  return rules.filter(({ where }) => where === undefined || installed.flat().includes(where))
}

interface Deed {
  readonly group: string
  /** `pods` or `pods/log`. */
  readonly resource: string
  readonly verb: string
}

async function isAllowed(api: KubeConnection, { group, resource: full, verb }: Deed): Promise<boolean> {
  const [resource, subresource] = full.split('/')
  const resourceAttributes = {
    namespace: api.namespace,
    group,
    resource,
    verb,
    ...(subresource ? { subresource } : {}),
  }
  const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'
  const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes } }
  const { status } = await api.request<{ status?: { allowed?: boolean } }>('POST', path, { body })
  return status?.allowed === true
}

async function whoAmI(api: KubeConnection): Promise<string> {
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
  const answer = await api
    .request<{ status?: { userInfo?: { username?: string } } }>('POST', path, { body })
    .catch(() => null)
  return answer?.status?.userInfo?.username ?? 'this account'
}

/** Rules as a Role's `rules:` holds them. */
export function rulesYaml(rules: readonly RoleRule[]): string {
  const list = (values: readonly string[]) => `[${values.map((value) => `"${value}"`).join(', ')}]`
  return rules
    .map(
      ({ apiGroups, resources, verbs }) =>
        `- apiGroups: ${list(apiGroups)}\n  resources: ${list(resources)}\n  verbs: ${list(verbs)}`,
    )
    .join('\n')
}

/** The account may not read Secrets. To create one of that name, as a trial, is refused where there is one. */
async function checkSecret(api: KubeConnection, { storeSecret }: ClusterNeeds): Promise<readonly ClusterFinding[]> {
  if (storeSecret === undefined) return []
  const body = { apiVersion: 'v1', kind: 'Secret', metadata: { name: storeSecret } }
  const path = `/api/v1/namespaces/${api.namespace}/secrets`
  const failure = await failureOf(api.request('POST', path, { body, query: { dryRun: 'All' } }))
  if (failure?.reason === 'AlreadyExists')
    return [{ check: 'secret', level: 'good', sentence: `Secret ${storeSecret} gives Pods the store’s credentials` }]
  if (failure) return [] // Without the permission nobody can say, and that is told already.
  return [
    {
      check: 'secret',
      level: 'problem',
      sentence: `namespace ${api.namespace} has no Secret ${storeSecret}, so Pods could not read the store; create it with the store’s credentials`,
      remedy: `kubectl -n ${api.namespace} create secret generic ${storeSecret} --from-literal=AWS_ACCESS_KEY_ID=… --from-literal=AWS_SECRET_ACCESS_KEY=…`,
    },
  ]
}

interface NodeList {
  readonly items: readonly {
    readonly metadata: { readonly name: string }
    readonly status?: {
      readonly allocatable?: Readonly<Record<string, string>>
      readonly images?: readonly { readonly names?: readonly string[] }[]
    }
  }[]
}

/** Nodes belong to the whole cluster: who cannot see them learns neither of images nor of GPUs. */
async function checkNodes(
  api: KubeConnection,
  { jobs, images = [], patienceMs = NODE_STATUS_MS }: ClusterNeeds,
): Promise<readonly ClusterFinding[]> {
  const deadline = Date.now() + patienceMs
  for (;;) {
    const nodes = await api.request<NodeList>('GET', '/api/v1/nodes').catch(() => null)
    if (!nodes) return []
    const onNodes = new Set(
      nodes.items.flatMap((node) => node.status?.images ?? []).flatMap(({ names }) => names ?? []),
    )
    const found = images.map((image) => imageFinding(image, onNodes))
    if (Date.now() >= deadline || found.every(({ level }) => level !== 'problem'))
      return [...found, ...(jobs ? [gpuFinding(nodes)] : [])]
    await delay(LOOK_AGAIN_MS)
  }
}

/** A node names only its fifty largest images, so one that is not named may be there all the same. */
function imageFinding(image: string, onNodes: ReadonlySet<string>): ClusterFinding {
  if (onNodes.has(image)) return { check: 'images', level: 'good', sentence: `${image} is on a node` }
  if (!image.startsWith('localhost/'))
    return { check: 'images', level: 'remark', sentence: `${image} is on no node yet; the first Pod pulls it` }
  const sentence = `${image} is on no node, and cannot be pulled from anywhere; load it into the cluster`
  return { check: 'images', level: 'problem', sentence, remedy: 'gyre cluster up' }
}

function gpuFinding({ items }: NodeList): ClusterFinding {
  const counts = items.map(({ status }) => Number(status?.allocatable?.[GPU] ?? 0))
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total === 0)
    return { check: 'gpus', level: 'remark', sentence: `no node offers ${GPU}; a step that asks for a GPU will wait` }
  const nodes = counts.filter((count) => count > 0).length
  return { check: 'gpus', level: 'good', sentence: `${total} × ${GPU} on ${nodes} of ${items.length} nodes` }
}

async function checkMetrics(api: KubeConnection): Promise<ClusterFinding> {
  if (await isInstalled(api, 'metrics.k8s.io'))
    return { check: 'autoscaling', level: 'good', sentence: 'the metrics API answers; endpoints scale by load' }
  const sentence = 'the metrics API does not answer; endpoints keep a fixed number of replicas'
  return { check: 'autoscaling', level: 'remark', sentence }
}

async function checkRoutes(api: KubeConnection): Promise<ClusterFinding> {
  if (await isInstalled(api, 'gateway.networking.k8s.io'))
    return { check: 'routes', level: 'good', sentence: 'the Gateway API is installed' }
  const sentence = 'the Gateway API is not installed; Gyre’s own gateway carries requests to endpoints'
  return { check: 'routes', level: 'remark', sentence }
}

async function isInstalled(api: KubeConnection, group: string): Promise<boolean> {
  // The group's own document is served even while what stands behind it does not answer; its versions' are not.
  const answer = await api
    .request<{ preferredVersion?: { groupVersion?: string } }>('GET', `/apis/${group}`)
    .catch(() => null)
  const version = answer?.preferredVersion?.groupVersion
  return version !== undefined && (await failureOf(api.request('GET', `/apis/${version}`))) === null
}

async function failureOf(call: Promise<unknown>): Promise<KubeError | null> {
  try {
    await call
    return null
  } catch (error) {
    if (error instanceof KubeError) return error
    throw error
  }
}
