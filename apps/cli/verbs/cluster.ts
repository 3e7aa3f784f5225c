/** `gyre cluster …`: a Kubernetes cluster on this machine to run on; the one there is, or one of our own. */
import pc from 'picocolors'
import { PlatformError } from '#core/errors'
import {
  clusterDown,
  clusterStatus,
  clusterUp,
  loadGyreImages,
  type ClusterKind,
  type ClusterStatus,
} from '../../../infra/local/cluster/index.ts'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { table } from '../table.ts'
import { count, counted, duration, mebibytes, shortPath } from '../words.ts'

export interface ClusterUpOptions extends CommonOptions {
  readonly useCurrentContext?: boolean
  readonly own?: boolean
  readonly hostPort: readonly number[]
  /** False with `--no-images`. */
  readonly images: boolean
}

export async function up(options: ClusterUpOptions): Promise<void> {
  const invocation = new Invocation(options)
  const { state, env, remark } = invocation
  const say = (line: string) => remark(`gyre: ${line}`)
  const { useCurrentContext = false, own = false, hostPort: hostPorts } = options
  const cluster = await clusterUp({ state, say, useCurrentContext, own, hostPorts, env })
  const began = Date.now()
  // A cluster that was there before pulls its images from a registry.
  const images = options.images && cluster.kind !== 'context' ? await loadGyreImages(state, say, env) : null
  const status = await requireStatus(invocation)
  const imagesMs = Date.now() - began
  invocation.answer({ ...cluster, images, ...status }, () => {
    const took = cluster.started ? duration(cluster.ms) : 'up already'
    return [
      row('cluster', `${describe(cluster.kind, status)}`, took),
      ...(images
        ? [
            row(
              'images',
              Object.values(images)
                .map((name) => name.replace('localhost/', ''))
                .join(', '),
              duration(imagesMs),
            ),
          ]
        : []),
      ...(status.hostPorts.length > 0 ? [row('host', hostPortsText(status))] : []),
      '',
      ...howToUse(status),
      'Stop   ./gyre cluster down',
    ].join('\n')
  })
}

export async function down(options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const began = Date.now()
  const kind = await clusterDown(invocation.state, invocation.env)
  const ms = Date.now() - began
  invocation.answer({ kind, ms }, () => {
    if (kind === null) return `No cluster is up in ${shortPath(invocation.state)}.`
    if (kind === 'context') return 'The cluster of the context is left as it is; this state folder uses it no more.'
    return `The cluster (${kind}) is down, and nothing of it is left but logs and keys.   ${duration(ms)}`
  })
}

export async function status(options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const found = await requireStatus(invocation)
  invocation.answer(found, () => {
    const pods = Object.entries(found.pods).sort(([a], [b]) => a.localeCompare(b))
    return [
      row('cluster', describe(found.kind, found)),
      ...found.nodes.map(({ name, ready, cpus, memoryBytes }) =>
        row(
          'node',
          `${name}, ${ready ? pc.green('Ready') : pc.red('not Ready')}, ${counted(cpus, 'CPU')}, ${mebibytes(memoryBytes)}`,
        ),
      ),
      ...(found.memoryBytes === null ? [] : [row('uses', `${mebibytes(found.memoryBytes)} of this machine's memory`)]),
      ...(found.hostPorts.length > 0 ? [row('host', hostPortsText(found))] : []),
      '',
      table(
        ['namespace', 'Pods'],
        pods.map(([name, phases]) => [name, phasesText(phases)]),
        'No Pods yet.',
      ),
      '',
      ...howToUse(found),
    ].join('\n')
  })
}

async function requireStatus({ state, env }: Invocation): Promise<ClusterStatus> {
  const found = await clusterStatus(state, env)
  if (found) return found
  const message = `no cluster is up in ${state}; start one`
  throw new PlatformError('CLUSTER_UNAVAILABLE', message, { state, command: './gyre cluster up' })
}

function row(name: string, text: string, took = ''): string {
  return ` ${name.padEnd(9)} ${took ? `${text.padEnd(62)} ${took}` : text}`
}

function describe(kind: ClusterKind, { nodes, context }: ClusterStatus): string {
  const versions = [...new Set(nodes.map(({ version }) => version))].join(', ')
  const what = { own: 'a node of our own', context: `your context ${context}` }[kind as string] ?? `${kind}, ${context}`
  return `${what}, Kubernetes ${versions}, ${counted(nodes.filter(({ ready }) => ready).length, 'node')} Ready`
}

/** "3 Running, 1 Pending". */
function phasesText(phases: Readonly<Record<string, number>>): string {
  return Object.entries(phases)
    .map(([phase, pods]) => `${count(pods)} ${phase}`)
    .join(', ')
}

function hostPortsText({ hostPorts }: ClusterStatus): string {
  return `Pods reach ${hostPorts.map((port) => `host.gyre.internal:${port}`).join(', ')}`
}

function howToUse({ kubeconfig }: ClusterStatus): string[] {
  const file = /\s/.test(kubeconfig) ? `'${kubeconfig}'` : shortPath(kubeconfig)
  return [`Use    export KUBECONFIG=${file}`]
}
