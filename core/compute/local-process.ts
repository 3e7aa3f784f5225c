/**
 * Jobs as child processes of one machine. Everything there is to know of a job lies in its folder, so that any process
 * on the same folder, now or after a crash, comes to the same answers:
 *
 * `<directory>/<name>/<generation>/` holds `spec.json` (what, and whose), `process.json` (its guard), `stdout.log`,
 * `stderr.log`, `cancelled.json` and, last, `outcome.json`; the JSON files are create-only. Creating a generation's
 * `spec.json` decides who runs it (J1); a new generation begins only after the former one was interrupted (J3).
 * While it runs, `in`, `out` and `scratch` are its folders (J4). `<directory>/<name>/checkpoints` belongs to all generations (J5).
 */

import { spawn, type ChildProcess } from 'node:child_process'
import { mkdir, open, readdir, rm } from 'node:fs/promises'
import type { Socket } from 'node:net'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isPlatformError } from '#core/errors'
import { entryPoint } from '#core/execution'
import type { Logger } from '#core/log'
import { canonicalJson, digestJson, openFolderStore, type ObjectKey, type ObjectStore } from '#core/storage'
import { checkFileNames, checkJobName, jobConflict, jobNotFound } from './job-errors.ts'
import { JobFolders } from './job-files.ts'
import { LineReader, tailOf } from './job-logs.ts'
import type { JobOutcome, JobRunner, JobSpec, WaitOptions } from './jobs.ts'
import { OWNER_LOST, outcomeOf, outcomeOfTimeout } from './outcomes.ts'
import { identifyProcess, isAlive, sendSignal, thisProcess, type ProcessIdentity } from './process-identity.ts'

const CHECKPOINTS = 'checkpoints'
/** How often a waiter looks at the files of a job. */
const POLL_MS = 50
/** The longest time that a timer of Node can wait. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

export interface ProcessJobOptions {
  /** Where the folders of jobs are; it outlives the process. */
  readonly directory: string
  /** Gives inputs, takes outputs. */
  readonly store: ObjectStore
  readonly log: Logger
}

export function createProcessJobRunner({ directory, store, log }: ProcessJobOptions): JobRunner {
  return new ProcessJobRunner(path.resolve(directory), store, log)
}

/** One generation of a job, as its `spec.json` has it: the environment, which may hold secrets, as part of a digest only. */
interface Generation {
  /** `<name>/<generation, 6 digits>`. */
  readonly key: ObjectKey
  readonly specSha256: string
  readonly graceMs: number
  readonly owner: ProcessIdentity
}

class ProcessJobRunner implements JobRunner {
  readonly outlivesOwner = false
  #opening: Promise<ObjectStore> | undefined
  /** Outcomes that a full disk did not let us write: this process knows them, the next one will say "interrupted". */
  readonly #unwritten = new Map<ObjectKey, JobOutcome>()

  constructor(
    readonly directory: string,
    readonly store: ObjectStore,
    readonly log: Logger,
  ) {}

