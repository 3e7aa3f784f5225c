/**
 * A node of our own, for real: told in order on one state folder, from nothing to nothing. Left out, with the reason, where
 * this machine cannot run one.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { KubeConnection } from '#adapter/compute/kubernetes/api'
import { openKube } from '#adapter/compute/kubernetes/client'
import {
  clusterDown,
  clusterStatus,
  clusterUp,
  forwardHostPorts,
  loadImages,
  probeCluster,
} from '../../infra/local/cluster/index.ts'
import { ClusterFolder } from '../../infra/local/cluster/cluster-folder.ts'
import { writeTinyImage } from '../support/tiny-image.ts'

const run = promisify(execFile)
const why = await probeCluster()
const IMAGE = 'localhost/gyre-test-bash:1'

let folder: string
let state: string
let before: Unchanged
const servers: http.Server[] = []

async function output(program: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` }
  return (await run(program, args, { env })).stdout
}

/** What belongs to the machine and a cluster could change. */
interface Unchanged {
  readonly mounts: string
  readonly rules: string
  readonly sysctls: string
}

async function machine(): Promise<Unchanged> {
  return {
    mounts: readFileSync('/proc/self/mountinfo', 'utf8'),
    rules: (await output('iptables-save')).replace(/^#.*$|\[\d+:\d+\]/gm, ''),
    sysctls: ['vm/overcommit_memory', 'kernel/panic', 'kernel/panic_on_oops']
      .map((name) => readFileSync(`/proc/sys/${name}`, 'utf8'))
      .join(''),
  }
}

/** What this cluster has on the machine, of each kind; there may be other clusters. */
async function traces() {
  const { net } = JSON.parse(readFileSync(inCluster('network.json'), 'utf8')) as { net: string }
  const { clusterName } = new ClusterFolder(state)
  const ours = (text: string) => text.split('\n').filter((line) => line.includes(net) || line.includes(clusterName))
  return {
    links: ours(await output('ip', '-o', 'link')),
    routes: ours(await output('ip', 'route', 'show', 'table', 'all')),
    cgroups: ours(await output('find', '/sys/fs/cgroup', '-maxdepth', '2', '-name', 'gyre-*')),
    processes: readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && commandLine(pid).includes(inCluster())),
  }
}

const NOTHING = { links: [], routes: [], cgroups: [], processes: [] }

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

const up = (hostPorts: readonly number[] = []) => clusterUp({ state, say: () => undefined, own: true, hostPorts })
const inCluster = (...names: string[]) => path.join(state, 'cluster', ...names)
const holder = () => Number(readFileSync(inCluster('run/holder.pid'), 'utf8').split(' ')[0])

async function killHolder(): Promise<void> {
  const pid = holder()
  process.kill(pid, 'SIGKILL')
  await vi.waitUntil(() => !existsSync(`/proc/${pid}/exe`))
}

