/**
 * Where the work of a stack goes: child processes of this machine, or a cluster. What the settings leave open is found
 * (the cluster that `gyre cluster up` started, the images that it loaded, how its Pods reach an S3 server of this
 * machine), and all of it is checked before anything starts.
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { PlatformError } from '#core/errors'
import {
  LABELS,
  MANAGED_BY,
  openKube,
  refuseUnfitCluster,
  type KubeApi,
  type KubeConnection,
} from '#adapter/compute/kubernetes/index'
import { forwardHostPorts } from './cluster/index.ts'

export interface Placement {
  readonly compute: 'process' | 'kubernetes'
  readonly services: 'process' | 'kubernetes'
}

export function placementOf(env: NodeJS.ProcessEnv): Placement {
  return {
    compute: env['GYRE_COMPUTE'] === 'kubernetes' ? 'kubernetes' : 'process',
    services: env['GYRE_SERVICES'] === 'kubernetes' ? 'kubernetes' : 'process',
  }
}

/**
 * The settings with what was found: a kubeconfig, images, the address of the store for Pods. In a cluster of our own the
 * namespace and the Secret with the store's credentials are made; anywhere else they belong to its operators.
 *
 * @param state - path of the state folder.
 * @throws {PlatformError} `INVALID_INPUT` for a store that Pods cannot read, or images that nobody named;
 *   `CLUSTER_UNAVAILABLE`, `CLUSTER_REFUSED` for a cluster that cannot do what is asked.
 */
export async function completePlacement(
  env: NodeJS.ProcessEnv,
  state: string,
  say: (line: string) => void,
): Promise<NodeJS.ProcessEnv> {
  const { compute, services } = placementOf(env)
  if (compute === 'process' && services === 'process') return env
  const store = env['GYRE_STORE'] ?? ''
  if (!store.startsWith('s3://')) throw storeNotShared(store)
  const own = ownCluster(state)
  const images = own?.images ?? {}
  const found = {
    KUBECONFIG: env['KUBECONFIG'] ?? own?.kubeconfig,
    GYRE_IMAGE_WORKER: env['GYRE_IMAGE_WORKER'] ?? images.worker,
    GYRE_IMAGE_INFERENCE: env['GYRE_IMAGE_INFERENCE'] ?? images.inference,
    GYRE_STORE_POD_ENDPOINT: env['GYRE_STORE_POD_ENDPOINT'] ?? (await podEndpoint(env, own !== null, state)),
  }
  for (const name of ['GYRE_IMAGE_WORKER', 'GYRE_IMAGE_INFERENCE'] as const) if (!found[name]) throw imageNotNamed(name)
  say('checking the cluster')
  const api = await openClusterOf(env, state)
  const storeSecret = env['GYRE_KUBE_STORE_SECRET'] ?? 'gyre-store'
  if (own) await prepareNamespace(api, storeSecret, env)
  await refuseUnfitCluster(api, {
    jobs: compute === 'kubernetes',
    services: services === 'kubernetes',
    images: [found.GYRE_IMAGE_WORKER, found.GYRE_IMAGE_INFERENCE].filter((image) => image !== undefined),
    storeSecret,
  })
  return { ...env, ...found }
}

/** The cluster that a stack on this state folder uses: the one that was named, else its own. */
export function openClusterOf(env: NodeJS.ProcessEnv, state: string): Promise<KubeConnection> {
  const kubeconfig = env['KUBECONFIG'] ?? ownCluster(state)?.kubeconfig
  return openKube({
    ...(kubeconfig && { kubeconfig }),
    ...(env['GYRE_KUBE_CONTEXT'] && { context: env['GYRE_KUBE_CONTEXT'] }),
    namespace: env['GYRE_KUBE_NAMESPACE'] ?? 'gyre',
  })
}

const STORE_KEYS = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'] as const

async function prepareNamespace(api: KubeApi, storeSecret: string, env: NodeJS.ProcessEnv): Promise<void> {
  const labels = { [LABELS.managedBy]: MANAGED_BY }
  const apply = (path: string, body: object) =>
    api.request('PATCH', path, {
      query: { fieldManager: MANAGED_BY, force: true },
      contentType: 'application/apply-patch+yaml',
      body,
    })
  const { namespace } = api
  await apply(`/api/v1/namespaces/${namespace}`, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: namespace, labels: { ...labels, 'pod-security.kubernetes.io/enforce': 'restricted' } },
  })
  const stringData = Object.fromEntries(STORE_KEYS.flatMap((key) => (env[key] ? [[key, env[key]]] : [])))
  await apply(`/api/v1/namespaces/${namespace}/secrets/${storeSecret}`, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: storeSecret, labels },
    stringData,
  })
}

interface OwnCluster {
  readonly kubeconfig: string
  readonly images: { readonly worker?: string; readonly inference?: string }
}

/** What `gyre cluster up` left in the state folder; null where it was not called. */
function ownCluster(state: string): OwnCluster | null {
  const folder = path.join(state, 'cluster')
  try {
    const images = JSON.parse(readFileSync(path.join(folder, 'images.json'), 'utf8')) as OwnCluster['images']
    return { kubeconfig: path.join(folder, 'kubeconfig'), images }
  } catch {
    return null
  }
}

/** An S3 server on this machine's loopback is relayed into the cluster of ours; any other address is the same for Pods. */
async function podEndpoint(env: NodeJS.ProcessEnv, hasOwnCluster: boolean, state: string): Promise<string | undefined> {
  const endpoint = env['AWS_ENDPOINT_URL_S3'] ?? env['AWS_ENDPOINT_URL']
  if (!endpoint || !hasOwnCluster) return endpoint
  const url = new URL(endpoint)
  if (!['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname)) return endpoint
  await forwardHostPorts(state, [Number(url.port || (url.protocol === 'https:' ? 443 : 80))])
  url.hostname = 'host.gyre.internal'
  return url.href.replace(/\/$/, '')
}

function storeNotShared(store: string): PlatformError {
  return new PlatformError(
    'INVALID_INPUT',
    `Pods cannot read the store ${store || 'in the state folder'}; name one that they reach with --store s3://bucket/prefix`,
    { store },
  )
}

function imageNotNamed(name: string): PlatformError {
  return new PlatformError(
    'INVALID_INPUT',
    `no image is known for Pods: run \`gyre cluster up\` on this state folder, or set ${name}`,
    { setting: name },
  )
}
