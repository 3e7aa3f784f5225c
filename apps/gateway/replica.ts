/**
 * One replica of a revision: a process that is started again when it dies, with growing pauses, until it is no longer
 * wanted; and the connections to it.
 */

import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import type { Pool } from 'undici'
import { CATALOGUE, type ErrorCode } from '#core/errors'
import { entryPoint } from '#core/execution'
import type { Logger } from '#core/log'
import { connectionsTo, type Backend } from './backend.ts'

export interface ReplicaSpec {
  readonly endpoint: string
  readonly revision: number
  /** From 0 within the revision. */
  readonly index: number
  readonly env: Readonly<Record<string, string>>
}

type State = 'starting' | 'ready' | 'draining' | 'down'

/** What a replica says on standard output, one JSON value per line. */
interface Line {
  readonly ready?: boolean
  readonly port?: number
  readonly draining?: boolean
  readonly fatal?: string
  readonly code?: ErrorCode
}

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 10_000
/** A replica that served this long starts again with the shortest pause. */
const SETTLED_MS = 30_000
const START_LIMIT_MS = 120_000
const DRAIN_LIMIT_MS = 30_000
/** So often a start must fail before we say that it will not succeed. */
const STARTS_UNTIL_TROUBLE = 3
/** The gateway stops sending before it asks a replica to end, so a short quiet is enough. */
const CHILD_QUIET_MS = 100

export class Replica implements Backend {
  outstanding = 0
  trouble: string | null = null
  private state: State = 'down'
  private process: ChildProcess | null = null
  private connections: Pool | null = null
  private failedStarts = 0
  private pauseMs = FIRST_PAUSE_MS
  private startedAt = 0
  private restart: NodeJS.Timeout | null = null
  private isStopping = false
  private readonly spec: ReplicaSpec
  private readonly log: Logger
  private readonly onChange: () => void

  /** @param onChange - called whenever it begins or ceases to take requests. */
  constructor(spec: ReplicaSpec, log: Logger, onChange: () => void) {
    this.spec = spec
    this.log = log.child({ endpoint: spec.endpoint, revision: spec.revision, replica: spec.index })
    this.onChange = onChange
    this.start()
  }

  get pool(): Pool | null {
    return this.state === 'ready' ? this.connections : null
  }

  get pid(): number | null {
    return this.process?.pid ?? null
  }

  /** The end of its process tells more than a broken connection. */
  suspect(): void {}

  async stop(): Promise<void> {
    this.isStopping = true
    this.set('draining')
    if (this.restart) clearTimeout(this.restart)
    const child = this.process
    const drained = performance.now() + DRAIN_LIMIT_MS
    while (this.outstanding > 0 && performance.now() < drained) await delay(10)
    if (child && child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((resolve) => child.once('close', resolve))
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), DRAIN_LIMIT_MS)
      await gone
      clearTimeout(timer)
    }
  }

  private start(): void {
    this.set('starting')
    this.startedAt = performance.now()
    const { endpoint, revision, index, env } = this.spec
    const child = spawn(process.execPath, [entryPoint('inference')], {
      // Our end of its standard input closes when we die, however we die; then it ends too.
      stdio: ['pipe', 'pipe', 'inherit'],
      env: {
        ...env,
        GYRE_ENDPOINT: endpoint,
        GYRE_REVISION: String(revision),
        GYRE_REPLICA: String(index),
        GYRE_HOST: '127.0.0.1',
        GYRE_PORT: '0',
        GYRE_DRAIN_QUIET_MS: String(CHILD_QUIET_MS),
      },
    })
    this.process = child
    child.stdin?.on('error', () => undefined) // It died before us; its end is told by 'close'.
    const slow = setTimeout(
      () => this.giveUp(child, `it was not ready within ${START_LIMIT_MS / 1000} s`),
      START_LIMIT_MS,
    )
    if (child.stdout) createInterface({ input: child.stdout }).on('line', (text) => this.hear(child, parseLine(text)))
    child.once('error', (error) => this.log.error({ err: error }, 'a replica could not be run'))
    child.once('close', (code, signal) => {
      clearTimeout(slow)
      this.ended(signal ? `it was ended by ${signal}` : `it ended with exit code ${code}`)
    })
  }

  private hear(child: ChildProcess, line: Line): void {
    if (this.process !== child) return
    if (line.fatal !== undefined) this.note(line.fatal, line.code !== undefined && !CATALOGUE[line.code]?.retryable)
    if (line.draining && this.state === 'ready') this.set('draining')
    if (!line.ready || line.port === undefined || this.state !== 'starting') return
    this.failedStarts = 0
    this.trouble = null
    this.connections = connectionsTo(`http://127.0.0.1:${line.port}`)
    this.log.info({ process: child.pid, ms: Math.round(performance.now() - this.startedAt) }, 'a replica is ready')
    this.set('ready')
  }

  private ended(how: string): void {
    const wasStarting = this.state === 'starting'
    void this.connections?.destroy()
    this.connections = null
    this.process = null
    if (this.isStopping) return this.set('down')
    this.log.warn(`a replica is gone: ${how}`)
    if (wasStarting && ++this.failedStarts >= STARTS_UNTIL_TROUBLE) this.note(how, false)
    if (performance.now() - this.startedAt > SETTLED_MS) this.pauseMs = FIRST_PAUSE_MS
    this.set('down')
    this.restart = setTimeout(() => this.start(), this.pauseMs)
    this.pauseMs = Math.min(LONGEST_PAUSE_MS, this.pauseMs * 2)
  }

  private note(trouble: string, certain: boolean): void {
    if (certain || this.failedStarts >= STARTS_UNTIL_TROUBLE) this.trouble ??= trouble
  }

  private giveUp(child: ChildProcess, why: string): void {
    if (this.process !== child || this.state !== 'starting') return
    this.trouble ??= why
    child.kill('SIGKILL')
  }

  private set(state: State): void {
    this.state = state
    this.onChange()
  }
}

function parseLine(text: string): Line {
  try {
    return JSON.parse(text) as Line
  } catch {
    return {}
  }
}
