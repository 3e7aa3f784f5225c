/**
 * The state folder of an embedded stack: objects, Temporal's database, logs, and who runs on it.
 *
 *   objects/        the object store           temporal.db    the engine's database (SQLite)
 *   logs/*.log      one per process            stack.json     the running stack, while there is one
 *   owner-token     the local owner's key      ports.json     the ports of last time
 *   processes.json  children, to end leftovers locks/ clients/  who runs on it, who uses it
 *   control.sock    asks the running stack     snapshots/     moments that backups are being made of
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { isAlive, thisProcess, type ProcessIdentity } from '#core/compute'
import { PlatformError } from '#core/errors'
import { createOnce, HolderLock } from './holder-lock.ts'

/** What a running stack tells of itself in `stack.json`. */
export interface StackInfo extends ProcessIdentity {
  readonly apiUrl: string
  /** Null where endpoints run in a cluster, behind a gateway there. */
  readonly gatewayUrl: string | null
  /** Where other machines reach it; null where they do not. */
  readonly publicUrl: string | null
  readonly temporalAddress: string
  /** Null where a Temporal server of yours is used and `TEMPORAL_UI_URL` is not set. */
  readonly temporalUiUrl: string | null
  readonly namespace: string
  readonly storeUri: string
  readonly project: string
  /** The folder whose pipelines it offers, beside those of the installation. */
  readonly projectDir: string
}

/** `--state`, else GYRE_STATE, else `$XDG_STATE_HOME/gyre`. Absolute. */
export function stateFolderPath(flag: string | undefined, env: NodeJS.ProcessEnv): string {
  const standard = path.join(env['XDG_STATE_HOME'] || path.join(os.homedir(), '.local', 'state'), 'gyre')
  return path.resolve(flag || env['GYRE_STATE'] || standard)
}

export class StateFolder {
  readonly objects: string
  readonly logs: string
  readonly temporalDatabase: string
  readonly ownerTokenFile: string
  /** Where a running stack is asked for things. */
  readonly controlSocket: string
  readonly #lock: HolderLock

  constructor(readonly path: string) {
    this.objects = this.#at('objects')
    this.logs = this.#at('logs')
    this.temporalDatabase = this.#at('temporal.db')
    this.ownerTokenFile = this.#at('owner-token')
    this.controlSocket = this.#at('control.sock')
    this.#lock = new HolderLock(this.#at('locks'))
  }

  #at(name: string): string {
    return path.join(this.path, name)
  }

  /** @throws {PlatformError} `INVALID_INPUT` when the folder cannot be made or written. */
  prepare(): void {
    try {
      mkdirSync(this.path, { recursive: true, mode: 0o700 })
      for (const name of ['objects', 'logs', 'clients']) mkdirSync(this.#at(name), { recursive: true })
    } catch (cause) {
      const message = `the state folder ${this.path} cannot be written (${(cause as Error).message}); choose another with --state`
      throw new PlatformError('INVALID_INPUT', message, { state: this.path }, { cause })
    }
  }

  /** The key of the person who owns this machine's stack; made on first use, readable by that person alone. */
  ownerToken(): string {
    const existing = readText(this.ownerTokenFile)
    if (existing) return existing.trim()
    const draft = `${this.ownerTokenFile}.${process.pid}`
    writeFileSync(draft, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600 })
    createOnce(draft, this.ownerTokenFile)
    return readFileSync(this.ownerTokenFile, 'utf8').trim()
  }

  readJson<T>(name: string): T | null {
    const text = readText(this.#at(name))
    if (text === null) return null
    try {
      return JSON.parse(text) as T
    } catch {
      return null
    }
  }

  /** Replaces the file in one step, so that a reader sees the old or the new content. */
  writeJson(name: string, value: unknown): void {
    const draft = this.#at(`${name}.${process.pid}`)
    writeFileSync(draft, `${JSON.stringify(value, null, 2)}\n`)
    renameSync(draft, this.#at(name))
  }

  remove(name: string): void {
    rmSync(this.#at(name), { force: true, recursive: true })
  }

  /** The stack that runs on this folder, or null. */
  runningStack(): StackInfo | null {
    const info = this.readJson<StackInfo>('stack.json')
    return info && isAlive(info) ? info : null
  }

  /** The living process that holds this folder, ready or not; null when it is free. */
  holder(): ProcessIdentity | null {
    return this.#lock.holder()
  }

  /**
   * Takes the folder for this process.
   *
   * @returns how to let go.
   * @throws {PlatformError} `STATE_IN_USE` naming the process that has it.
   */
  acquire(): () => void {
    const release = this.#lock.acquire()
    if (release) return release
    const pid = this.holder()?.pid
    const message = `the state folder ${this.path} is in use by process ${pid ?? 'unknown'}; use that stack, stop it, or choose another folder with --state`
    throw new PlatformError('STATE_IN_USE', message, { state: this.path, pid })
  }

  /** Says that this process uses the stack, so that a stack which a command started outlives that command's neighbours. */
  enter(): () => void {
    const name = path.join('clients', `${process.pid}.json`)
    this.writeJson(name, thisProcess())
    return () => this.remove(name)
  }

  /** Other living processes that use the stack. */
  otherClients(): ProcessIdentity[] {
    return readdirSync(this.#at('clients')).flatMap((name) => {
      const client = this.readJson<ProcessIdentity>(path.join('clients', name))
      return client && client.pid !== process.pid && isAlive(client) ? [client] : []
    })
  }
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
