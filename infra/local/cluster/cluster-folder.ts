/**
 * What is known of a cluster in its state folder, `<state>/cluster`:
 *
 *   cluster.json  which cluster is up        kubeconfig   how to reach it, readable by its owner alone
 *   network.json  port and net of last time  images.json  Gyre's own images, once loaded
 *   run/*.pid     our processes              log/ pki/    logs and keys of our own node
 */
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { isAlive } from '#core/compute'
import { PlatformError } from '#core/errors'
import { HolderLock } from '../holder-lock.ts'

export type ClusterKind = 'own' | 'kind' | 'k3d' | 'minikube' | 'context'

export interface ClusterRecord {
  readonly kind: ClusterKind
}

export interface Network {
  /** Of the API server on 127.0.0.1. */
  readonly port: number
  /** First half of a /16, as `10.213`. */
  readonly net: string
}

export class ClusterFolder {
  readonly path: string
  /** What the cluster is called outside of itself, as `gyre-1a2b3c4d`: one name for each state folder. */
  readonly clusterName: string
  readonly kubeconfig: string
  readonly logs: string

  /** @param state - path of the state folder. */
  constructor(state: string) {
    this.path = path.resolve(state, 'cluster')
    this.clusterName = `gyre-${createHash('sha256').update(this.path).digest('hex').slice(0, 8)}`
    this.kubeconfig = this.at('kubeconfig')
    this.logs = this.at('log')
  }

  get exists(): boolean {
    return existsSync(this.path)
  }

  at(...names: string[]): string {
    return path.join(this.path, ...names)
  }

  /**
   * Does something that must not be done twice at a time.
   *
   * @throws {PlatformError} `STATE_IN_USE` while another process does.
   */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    mkdirSync(this.path, { recursive: true, mode: 0o700 })
    const lock = new HolderLock(this.at('lock'))
    const release = lock.acquire()
    if (!release) {
      const pid = lock.holder()?.pid
      const message = `process ${pid ?? 'unknown'} starts or stops the cluster in ${this.path}; wait for it`
      throw new PlatformError('STATE_IN_USE', message, { folder: this.path, pid })
    }
    try {
      return await work()
    } finally {
      release()
    }
  }

  read<T>(name: string): T | null {
    try {
      return JSON.parse(readFileSync(this.at(name), 'utf8')) as T
    } catch {
      return null
    }
  }

  /** Replaces the file in one step. */
  write(name: string, content: unknown): void {
    const text = typeof content === 'string' ? content : `${JSON.stringify(content, null, 2)}\n`
    const draft = this.at(`${name}.${process.pid}`)
    writeFileSync(draft, text, { mode: 0o600 })
    chmodSync(draft, 0o600)
    renameSync(draft, this.at(name))
  }

  remove(...names: string[]): void {
    for (const name of names) rmSync(this.at(name), { force: true })
  }

  /** Whether the process of `run/<name>.pid` runs; the scripts of the node write the same form. */
  runs(name: string): boolean {
    return this.pidOf(name) !== null
  }

  pidOf(name: string): number | null {
    try {
      const [pid, startTime] = readFileSync(this.at('run', `${name}.pid`), 'utf8')
        .trim()
        .split(' ')
      const identity = { pid: Number(pid), startTime: startTime ?? '' }
      return isAlive(identity) ? identity.pid : null
    } catch {
      return null
    }
  }
}
