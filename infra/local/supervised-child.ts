/**
 * A child process that is started again when it dies, with growing pauses, until it is stopped.
 *
 * Its standard input is a pipe that only this process holds: when this process ends, in whatever way, the pipe closes
 * and the child ends by itself. It leads a process group of its own, so Ctrl-C in the terminal reaches only the parent,
 * which stops the children in order.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, existsSync, fstatSync, openSync, readFileSync, renameSync, statSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { PlatformError } from '#core/errors'
import { signalGroup, startTimeOf, type ProcessIdentity } from './process-identity.ts'

export interface ChildSpec {
  readonly name: string
  readonly command: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly logFile: string
  /** Gets each line of standard output until it returns true: the child is up. */
  readonly isReady: (line: string) => boolean
  /** Waits for more than the ready line, where that does not tell all. */
  readonly untilUp?: (signal: AbortSignal) => Promise<void>
  readonly startTimeoutMs: number
}

const FIRST_PAUSE_MS = 200
const LONGEST_PAUSE_MS = 5_000
/** A child that lived this long starts again with the shortest pause. */
const SETTLED_MS = 30_000
/** A log larger than this moves aside when its process starts. */
const LOG_LIMIT_BYTES = 16 * 2 ** 20

export class SupervisedChild {
  #process: ChildProcess | null = null
  #stopping = false
  #pauseMs = FIRST_PAUSE_MS
  #startedAt = 0
  #logOffset = 0
  #timer: NodeJS.Timeout | null = null

  /**
   * @param onChange - called when a process appeared or disappeared, to record it.
   * @param onDeath - called with a line for people when it died and will be started again.
   */
  constructor(
    readonly spec: ChildSpec,
    private readonly onChange: () => void,
    private readonly onDeath: (line: string) => void = () => undefined,
  ) {}

  /** The living process; null between two lives. */
  identity(): ProcessIdentity | null {
    const pid = this.#process?.pid
    const startTime = pid === undefined ? null : startTimeOf(pid)
    return pid === undefined || startTime === null ? null : { pid, startTime }
  }

  /** Starts it and waits until it is up. @throws {PlatformError} `STACK_START_FAILED` when it ends or stays silent. */
  async start(): Promise<void> {
    const child = this.#spawn()
    let up = false
    child.once('close', () => up && this.#again())
    const givenUp = new AbortController()
    const timer = setTimeout(() => givenUp.abort(), this.spec.startTimeoutMs)
    try {
      await Promise.race([this.#up(child, givenUp.signal), this.#endBefore(child, givenUp.signal)])
      up = true
    } catch (error) {
      signalGroup(child.pid, 'SIGKILL')
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  /** Rejects when the child ends or its time is over. */
  #endBefore(child: ChildProcess, givenUp: AbortSignal): Promise<never> {
    const seconds = Math.round(this.spec.startTimeoutMs / 1000)
    return new Promise((_, reject) => {
      const fail = (how: string) => reject(this.#startFailed(how))
      child.once('error', (error) => fail(`could not be run: ${error.message}`))
      child.once('close', (code, signal) => fail(signal ? `was ended by ${signal}` : `ended with exit code ${code}`))
      givenUp.addEventListener('abort', () => fail(`was not ready within ${seconds} s`))
    })
  }

  #spawn(): ChildProcess {
    const log = openLog(this.spec.logFile)
    this.#logOffset = fstatSync(log).size
    const [file, ...args] = this.spec.command
    const child = spawn(file, args, { env: this.spec.env, stdio: ['pipe', 'pipe', log], detached: true })
    closeSync(log)
    child.stdin?.on('error', () => undefined) // It died before it read; its end is told by 'close'.
    this.#process = child
    this.#startedAt = Date.now()
    child.once('exit', () => child.stdin?.destroy()) // What it left watching the pipe ends too.
    child.once('close', () => {
      if (this.#process === child) this.#process = null
      this.onChange()
    })
    this.onChange()
    return child
  }

  #up(child: ChildProcess, signal: AbortSignal): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      let ready = false
      if (!child.stdout) return
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (ready || !this.spec.isReady(line)) return
        ready = true
        if (this.spec.untilUp) this.spec.untilUp(signal).then(resolve, reject)
        else resolve()
      })
    })
  }

  #again(): void {
    if (this.#stopping) return
    if (Date.now() - this.#startedAt > SETTLED_MS) this.#pauseMs = FIRST_PAUSE_MS
    this.onDeath(`${this.spec.name} died and is started again; its log is ${this.spec.logFile}`)
    this.#timer = setTimeout(() => {
      if (this.#stopping) return
      // A failed start is tried again like any other end.
      this.start().catch(() => this.#again())
    }, this.#pauseMs)
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2)
  }

  #startFailed(how: string): PlatformError {
    const { name, logFile } = this.spec
    const cause = this.lastWords()
    const message = `${name} ${how}${cause ? ` (${cause})` : ''}; its log is ${logFile}`
    return new PlatformError('STACK_START_FAILED', message, { process: name, log: logFile })
  }

  /** The last message of its newest life in the log, for a person. */
  lastWords(): string {
    if (!existsSync(this.spec.logFile)) return ''
    const lines = readFileSync(this.spec.logFile).subarray(this.#logOffset).toString('utf8').trim().split('\n')
    const errors = lines.filter((line) => /error|fatal|in use/i.test(line))
    return messageOf((errors.at(-1) ?? lines.at(-1) ?? '').trim()).slice(0, 300)
  }

  /** SIGTERM, then SIGKILL to its whole group after the grace time. Returns when it is gone. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true
    if (this.#timer) clearTimeout(this.#timer)
    const child = this.#process
    if (!child?.pid || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise<void>((resolve) => child.once('close', () => resolve()))
    child.kill('SIGTERM')
    const timer = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), graceMs)
    await gone
    clearTimeout(timer)
  }
}

function openLog(file: string): number {
  if (existsSync(file) && statSync(file).size > LOG_LIMIT_BYTES) renameSync(file, `${file}.1`)
  return openSync(path.resolve(file), 'a')
}

/** Our processes log JSON lines; a person wants the message. */
function messageOf(line: string): string {
  try {
    const { msg, err } = JSON.parse(line) as { msg?: string; err?: { message?: string } }
    return [msg, err?.message].filter(Boolean).join(': ') || line
  } catch {
    return line
  }
}
