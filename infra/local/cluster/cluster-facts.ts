/** What a cluster says of itself: nodes, versions, Pods. */
import { existsSync } from 'node:fs'
import type { KubeConnection, KubeObject } from '#adapter/compute/kubernetes/api'
import { openKube } from '#adapter/compute/kubernetes/client'

/** A server that is there answers within milliseconds. */
const ANSWER_MS = 5_000

export interface NodeFacts {
  readonly name: string
  /** As `v1.34.4`. */
  readonly version: string
  readonly ready: boolean
  readonly cpus: number
  readonly memoryBytes: number
}

export interface ClusterFacts {
  readonly nodes: readonly NodeFacts[]
  /** Namespace → phase → number of Pods. */
  readonly pods: Readonly<Record<string, Readonly<Record<string, number>>>>
}

interface NodeObject extends KubeObject {
  readonly status: {
    readonly nodeInfo: { readonly kubeletVersion: string }
    readonly conditions?: readonly { readonly type: string; readonly status: string }[]
    readonly capacity?: Readonly<Record<string, string>>
    readonly images?: readonly { readonly names?: readonly string[] }[]
  }
}

interface PodObject extends KubeObject {
  readonly status: { readonly phase?: string }
}

/** Whether the server of a kubeconfig answers; false also where there is no such file. */
export async function answers(kubeconfig: string): Promise<boolean> {
  if (!existsSync(kubeconfig)) return false
  try {
    await (await open(kubeconfig)).request('GET', '/version', { signal: AbortSignal.timeout(ANSWER_MS) })
    return true
  } catch {
    return false
  }
}

export async function readFacts(kubeconfig: string): Promise<ClusterFacts> {
  const api = await open(kubeconfig)
  const [nodes, pods] = await Promise.all([list<NodeObject>(api, 'nodes'), list<PodObject>(api, 'pods')])
  return { nodes: nodes.map(nodeFacts), pods: countPods(pods) }
}

/** Names of the images that every node tells of; a node tells late, and at most of its 50 largest. */
export async function imagesOfNodes(kubeconfig: string): Promise<ReadonlySet<string>> {
  const [first = [], ...others] = (await list<NodeObject>(await open(kubeconfig), 'nodes')).map(({ status }) =>
    (status.images ?? []).flatMap(({ names = [] }) => names),
  )
  return new Set(first.filter((name) => others.every((names) => names.includes(name))))
}

function open(kubeconfig: string): Promise<KubeConnection> {
  return openKube({ kubeconfig, namespace: 'default' })
}

async function list<T>(api: KubeConnection, kind: string): Promise<readonly T[]> {
  return (await api.request<{ readonly items: readonly T[] }>('GET', `/api/v1/${kind}`)).items
}

function nodeFacts({ metadata, status }: NodeObject): NodeFacts {
  return {
    name: metadata.name,
    version: status.nodeInfo.kubeletVersion,
    ready: status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false,
    cpus: Number(status.capacity?.['cpu'] ?? 0),
    memoryBytes: bytesOf(status.capacity?.['memory'] ?? '0'),
  }
}

/** A kubelet tells its memory as `24684084Ki`. */
function bytesOf(quantity: string): number {
  return Number.parseInt(quantity, 10) * (quantity.endsWith('Ki') ? 1024 : 1)
}

function countPods(pods: readonly PodObject[]): ClusterFacts['pods'] {
  const counts: Record<string, Record<string, number>> = {}
  for (const { metadata, status } of pods) {
    const phases = (counts[metadata.namespace ?? ''] ??= {})
    const phase = status.phase ?? 'Unknown'
    phases[phase] = (phases[phase] ?? 0) + 1
  }
  return counts
}
