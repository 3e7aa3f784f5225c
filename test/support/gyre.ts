/** The compiled command line as a person or a script calls it. Needs a build, as `./gyre test` makes first. */

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { endProcesses, isAlive, type ProcessIdentity } from '#core/compute'
import type { StackInfo } from '../../infra/local/index.ts'

const CLI = path.resolve(import.meta.dirname, '../../dist/cli.js')

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export function spawnGyre(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  return spawn(process.execPath, [CLI, ...args], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Runs one command to its end. */
export async function gyre(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const child = spawnGyre(args, env)
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)]
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout: stdout(), stderr: stderr() }
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  const chunks: Buffer[] = []
  stream?.on('data', (chunk: Buffer) => chunks.push(chunk))
  return () => Buffer.concat(chunks).toString('utf8')
}

export interface RunningStack {
  readonly info: StackInfo & { readonly state: string }
  readonly process: ChildProcess
}

/** State folders of one test file, and the stacks on them; all gone after `clean`. */
export class StateFolders {
  readonly #folders: string[] = []
  readonly #parents: ChildProcess[] = []

  create(): string {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'gyre-stack-'))
    this.#folders.push(folder)
    return path.join(folder, 'state')
  }

  /** Starts `gyre dev` and waits until it says that it is ready. */
  startDev(state: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<RunningStack> {
    return this.#start('dev', state, args, env)
  }

  /** Starts `gyre serve` and waits until it says that it is ready. */
  startServe(state: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<RunningStack> {
    return this.#start('serve', state, args, env)
  }

  async #start(verb: string, state: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<RunningStack> {
    const child = spawnGyre([verb, '--json', '--state', state, ...args], env)
    this.#parents.push(child)
    let text = ''
    const stderr = collect(child.stderr)
    return new Promise((resolve, reject) => {
      child.once('close', (code) => reject(new Error(`gyre ${verb} ended with ${code}: ${stderr()}`)))
      child.stdout?.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8')
        const info = parseWhole(text)
        if (info) resolve({ info, process: child })
      })
    })
  }

  async clean(): Promise<void> {
    for (const parent of this.#parents) if (parent.exitCode === null) parent.kill('SIGKILL')
    for (const folder of this.#folders) {
      await endProcesses(recordedProcesses(path.join(folder, 'state')), 5_000)
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

function parseWhole(text: string): RunningStack['info'] | null {
  try {
    return JSON.parse(text) as RunningStack['info']
  } catch {
    return null // More is to come.
  }
}

export type NamedProcess = ProcessIdentity & { readonly name: string }

/** What the stack of a state folder says that it runs. */
export function recordedProcesses(state: string): readonly NamedProcess[] {
  try {
    return JSON.parse(readFileSync(path.join(state, 'processes.json'), 'utf8')) as NamedProcess[]
  } catch {
    return []
  }
}

export function processNamed(state: string, name: string): NamedProcess | undefined {
  return recordedProcesses(state).find((candidate) => candidate.name === name && isAlive(candidate))
}

/** Ctrl-C, and the exit code. */
export async function interrupt(child: ChildProcess): Promise<number | null> {
  const closed = once(child, 'close')
  child.kill('SIGINT')
  const [code] = (await closed) as [number | null]
  return code
}
