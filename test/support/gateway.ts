/** A gateway on a store of its own, as a process; its replicas are processes too. Needs a build. */

import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { entryPoint } from '#core/execution'
import { openStore, type ObjectStore } from '#core/storage'

export interface Gateway {
  readonly url: string
  readonly pid: number
  /** Everything that it and its replicas wrote to standard error. */
  log(): string
  /** Resolves with the exit code, or the signal. */
  readonly ended: Promise<number | NodeJS.Signals | null>
  signal(name: NodeJS.Signals): void
  /** Closes our end of its standard input, as the death of its parent would. */
  hangUp(): void
  /** SIGTERM, then waits for the end. */
  stop(): Promise<void>
}

export interface TemporaryStore {
  readonly directory: string
  readonly store: ObjectStore
  remove(): Promise<void>
}

export async function temporaryStore(): Promise<TemporaryStore> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'gyre-gateway-'))
  return {
    directory,
    store: await openStore(directory),
    remove: () => rm(directory, { recursive: true, force: true }),
  }
}

/** Resolves when it listens; rejects with its last words when it ends before. */
export async function startGateway(directory: string, env: Readonly<Record<string, string>> = {}): Promise<Gateway> {
  const child = spawn(process.execPath, [entryPoint('gateway')], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, GYRE_STORE: directory, ...env },
  })
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()))
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) =>
    child.once('close', (code, signal) => resolve(code ?? signal)),
  )
  const url = await Promise.race([
    firstUrl(child),
    ended.then((code) => Promise.reject(new Error(`the gateway ended with ${code}: ${log}`))),
  ])
  return {
    url,
    pid: child.pid ?? 0,
    log: () => log,
    ended,
    signal: (name) => child.kill(name),
    hangUp: () => child.stdin.destroy(),
    stop: async () => {
      child.kill('SIGTERM')
      await ended
    },
  }
}

function firstUrl(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    if (!child.stdout) return
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { ready, url } = JSON.parse(line) as { ready?: boolean; url?: string }
      if (ready && url) resolve(url)
    })
  })
}

/** Process ids of replicas that became ready, newest last, as the gateway's log tells. */
export function replicaPids(gateway: Gateway, endpoint: string): number[] {
  return gateway
    .log()
    .split('\n')
    .filter((line) => line.includes('"a replica is ready"'))
    .map((line) => JSON.parse(line) as { endpoint: string; process: number })
    .filter((line) => line.endpoint === endpoint)
    .map((line) => line.process)
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Looks again and again until it holds. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await delay(20)
}
