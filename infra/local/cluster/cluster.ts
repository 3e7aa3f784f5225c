/**
 * The cluster of a state folder: chosen, started, loaded with images, told about, taken down.
 *
 * With `useCurrentContext` it is the cluster that the kubeconfig points to; else one by kind, k3d or minikube where one of
 * them and a container engine are there; else a node of our own.
 */
import { PlatformError } from '#core/errors'
import { ClusterFolder, type ClusterKind, type ClusterRecord } from './cluster-folder.ts'
import { readFacts, type ClusterFacts } from './cluster-facts.ts'
import { CurrentContext } from './current-context.ts'
import { findTool, ToolCluster } from './installed-tools.ts'
import { OwnNode } from './own-node.ts'
import { findLack } from './preconditions.ts'

type Say = (line: string) => void

/** One way to have a cluster. */
interface Cluster {
  /** Its name in the kubeconfig. */
  context(): Promise<string>
  isUp(): Promise<boolean>
  /** Makes what is not up and writes the kubeconfig. */
  start(say: Say): Promise<void>
  /** Removes what `start` made, whatever is left of it. */
  stop(): Promise<void>
  /** Names of the images that its containers can use without pulling. */
  images(): Promise<ReadonlySet<string>>
  load(tar: string): Promise<void>
}

export interface ClusterUpOptions {
  /** Path of the state folder. */
  readonly state: string
  /** Gets one line of progress at a time. */
  readonly say: Say
  readonly useCurrentContext?: boolean
  /** A node of our own also where kind, k3d or minikube could make a cluster. */
  readonly own?: boolean
  /** Ports of this machine's loopback that Pods reach at `host.gyre.internal`. */
  readonly hostPorts?: readonly number[]
  readonly env?: NodeJS.ProcessEnv
}

export interface RunningCluster {
  readonly kind: ClusterKind
  /** Path of a file that names this cluster alone. */
  readonly kubeconfig: string
  readonly context: string
  /** False when it ran already. */
  readonly started: boolean
  readonly ms: number
}

export interface ClusterStatus extends ClusterFacts {
  readonly kind: ClusterKind
  readonly kubeconfig: string
  readonly context: string
  /** Ports of this machine's loopback that Pods reach at `host.gyre.internal`. */
  readonly hostPorts: readonly number[]
  /** What all of it takes of this machine's memory, containers too; null where it is not a node of our own. */
  readonly memoryBytes: number | null
}

/** An image in an archive that `infra/images` or `docker save` wrote. */
export interface ImageTar {
  /** Fully qualified, as `localhost/gyre-worker:1a2b3c`. */
  readonly name: string
  /** Path of the archive. */
  readonly tar: string
}

/**
 * Makes sure that the cluster of a state folder is up; one that is up already gets the host ports that it lacks.
 *
 * @throws {PlatformError} `CLUSTER_UNSUPPORTED`, `CLUSTER_TOOL_MISSING`, `CLUSTER_START_FAILED`; `CLUSTER_UNAVAILABLE`
 *   where the current context does not answer; `STATE_IN_USE` where the folder has another cluster.
 */
export async function clusterUp(options: ClusterUpOptions): Promise<RunningCluster> {
  const { state, say, hostPorts = [], env = process.env } = options
  const began = Date.now()
  const folder = new ClusterFolder(state)
  return folder.alone(async () => {
    const record = await chooseCluster(folder, options, env)
    const cluster = clusterOf(folder, record.kind, env)
    const started = !(await cluster.isUp())
    folder.write('cluster.json', record) // First, so that `clusterDown` finds what a start that breaks off has left.
    if (started) folder.write('images.json', {})
    await cluster.start(say)
    await forwardHostPorts(state, hostPorts, env)
    const { kubeconfig } = folder
    return { kind: record.kind, kubeconfig, context: await cluster.context(), started, ms: Date.now() - began }
  })
}

/**
 * Takes down what `clusterUp` started, also what a killed one has left. A cluster that was there before is left alone.
 *
 * @returns the kind of cluster that was there; null where there was none.
 * @throws {PlatformError} `CLUSTER_STOP_FAILED`, `STATE_IN_USE`.
 */
export async function clusterDown(state: string, env: NodeJS.ProcessEnv = process.env): Promise<ClusterKind | null> {
  const folder = new ClusterFolder(state)
  if (!folder.exists) return null
  return folder.alone(async () => {
    const record = readRecord(folder)
    if (record === null) return null
    await clusterOf(folder, record.kind, env).stop()
    folder.remove('cluster.json', 'kubeconfig', 'images.json')
    return record.kind
  })
}

/**
 * What the cluster of a state folder is and runs.
 *
 * @returns null where there is none, or it is not up.
 */
