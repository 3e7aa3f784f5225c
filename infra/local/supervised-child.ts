/**
 * A child process that is started again when it dies, with growing pauses, until it is stopped.
 *
 * Its standard input is a pipe that only this process holds: when this process ends, in whatever way, the pipe closes
 * and the child ends by itself. It leads a process group of its own, so Ctrl-C in the terminal reaches only the parent,
 * which stops the children in order. What it says on standard error goes through this process into a log of bounded size.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { identifyProcess, signalGroup, type ProcessIdentity } from '#core/compute'
import { PlatformError } from '#core/errors'
import { RotatingFile } from '#core/log'

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
/** As much of what it said last is kept for a person. */
const TAIL_BYTES = 16 * 2 ** 10
/** After its end, what it started may still hold its pipes; they are waited for no longer than this. */
const PIPES_MS = 1_000

export class SupervisedChild {
  #process: ChildProcess | null = null
  #stopping = false
  #pauseMs = FIRST_PAUSE_MS
  #startedAt = 0
  /** The newest of what its newest life said. */
  #tail = Buffer.alloc(0)
  #timer: NodeJS.Timeout | null = null
  readonly #log: RotatingFile

  /**
   * @param onChange - called when a process appeared or disappeared, to record it.
   * @param onDeath - called with a line for people when it died and will be started again.
   */
  constructor(
    readonly spec: ChildSpec,
    private readonly onChange: () => void,
    private readonly onDeath: (line: string) => void = () => undefined,
  ) {
    this.#log = new RotatingFile(spec.logFile)
  }

  /** The living process; null between two lives. */
  identity(): ProcessIdentity | null {
    const pid = this.#process?.pid
    return pid === undefined ? null : identifyProcess(pid)
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
    const [file, ...args] = this.spec.command
    const child = spawn(file, args, { env: this.spec.env, stdio: ['pipe', 'pipe', 'pipe'], detached: true })
    this.#tail = Buffer.alloc(0)
    child.stderr.on('data', (chunk: Buffer) => this.#hear(chunk))
    child.stdin.on('error', () => undefined) // It died before it read; its end is told by 'close'.
    this.#process = child
    this.#startedAt = Date.now()
    child.once('exit', () => {
      child.stdin.destroy() // What it left watching the pipe ends too.
      setTimeout(() => [child.stdout, child.stderr].forEach((pipe) => pipe.destroy()), PIPES_MS).unref()
    })
    child.once('close', () => {
      if (this.#process === child) this.#process = null
      this.onChange()
    })
    this.onChange()
    return child
  }

  #hear(chunk: Buffer): void {
    this.#log.write(chunk)
    this.#tail = Buffer.concat([this.#tail, chunk]).subarray(-TAIL_BYTES)
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

  /** The last message of its newest life, for a person. */
  lastWords(): string {
    const lines = this.#tail.toString('utf8').trim().split('\n')
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
    this.#log.close()
  }
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
