/**
 * A one-node Kubernetes of our own on this machine: the programs of `kube/` in namespaces of their own, started and
 * stopped by the scripts of `node/`. Linux and root alone.
 *
 * N1  One process holds the node: with it end its programs, containers, mounts, rules and links.
 * N2  Every process outside of the node (relays) is recorded by PID and start time, and ended by `stop`.
 * N3  What is made on the machine (one link, one route, cgroups, folders to mount on) is removed by `stop`, also after
 *     the node was killed; a start begins with a stop. Link and cgroups carry the name of the state folder, so that no
 *     node ever removes what belongs to another.
 */
import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { identifyProcess } from '#core/compute'
import { PlatformError } from '#core/errors'
import type { ClusterFolder, Network } from './cluster-folder.ts'
import { run, type Outcome } from './commands.ts'
import { clusterSources, kubeFolder, requireKube } from './kube-binary.ts'
import { reserveNetwork } from './network.ts'
import { cniFolder, findLack } from './preconditions.ts'

/** Of a file system that is itself an overlay, on which another one cannot be laid (statfs(2)). */
const OVERLAYFS_MAGIC = 0x794c7630
const RELAY_START_MS = 5_000
const RELAY = 'forward-'

interface Address {
  readonly host: string
  readonly port: number
}

export class OwnNode {
  constructor(
    private readonly folder: ClusterFolder,
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  async context(): Promise<string> {
    return 'gyre' // As configure.sh writes it.
  }

  async isUp(): Promise<boolean> {
    const holder = this.folder.pidOf('holder')
    // One that was killed stays until all of the node has ended, but has no program any more.
    return holder !== null && existsSync(`/proc/${holder}/exe`)
  }

  /**
   * Starts the node, unless it runs; returns when it is Ready.
   *
   * @throws {PlatformError} `CLUSTER_UNSUPPORTED`, `CLUSTER_TOOL_MISSING`, `CLUSTER_START_FAILED`.
   */
  async start(say: (line: string) => void): Promise<void> {
    if (await this.isUp()) await this.#relayApi()
    else await this.#startNode(say)
  }

  async #startNode(say: (line: string) => void): Promise<void> {
    const lack = await findLack(this.env, { mayBuild: true })
    if (lack) throw lack
    await requireKube(say, this.env)
    await this.stop() // What a node that was killed left, would make its own net look taken.
    const { network, release } = await reserveNetwork(this.folder.read<Network>('network.json'))
    try {
      this.folder.write('network.json', network)
      const { ok, why } = await this.#script('up.sh')
      if (!ok) throw this.#startFailed(why)
      await this.#relayApi()
    } finally {
      release()
    }
    this.folder.write('kubeconfig', readFileSync(this.folder.at('conf/admin'), 'utf8'))
  }