export async function clusterStatus(
  state: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<ClusterStatus | null> {
  const folder = new ClusterFolder(state)
  const record = readRecord(folder)
  if (record === null) return null
  const cluster = clusterOf(folder, record.kind, env)
  if (!(await cluster.isUp())) return null
  const own = cluster instanceof OwnNode ? cluster : null
  return {
    ...{ kind: record.kind, kubeconfig: folder.kubeconfig, context: await cluster.context() },
    ...{ hostPorts: own?.hostPorts() ?? [], memoryBytes: own?.memoryBytes() ?? null },
    ...(await readFacts(folder.kubeconfig)),
  }
}

/**
 * Loads images into the cluster of a state folder, but for those that it has under that name.
 *
 * @returns names of those that were loaded.
 * @throws {PlatformError} `CLUSTER_UNAVAILABLE` where none is up, `CLUSTER_IMAGE_REFUSED`, and `CLUSTER_UNSUPPORTED` for a
 *   cluster that was there before: it pulls its images from a registry.
 */
export async function loadImages(
  state: string,
  images: readonly ImageTar[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<string[]> {
  const { cluster } = await runningCluster(state, env)
  const present = await cluster.images()
  const missing = images.filter(({ name }) => !present.has(name))
  for (const { tar } of missing) await cluster.load(tar)
  return missing.map(({ name }) => name)
}

/**
 * Lets Pods reach ports of this machine's loopback, at `host.gyre.internal`; those that they reach already stay.
 *
 * @throws {PlatformError} `CLUSTER_UNAVAILABLE` where no cluster is up, `CLUSTER_UNSUPPORTED` where it is not ours.
 */
export async function forwardHostPorts(
  state: string,
  ports: readonly number[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  if (ports.length === 0) return
  const { cluster, kind } = await runningCluster(state, env)
  if (!(cluster instanceof OwnNode)) throw loopbackOutOfReach(kind, ports)
  for (const port of ports) await cluster.forward(port)
}

/** @returns one sentence on why a cluster of our own cannot run on this machine now; null when it can. */
export async function probeCluster(env: NodeJS.ProcessEnv = process.env): Promise<string | null> {
  return (await findLack(env, { mayBuild: false }))?.message ?? null
}

function readRecord(folder: ClusterFolder): ClusterRecord | null {
  return folder.read<ClusterRecord>('cluster.json')
}

async function chooseCluster(
  folder: ClusterFolder,
  { say, useCurrentContext = false, own = false }: ClusterUpOptions,
  env: NodeJS.ProcessEnv,
): Promise<ClusterRecord> {
  const former = readRecord(folder)
  if (former && (former.kind === 'context') === useCurrentContext) return former
  if (former) {
    const cluster = clusterOf(folder, former.kind, env)
    if (await cluster.isUp()) throw otherCluster(folder, former.kind)
    await cluster.stop()
  }
  if (useCurrentContext) return { kind: 'context' }
  return { kind: (own ? null : await findTool(say, env)) ?? 'own' }
}

function clusterOf(folder: ClusterFolder, kind: ClusterKind, env: NodeJS.ProcessEnv): Cluster {
  if (kind === 'own') return new OwnNode(folder, env)
  if (kind === 'context') return new CurrentContext(folder, env)
  return new ToolCluster(folder, kind, env)
}

async function runningCluster(
  state: string,
  env: NodeJS.ProcessEnv,
): Promise<{ readonly kind: ClusterKind; readonly cluster: Cluster }> {
  const folder = new ClusterFolder(state)
  const record = readRecord(folder)
  const cluster = record && clusterOf(folder, record.kind, env)
  if (record && cluster && (await cluster.isUp())) return { kind: record.kind, cluster }
  const message = `no cluster is up in ${folder.path}; start one with \`gyre cluster up\``
  throw new PlatformError('CLUSTER_UNAVAILABLE', message, { folder: folder.path })
}

function otherCluster(folder: ClusterFolder, kind: ClusterKind): PlatformError {
  const what = kind === 'context' ? 'a cluster that was there before' : `a cluster (${kind})`
  const message = `${folder.path} is the folder of ${what}, which is up; take that down first, or choose another folder with --state`
  return new PlatformError('STATE_IN_USE', message, { folder: folder.path, command: './gyre cluster down' })
}

function loopbackOutOfReach(kind: ClusterKind, ports: readonly number[]): PlatformError {
  const named = ports.map((port) => `127.0.0.1:${port}`).join(', ')
  const message = `Pods of a cluster of kind ${kind} cannot reach ${named}; let the server listen where they reach it, and set GYRE_STORE_POD_ENDPOINT to that address`
  return new PlatformError('CLUSTER_UNSUPPORTED', message, { kind, ports })
}
