/** The real stack as a process tree of its own, with the means to kill any part of it and to see what stands. */

import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { entryPoint } from '#core/execution'
import type { RunReport } from '#core/runs'

export type Part = 'worker' | 'temporal' | 'gateway' | 'api' | 'replica' | 'parent' | 'tree'

const START_MS = 120_000
const POLL_MS = 50

export class LiveStack {
  #parent: ChildProcess | null = null

  constructor(
    readonly state: string,
    private readonly env: NodeJS.ProcessEnv = {},
  ) {}

  /** Starts `gyre dev` on the state folder and waits until it answers. */
  async start(): Promise<void> {
    // A group of its own, so that the whole tree can be killed at once.
    const parent = spawn(process.execPath, [entryPoint('cli'), 'dev', '--state', this.state], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...this.env },
    })
    const said: string[] = []
    parent.stdout.on('data', (chunk: Buffer) => said.push(chunk.toString()))
    parent.stderr.on('data', (chunk: Buffer) => said.push(chunk.toString()))
    this.#parent = parent
    const deadline = Date.now() + START_MS
    while (!(await this.#answers(parent.pid!))) {
      if (parent.exitCode !== null || Date.now() > deadline)
        throw new Error(`the stack did not start: ${said.join('')}`)
      await delay(POLL_MS)
    }
  }

  async stop(): Promise<void> {
    const parent = this.#parent
    if (!parent || parent.exitCode !== null || parent.signalCode !== null) return
    const ended = new Promise((resolve) => parent.once('exit', resolve))
    parent.kill('SIGINT')
    await ended
  }

  /** kill −9. A killed parent or tree must be started again; everything else is restarted by the parent. */
  async kill(part: Part): Promise<void> {
    const parent = this.#parent!
    const gone = new Promise((resolve) => parent.once('exit', resolve))
    if (part === 'tree') for (const pid of await descendants(parent.pid!)) killPid(pid)
    if (part === 'tree' || part === 'parent') {
      killPid(parent.pid!)
      await gone
    } else if (part === 'replica') {
      const [replica] = await childrenOf(this.pidOf('gateway'))
      if (replica) killPid(replica)
    } else killPid(this.pidOf(part))
  }

  /** Runs a verb of the command line on this stack. */
  async gyre(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const child = spawn(process.execPath, [entryPoint('cli'), ...args, '--state', this.state], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', ...this.env },
    })
    const [stdout, stderr, code] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise<number>((resolve) => child.once('exit', (exit) => resolve(exit ?? -1))),
    ])
    return { code, stdout, stderr }
  }

  async json<T>(...args: readonly string[]): Promise<T> {
    const { code, stdout, stderr } = await this.gyre(...args, '--json')
    if (code !== 0) throw new Error(`gyre ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`)
    return JSON.parse(stdout) as T
  }

  async request(method: string, route: string, body?: unknown): Promise<Response> {
    const { apiUrl } = JSON.parse(await readFile(path.join(this.state, 'stack.json'), 'utf8')) as { apiUrl: string }
    const token = (await readFile(path.join(this.state, 'owner-token'), 'utf8')).trim()
    return fetch(`${apiUrl}${route}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(10_000),
    })
  }

  /** Polls a run until `done` says so; answers that fail while something restarts are asked for again. */
  async until(run: string, done: (report: RunReport) => boolean, timeoutMs: number): Promise<RunReport> {
    const deadline = Date.now() + timeoutMs
    let last: RunReport | string = 'no answer'
    while (Date.now() < deadline) {
      last = await this.#show(run).catch((error: unknown) => String(error))
      if (typeof last !== 'string' && done(last)) return last
      await delay(POLL_MS)
    }
    throw new Error(`run ${run} did not get there in ${timeoutMs / 1_000} s: ${JSON.stringify(last)}`)
  }

  async #show(run: string): Promise<RunReport | string> {
    const answer = await this.request('GET', `/api/runs/${run}`)
    return answer.ok ? ((await answer.json()) as RunReport) : answer.text()
  }

  async #answers(pid: number): Promise<boolean> {
    try {
      const info = JSON.parse(await readFile(path.join(this.state, 'stack.json'), 'utf8')) as { pid: number }
      return info.pid === pid && (await this.request('GET', '/api/health')).ok
    } catch {
      return false
    }
  }

  /** The record of children that the stack keeps; for Temporal, the server below its guard. */
  pidOf(part: string): number {
    const recorded = JSON.parse(readFileSync(path.join(this.state, 'processes.json'), 'utf8')) as {
      name: string
      pid: number
    }[]
    const named = recorded.filter(({ name }) => name.startsWith(part))
    if (named.length === 0)
      throw new Error(`${part} does not run; running: ${recorded.map(({ name }) => name).join(', ')}`)
    return named.at(-1)!.pid
  }
}

async function text(stream: NodeJS.ReadableStream): Promise<string> {
  let all = ''
  for await (const chunk of stream) all += String(chunk)
  return all
}

function killPid(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Ended by itself in the meantime.
  }
}

/** Processes below one, deepest last. */
export async function descendants(pid: number): Promise<readonly number[]> {
  const direct = await childrenOf(pid)
  return [...direct, ...(await Promise.all(direct.map(descendants))).flat()]
}

async function childrenOf(pid: number): Promise<readonly number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const parents = await Promise.all(
    pids.map(async (name) => {
      const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '')
      return { pid: Number(name), parent: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) }
    }),
  )
  return parents.filter(({ parent }) => parent === pid).map((one) => one.pid)
}