  #relayApi(): Promise<void> {
    const { port, net } = this.#network()
    return this.#relay('api', { host: '127.0.0.1', port }, `${net}.0.2:6443`)
  }

  /** Ends and removes it all but keys, logs and what was chosen; harmless where nothing runs. */
  async stop(): Promise<void> {
    if (!existsSync(this.folder.at('network.json'))) return
    const { ok, why } = await this.#script('down.sh')
    if (!ok)
      throw new PlatformError('CLUSTER_STOP_FAILED', `not all of the cluster could be removed: ${why}; try again`)
  }

  /** @returns names of the images that containers can use. */
  async images(): Promise<ReadonlySet<string>> {
    const { stdout } = await this.#ctr('images', 'ls', '-q')
    return new Set(stdout.split('\n').filter(Boolean))
  }

  /** Relays a port of this machine's loopback: Pods reach it as `host.gyre.internal:<port>`. */
  async forward(port: number): Promise<void> {
    const from = { host: `${this.#network().net}.0.1`, port }
    // Who listens on all addresses is reached without a relay, and leaves it no room.
    if (!this.folder.runs(`${RELAY}${port}`) && (await connects(from))) return
    await this.#relay(String(port), from, `127.0.0.1:${port}`)
  }

  /** Starts a relay in a process of its own, unless it runs (N2). */
  async #relay(name: string, from: Address, to: string): Promise<void> {
    const record = `${RELAY}${name}`
    if (this.folder.runs(record)) return
    const log = openSync(this.folder.at('log', `${record}.log`), 'w')
    const relay = ['forward', `${from.host}:${from.port}=${to}`]
    const child = spawn(`${kubeFolder(this.env)}/kube`, relay, { detached: true, stdio: ['ignore', log, log] })
    child.once('error', () => undefined) // Seen below: it does not answer.
    child.unref()
    closeSync(log)
    const pid = child.pid ?? 0
    writeFileSync(this.folder.at('run', `${record}.pid`), `${pid} ${identifyProcess(pid)?.startTime}\n`)
    const deadline = Date.now() + RELAY_START_MS
    while (!(await connects(from))) {
      if (!this.folder.runs(record) || Date.now() > deadline)
        throw this.#startFailed(`the relay from port ${from.port} ended or does not answer`)
      await delay(20)
    }
  }

  /** Ports that relays carry into the node. */
  hostPorts(): number[] {
    const names = existsSync(this.folder.at('run')) ? readdirSync(this.folder.at('run')) : []
    return names
      .map((name) => Number(/^forward-(\d+)\.pid$/.exec(name)?.[1]))
      .filter((port) => port > 0 && this.folder.runs(`${RELAY}${port}`))
      .sort((a, b) => a - b)
  }

  /** Loads an image from a tar. */
  async load(tar: string): Promise<void> {
    const { ok, why } = await this.#ctr('images', 'import', '--snapshotter', this.#snapshotter(), tar)
    if (!ok) throw new PlatformError('CLUSTER_IMAGE_REFUSED', `the image ${tar} could not be loaded: ${why}`, { tar })
  }

  /** Proportional share of memory of all that runs in the node, containers too. */
  memoryBytes(): number {
    const holder = this.folder.pidOf('holder')
    return holder === null ? 0 : 1024 * familyOf(holder).reduce((sum, pid) => sum + proportionalKib(pid), 0)
  }

  #network(): Network {
    const network = this.folder.read<Network>('network.json')
    if (network) return network
    throw new Error(`${this.folder.path} has no network.json; it is written before a node starts`)
  }

  #ctr(...args: string[]): Promise<Outcome> {
    return this.#script('ctr.sh', ...args)
  }

  #script(name: string, ...args: string[]): Promise<Outcome> {
    const { port, net } = this.folder.read<Network>('network.json') ?? { port: 0, net: '' }
    const settings = {
      KUBE_STATE: this.folder.path,
      KUBE_NAME: this.folder.clusterName,
      KUBE_BIN: kubeFolder(this.env),
      KUBE_NET: net,
      KUBE_PORT: String(port),
      KUBE_CNI_BIN: cniFolder() ?? '',
      KUBE_SNAPSHOTTER: this.#snapshotter(),
    }
    return run('bash', [clusterSources('node', name), ...args], { env: { ...this.env, ...settings } })
  }

  #snapshotter(): string {
    return statfsSync(this.folder.path).type === OVERLAYFS_MAGIC ? 'native' : 'overlayfs'
  }

  #startFailed(why: string): PlatformError {
    const message = `the cluster did not start: ${why}; see the logs in ${this.folder.logs}`
    return new PlatformError('CLUSTER_START_FAILED', message, { logs: this.folder.logs })
  }
}

function connects(address: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ ...address, timeout: 1_000 })
    const answer = (connected: boolean) => {
      socket.destroy()
      resolve(connected)
    }
    socket.once('connect', () => answer(true))
    for (const event of ['error', 'timeout']) socket.once(event, () => answer(false))
  })
}

/** A process and all below it. */
function familyOf(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
    return [pid, ...children.flatMap(familyOf)]
  } catch {
    return [] // It has ended meanwhile.
  }
}

function proportionalKib(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}