  async start(spec: JobSpec): Promise<void> {
    checkFileNames(spec)
    const former = await this.#latest(spec.name)
    const specSha256 = digestJson(spec)
    if (former && former.specSha256 !== specSha256) throw jobConflict(spec.name)
    if (former && (await this.#outcome(former))?.kind !== 'interrupted') return
    const owner = thisProcess()
    const job: Generation = { key: following(former, spec.name), specSha256, graceMs: spec.graceMs, owner }
    const isOurs = await this.#create(`${job.key}/spec.json`, { ...job, command: spec.command })
    if (!isOurs) return this.start(spec) // Somebody else was quicker: adopt theirs.
    if (spec.image) this.log.info({ job: spec.name, image: spec.image }, 'no cluster: the image is not used')
    try {
      await this.#spawn(job, spec)
    } catch (error) {
      await this.#end(job, { kind: 'interrupted', exitCode: null, message: 'could not be started' })
      throw error
    }
  }

  async wait(name: string, { onLine = ignore, onErrorLine = ignore, signal }: WaitOptions): Promise<JobOutcome> {
    const job = await this.#latest(name)
    if (!job) throw jobNotFound(name)
    const streams = [
      new LineReader(this.#file(job, 'stdout.log'), onLine),
      new LineReader(this.#file(job, 'stderr.log'), onErrorLine),
    ]
    for (;;) {
      signal?.throwIfAborted()
      // First the outcome, then the lines: after the outcome nothing is written, so no line is missed.
      const outcome = await this.#outcome(job)
      for (const stream of streams) await stream.read()
      if (outcome) {
        for (const stream of streams) stream.end()
        return outcome
      }
      await delay(POLL_MS)
    }
  }

  async cancel(name: string): Promise<void> {
    const job = await this.#latest(name)
    if (!job || (await this.#outcome(job))) return
    await this.#create(`${job.key}/cancelled.json`, {})
    const killAtMs = Date.now() + job.graceMs
    let told = false
    while (!(await this.#outcome(job))) {
      const guard = await this.#read<ProcessIdentity>(`${job.key}/process.json`)
      if (guard && isAlive(guard)) {
        told ||= sendSignal(guard.pid, 'SIGTERM')
        if (Date.now() >= killAtMs) sendSignal(-guard.pid, 'SIGKILL')
      }
      await delay(POLL_MS)
    }
  }

  async logTail(name: string, lines: number): Promise<readonly string[]> {
    const job = await this.#latest(name)
    if (!job) return []
    const output = await tailOf(this.#file(job, 'stdout.log'), lines)
    const errors = await tailOf(this.#file(job, 'stderr.log'), lines)
    return [...output, ...errors].slice(-lines)
  }

  async remove(name: string, { keepCheckpoint = false } = {}): Promise<void> {
    await this.cancel(name)
    const folder = path.join(this.directory, name)
    const kept = await readdir(path.join(folder, CHECKPOINTS)).catch(() => [])
    const isKept = keepCheckpoint && kept.length > 0
    const gone = isKept ? (await readdir(folder)).filter((entry) => entry !== CHECKPOINTS) : ['.']
    for (const entry of gone) await rm(path.join(folder, entry), { recursive: true, force: true })
  }

  /** Starts the guard and hands it the job. */
  async #spawn(job: Generation, spec: JobSpec): Promise<void> {
    const folders = this.#folders(job)
    await folders.furnish(this.store, spec)
    const checkpoints = path.join(this.directory, spec.name, CHECKPOINTS)
    if (spec.checkpoint !== undefined) await mkdir(checkpoints, { recursive: true })
    const env = { ...folders.env, ...(spec.checkpoint === undefined ? {} : { GYRE_CHECKPOINTS: checkpoints }) }
    const out = await open(this.#file(job, 'stdout.log'), 'w')
    const err = await open(this.#file(job, 'stderr.log'), 'w')
    // Leads a group of its own: Ctrl-C in the owner's terminal is for the owner to act on.
    const guard = spawn(process.execPath, [entryPoint('job-guard')], {
      detached: true,
      stdio: ['pipe', out.fd, err.fd],
    })
    const pipe = guard.stdin as Socket
    pipe.on('error', () => undefined) // A guard that is gone already is told by its exit.
    const ended = ending(guard, spec)
    guard.unref()
    pipe.unref()
    await Promise.all([out.close(), err.close()])
    const identity = identifyProcess(guard.pid ?? 0)
    if (identity) await this.#create(`${job.key}/process.json`, identity)
    // Only now does the command begin: whoever finds it running finds its process too.
    pipe.write(`${JSON.stringify({ command: spec.command, env: { ...env, ...spec.env } })}\n`)
    void ended.then((end) => this.#record(job, spec, guard, end))
  }

  async #record(job: Generation, spec: JobSpec, guard: ChildProcess, end: Ending): Promise<void> {
    if (guard.pid) sendSignal(-guard.pid, 'SIGKILL') // What the command started and left behind.
    const outcome = await this.#harvest(job, spec, end)
    try {
      await this.#end(job, outcome)
    } catch (error) {
      this.#unwritten.set(job.key, outcome)
      this.log.warn({ job: job.key, outcome, err: error }, 'the outcome of a job could not be written')
    }
  }

  async #harvest(job: Generation, spec: JobSpec, end: Ending): Promise<JobOutcome> {
    try {
      const outputs = await this.#folders(job).keep(this.store, spec)
      if (end.timedOutMs !== null) return outcomeOfTimeout(end.timedOutMs, outputs)
      const [lastWords = ''] = await tailOf(this.#file(job, 'stderr.log'), 1)
      return outcomeOf({ ...end, lastWords, outputs })
    } catch (error) {
      const { message } = error as Error
      return { kind: 'interrupted', exitCode: null, message: `its outputs could not be kept: ${message}` }
    }
  }

  async #end(job: Generation, outcome: JobOutcome): Promise<void> {
    const isCancelled = (await this.#read(`${job.key}/cancelled.json`)) !== null
    await this.#create(`${job.key}/outcome.json`, isCancelled ? { kind: 'cancelled' } : outcome)
    await this.#folders(job).clear()
  }

  /** The outcome, or null while it runs. A job whose owner is gone is ended here, and counts as interrupted (J3). */
  async #outcome(job: Generation): Promise<JobOutcome | null> {
    const known = (await this.#read<JobOutcome>(`${job.key}/outcome.json`)) ?? this.#unwritten.get(job.key)
    if (known) return known
    if (isThisProcess(job.owner) || isAlive(job.owner)) return null
    const guard = await this.#read<ProcessIdentity>(`${job.key}/process.json`)
    if (guard && isAlive(guard)) sendSignal(-guard.pid, 'SIGKILL')
    await this.#end(job, OWNER_LOST)
    return this.#read<JobOutcome>(`${job.key}/outcome.json`)
  }

  async #latest(name: string): Promise<Generation | null> {
    checkJobName(name)
    const generations = await readdir(path.join(this.directory, name)).catch(() => [] as string[])
    for (const generation of generations.sort().reverse()) {
      const job = await this.#read<Generation>(`${name}/${generation}/spec.json`)
      if (job) return job
    }
    return null
  }

  #file(job: Generation, name: string): string {
    return path.join(this.directory, job.key, name)
  }

  #folders(job: Generation): JobFolders {
    return new JobFolders(path.join(this.directory, job.key))
  }

  #records(): Promise<ObjectStore> {
    return (this.#opening ??= openFolderStore(this.directory))
  }

  async #create(key: ObjectKey, value: unknown): Promise<boolean> {
    return (await this.#records()).create(key, Buffer.from(canonicalJson(value)))
  }

  async #read<T>(key: ObjectKey): Promise<T | null> {
    try {
      return JSON.parse(Buffer.from(await (await this.#records()).get(key)).toString()) as T
    } catch (error) {
      if (isPlatformError(error) && error.code === 'OBJECT_NOT_FOUND') return null
      throw error
    }
  }
}

interface Ending {
  readonly code: number | null
  readonly signal: string | null
  /** The limit that it ran into, or null. */
  readonly timedOutMs: number | null
}

/** Waits for the end of a guard, and brings it about when the time of the job is up. */
function ending(guard: ChildProcess, { timeoutMs, graceMs }: JobSpec): Promise<Ending> {
  return new Promise((resolve) => {
    let timedOutMs: number | null = null
    let killTimer: NodeJS.Timeout | undefined
    const termTimer = setTimeout(
      () => {
        timedOutMs = timeoutMs
        guard.kill('SIGTERM')
        killTimer = setTimeout(() => guard.pid && sendSignal(-guard.pid, 'SIGKILL'), graceMs).unref()
      },
      Math.min(timeoutMs, LONGEST_TIMER_MS),
    ).unref()
    const end = (code: number | null, signal: string | null) => {
      clearTimeout(termTimer)
      clearTimeout(killTimer)
      resolve({ code, signal, timedOutMs })
    }
    guard.once('exit', end)
    guard.once('error', () => end(null, null)) // The system could not start it.
  })
}

function following(former: Generation | null, name: string): ObjectKey {
  const number = former ? Number(former.key.slice(name.length + 1)) : 0
  return `${name}/${String(number + 1).padStart(6, '0')}`
}

function isThisProcess(owner: ProcessIdentity): boolean {
  return canonicalJson(owner) === canonicalJson(thisProcess())
}

const ignore = (): void => undefined
