/**
 * Finds the cluster that an installation uses and opens a connection to it: a kubeconfig with certificates, tokens or a
 * login plugin, or the service account of the Pod that this process runs in. The SDK reads configurations and makes
 * credentials; requests are ours (`http.ts`), because its watches and logs hang or end with the first broken connection.
 */

import path from 'node:path'
import type { RequestOptions } from 'node:https'
import type { Cluster, KubeConfig } from '@kubernetes/client-node'
import { PlatformError } from '#core/errors'
import type { KubeConnection } from './api.ts'
import { connectKube, type KubeCredentials } from './http.ts'

/** Service account tokens are rotated on disk and live an hour or more: one read a minute is what client-go does. */
const CREDENTIALS_MS = 60_000

export interface OpenKubeOptions {
  /** One file, or several as in KUBECONFIG; where left out: KUBECONFIG, ~/.kube/config, then the Pod's service account. */
  readonly kubeconfig?: string
  /** A context of it; the current one where left out. */
  readonly context?: string
  readonly namespace: string
}

/**
 * Reads the configuration; sends nothing yet.
 *
 * @throws {PlatformError} `CLUSTER_UNAVAILABLE` when no cluster is configured, a file cannot be read, or it has no such
 *   context.
 */
export async function openKube(options: OpenKubeOptions): Promise<KubeConnection> {
  const config = await loadConfig(options)
  const { server, proxyUrl } = clusterOf(config)
  return connectKube({
    server,
    namespace: options.namespace,
    ...(proxyUrl ? { proxy: proxyUrl } : {}),
    credentials: rememberCredentials(config, () => loadConfig(options)),
  })
}

async function loadConfig({ kubeconfig, context }: OpenKubeOptions): Promise<KubeConfig> {
  // Only where there is a cluster, and no more than this: all of the SDK takes 16 MiB and a second more.
  const sdk = await import('@kubernetes/client-node/dist/config.js')
  const config = new sdk.KubeConfig()
  try {
    if (kubeconfig) loadFiles(config, kubeconfig, () => new sdk.KubeConfig())
    else config.loadFromDefault()
  } catch (error) {
    const why = (error as Error).message
    throw unavailable(`the kubeconfig ${kubeconfig ?? 'that KUBECONFIG names'} cannot be read: ${why}; mend it`, error)
  }
  if (context) useContext(config, context)
  allowPlainHttp(config)
  return config
}

function loadFiles(config: KubeConfig, files: string, another: () => KubeConfig): void {
  const [first, ...rest] = files.split(path.delimiter).filter(Boolean)
  config.loadFromFile(first ?? files)
  for (const file of rest) {
    const more = another()
    more.loadFromFile(file)
    config.mergeConfig(more)
  }
}

function useContext(config: KubeConfig, context: string): void {
  if (!config.getContextObject(context)) {
    const known = config.getContexts().map(({ name }) => name)
    throw unavailable(
      `the kubeconfig has no context ${context}, it has ${known.join(', ') || 'none'}; set GYRE_KUBE_CONTEXT to one of them`,
    )
  }
  config.setCurrentContext(context)
}

/** The address that the SDK makes up where nothing is configured. */
const MADE_UP = 'http://localhost:8080'

function clusterOf(config: KubeConfig): Cluster {
  const cluster = config.getCurrentCluster()
  if (!cluster || (cluster.server === MADE_UP && config.getCurrentContext() === 'loaded-context'))
    throw unavailable(
      'no Kubernetes cluster is configured; set KUBECONFIG to a kubeconfig with a current context, or start a cluster with `gyre cluster up`',
    )
  return cluster
}

/** `kubectl proxy` speaks plain HTTP; the SDK takes that address only where certificates are not to be checked anyway. */
function allowPlainHttp(config: KubeConfig): void {
  config.clusters = config.clusters.map((cluster) =>
    cluster.server.startsWith('http:') ? { ...cluster, skipTLSVerify: true } : cluster,
  )
}

function rememberCredentials(
  first: KubeConfig,
  reload: () => Promise<KubeConfig>,
): (renewed: boolean) => Promise<KubeCredentials> {
  let config = first
  let made: Promise<KubeCredentials> | null = null
  let madeAt = 0
  return async (renewed) => {
    if (renewed) config = await reload()
    if (renewed || made === null || Date.now() - madeAt > CREDENTIALS_MS) {
      madeAt = Date.now()
      const making = credentialsOf(config)
      made = making
      making.catch(() => (made = null))
    }
    return made
  }
}

async function credentialsOf(config: KubeConfig): Promise<KubeCredentials> {
  const options: RequestOptions = {}
  try {
    await config.applyToHTTPSOptions(options)
  } catch (error) {
    const why = (error as Error).message.trim()
    throw unavailable(
      `the login for context ${config.getCurrentContext()} failed: ${why}; log in to the cluster`,
      error,
    )
  }
  const { headers, auth, ca, cert, key, passphrase, servername, rejectUnauthorized } = options
  const basic = auth ? { authorization: `Basic ${Buffer.from(auth).toString('base64')}` } : {}
  const tls = { ca, cert, key, passphrase, servername, rejectUnauthorized }
  const given = Object.entries(tls).filter(([, value]) => value !== undefined)
  return {
    headers: { ...(headers as Record<string, string>), ...basic },
    tls: Object.fromEntries(given) as KubeCredentials['tls'],
  }
}

function unavailable(message: string, cause?: unknown): PlatformError {
  return new PlatformError('CLUSTER_UNAVAILABLE', message, {}, { cause })
}