/** A server on this machine's loopback alone. */
async function listen(answer: string): Promise<number> {
  const server = http.createServer((_, response) => response.end(answer))
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

interface Pod {
  readonly status: {
    readonly phase: string
    readonly containerStatuses?: readonly { readonly state: { readonly terminated?: { readonly message?: string } } }[]
  }
}

/** Runs one Pod to its end. @returns what it wrote to its termination message. */
async function runPod(name: string, script: string): Promise<string> {
  const api = await connect()
  const pods = '/api/v1/namespaces/default/pods'
  const container = { name: 'main', image: IMAGE, imagePullPolicy: 'Never', command: ['/bin/bash', '-c', script] }
  const spec = { restartPolicy: 'Never', containers: [container] }
  await api.request('POST', pods, { body: { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec } })
  for await (const pod of changes(api, name)) {
    if (!['Succeeded', 'Failed'].includes(pod.status.phase)) continue
    return `${pod.status.phase}: ${pod.status.containerStatuses?.[0]?.state.terminated?.message ?? ''}`
  }
  throw new Error(`the watch of ${name} ended before the Pod did`)
}

async function* changes(api: KubeConnection, name: string): AsyncGenerator<Pod> {
  const query = { watch: true, fieldSelector: `metadata.name=${name}` }
  let rest = ''
  for await (const chunk of await api.stream('/api/v1/namespaces/default/pods', { query })) {
    const lines = (rest + Buffer.from(chunk).toString('utf8')).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield (JSON.parse(line) as { object: Pod }).object
  }
}

function connect(): Promise<KubeConnection> {
  return openKube({ kubeconfig: inCluster('kubeconfig'), namespace: 'default' })
}

/** Asks a server of the host, with what bash can do by itself. */
const fetchFromHost = (port: number) =>
  `exec 3<>/dev/tcp/host.gyre.internal/${port}; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; ` +
  'while read -r line; do :; done <&3; printf "$line" >/dev/termination-log'

describe.skipIf(why !== null)(`a cluster of our own${why ? ` (left out: ${why})` : ''}`, () => {
  beforeAll(async () => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'gyre cluster-'))
    state = path.join(folder, 'state')
    before = await machine()
  })

  afterAll(async () => {
    for (const name of ['state', 'other']) await clusterDown(path.join(folder, name))
    for (const server of servers) server.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('is not there before it is up, and then nothing reaches it', async () => {
    expect(await clusterStatus(state)).toBeNull()
    expect(await clusterDown(state)).toBeNull()
    await expect(forwardHostPorts(state, [9000])).rejects.toMatchObject({ code: 'CLUSTER_UNAVAILABLE' })
    await expect(loadImages(state, [])).rejects.toMatchObject({ code: 'CLUSTER_UNAVAILABLE' })
  })

  it('comes up with a kubeconfig that its owner alone can read, and a node that is Ready', async () => {
    const cluster = await up()
    expect(cluster).toMatchObject({ kind: 'own', context: 'gyre', started: true, kubeconfig: inCluster('kubeconfig') })
    expect(statSync(cluster.kubeconfig).mode & 0o777).toBe(0o600)
    const status = await clusterStatus(state)
    expect(status?.nodes).toMatchObject([{ name: 'gyre-node', ready: true, version: 'v1.34.4' }])
    expect(status?.hostPorts).toEqual([])
    expect(status?.memoryBytes).toBeGreaterThan(100 * 2 ** 20)
    for (const found of Object.values(await traces())) expect(found).not.toEqual([])
  })

  it('takes an image once', async () => {
    const tar = path.join(folder, 'bash.tar')
    await writeTinyImage(IMAGE, tar)
    expect(await loadImages(state, [{ name: IMAGE, tar }])).toEqual([IMAGE])
    expect(await loadImages(state, [{ name: IMAGE, tar }])).toEqual([])
    const broken = loadImages(state, [{ name: 'localhost/other:1', tar: path.join(folder, 'missing.tar') }])
    await expect(broken).rejects.toMatchObject({ code: 'CLUSTER_IMAGE_REFUSED' })
  })

  it('runs a Pod', async () => {
    expect(await runPod('hello', 'printf hello >/dev/termination-log')).toBe('Succeeded: hello')
    expect((await clusterStatus(state))?.pods).toEqual({ default: { Succeeded: 1 } })
  })

  it('lets Pods reach a port of the loopback that a later `up` names, without a restart', async () => {
    const [first, second] = [await listen('from the first'), await listen('from the second')]
    const node = holder()
    expect(await up([first])).toMatchObject({ started: false })
    expect(await runPod('first', fetchFromHost(first))).toBe('Succeeded: from the first')
    await up([second])
    expect(await runPod('second', fetchFromHost(second))).toBe('Succeeded: from the second')
    expect((await clusterStatus(state))?.hostPorts).toEqual([first, second].sort((a, b) => a - b))
    expect(holder()).toBe(node)
  })

  it('has one start at a time', async () => {
    const outcomes = await Promise.allSettled([up(), up()])
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(outcomes).toContainEqual({
      status: 'rejected',
      reason: expect.objectContaining({ code: 'STATE_IN_USE' }) as unknown,
    })
  })

  it('keeps its Pods while the API server is restarted', async () => {
    const script = path.resolve('infra/local/cluster/node/restart.sh')
    await run('bash', [script, 'kube-apiserver', 'KILL'], { env: { ...process.env, KUBE_STATE: inCluster() } })
    const pods = async () => (await clusterStatus(state))?.pods['default']
    await vi.waitFor(async () => expect(await pods()).toEqual({ Succeeded: 3 }), { timeout: 60_000, interval: 100 })
  })

  it('comes up again, empty and under the same address, after its node was killed', async () => {
    const network = readFileSync(inCluster('network.json'), 'utf8')
    await killHolder()
    expect(await up()).toMatchObject({ kind: 'own', started: true })
    expect(readFileSync(inCluster('network.json'), 'utf8')).toBe(network)
    expect(await clusterStatus(state)).toMatchObject({ hostPorts: [], pods: {} })
  })

  it('goes down without a trace, also when its node was killed, while another one of this machine goes on', async () => {
    const first = state
    const other = path.join(folder, 'other')
    state = other
    await up()
    state = first
    await killHolder()
    expect(await clusterDown(state)).toBe('own')
    expect(await clusterDown(state)).toBeNull()
    expect(await traces()).toEqual(NOTHING)
    expect(readdirSync(inCluster()).sort()).toEqual(['lock', 'log', 'network.json', 'pki'])
    state = other
    await loadImages(state, [{ name: IMAGE, tar: path.join(folder, 'bash.tar') }])
    expect(await runPod('beside', 'printf on >/dev/termination-log')).toBe('Succeeded: on')
  })

  it('leaves the machine as it was', async () => {
    expect(await clusterDown(state)).toBe('own')
    expect(await traces()).toEqual(NOTHING)
    expect(await machine()).toEqual(before)
  })
})
