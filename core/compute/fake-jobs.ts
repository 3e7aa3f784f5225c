/** The job runner's twin for tests: jobs are functions of this process, and its whole state dies with it. */

import { createMemoryStore, digestJson, putBlob, readBlob, type ObjectStore } from '#core/storage'
import { checkFileNames, checkJobName, jobConflict, jobNotFound } from './job-errors.ts'
import type { JobOutcome, JobOutputs, JobRunner, JobSpec, WaitOptions } from './jobs.ts'
import { OWNER_LOST, outcomeOf, outcomeOfTimeout } from './outcomes.ts'

/** What a command does. It ends by returning its exit code; `stop` aborts on SIGTERM, and SIGKILL waits for nobody. */
export type FakeProgram = (io: {
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly inputs: Readonly<Record<string, Uint8Array>>
  readonly stop: AbortSignal
  /** Writes a file to the folder of outputs. */
  write(file: string, bytes: Uint8Array): void
  /** What the job's checkpoint holds (J5); none where the specification names none. */
  readonly checkpoint: { read(): Uint8Array | null; write(bytes: Uint8Array): void } | null
  print(line: string): void
  complain(line: string): void
}) => Promise<number>

export interface FakeJobRunner extends JobRunner {
  /** Ends all jobs as the death of their owner does, and goes on as the next owner. */
  restart(): void
}

/** @param programs - by the first word of the command. */
export function createFakeJobRunner(
  programs: Readonly<Record<string, FakeProgram>>,
  store: ObjectStore = createMemoryStore(),
): FakeJobRunner {
  const jobs = new Map<string, FakeJob>()
  const checkpoints = new Map<string, Uint8Array>()
  const find = (name: string): FakeJob | undefined => {
    checkJobName(name)
    return jobs.get(name)
  }
  return {
    outlivesOwner: false,
    start: async (spec) => {
      checkFileNames(spec)
      const inputs = await readInputs(store, spec)
      const former = find(spec.name)
      if (former && former.specSha256 !== digestJson(spec)) throw jobConflict(spec.name)
      if (former && former.outcome?.kind !== 'interrupted') return
      jobs.set(spec.name, new FakeJob(spec, programs[spec.command[0] ?? ''], inputs, store, checkpoints))
    },
    wait: async (name, options) => {
      const job = find(name)
      if (!job) throw jobNotFound(name)
      return job.wait(options)
    },
    cancel: async (name) => find(name)?.cancel(),
    logTail: async (name, lines) => {
      const job = find(name)
      const said = job ? [...job.output, ...job.errors] : []
      return said.slice(Math.max(0, said.length - lines))
    },
    remove: async (name, { keepCheckpoint = false } = {}) => {
      await find(name)?.cancel()
      jobs.delete(name)
      if (!keepCheckpoint) checkpoints.delete(name)
    },
    restart: () => {
      for (const job of jobs.values()) job.end(OWNER_LOST)
    },
  }
}

class FakeJob {
  readonly specSha256: string
  readonly output: string[] = []
  readonly errors: string[] = []
  outcome: JobOutcome | null = null
  #cancelled = false
  #timedOut = false
  readonly #written = new Map<string, Uint8Array>()
  readonly #stop = new AbortController()
  readonly #timers: NodeJS.Timeout[] = []
  readonly #changed = new EventTarget()

  constructor(
    readonly spec: JobSpec,
    program: FakeProgram | undefined,
    readonly inputs: Readonly<Record<string, Uint8Array>>,
    readonly store: ObjectStore,
    /** Of all jobs, by name. */
    readonly checkpoints: Map<string, Uint8Array>,
  ) {
    this.specSha256 = digestJson(spec)
    this.#after(spec.timeoutMs, () => {
      this.#timedOut = true
      this.#terminate(() => this.#harvest(null))
    })
    void this.#run(program ?? missing(spec.command[0]))
  }

  async wait({ onLine = ignore, onErrorLine = ignore, signal }: WaitOptions): Promise<JobOutcome> {
    let given = 0
    let complained = 0
    for (;;) {
      while (given < this.output.length) onLine(this.output[given++] ?? '')
      while (complained < this.errors.length) onErrorLine(this.errors[complained++] ?? '')
      signal?.throwIfAborted()
      if (this.outcome) return this.outcome
      await this.#nextChange(signal)
    }
  }

  async cancel(): Promise<void> {
    if (this.outcome) return
    this.#cancelled = true
    this.#terminate(async () => ({ kind: 'cancelled' }))
    await this.wait({})
  }

  end(outcome: JobOutcome): void {
    if (this.outcome) return
    this.outcome = this.#cancelled ? { kind: 'cancelled' } : outcome
    for (const timer of this.#timers) clearTimeout(timer)
    this.#changed.dispatchEvent(new Event('change'))
  }

  async #run(program: FakeProgram): Promise<void> {
    const tell = (lines: string[]) => (line: string) => {
      if (this.outcome) return
      lines.push(line)
      this.#changed.dispatchEvent(new Event('change'))
    }
    const code = await program({
      args: this.spec.command.slice(1),
      env: this.spec.env,
      inputs: this.inputs,
      stop: this.#stop.signal,
      write: (file, bytes) => this.#written.set(file, bytes),
      checkpoint: this.#checkpoint(),
      print: tell(this.output),
      complain: tell(this.errors),
    })
    this.end(await this.#harvest(code))
  }

  #checkpoint(): { read(): Uint8Array | null; write(bytes: Uint8Array): void } | null {
    const { name, checkpoint } = this.spec
    if (checkpoint === undefined) return null
    return {
      read: () => this.checkpoints.get(name) ?? null,
      write: (bytes) => void this.checkpoints.set(name, bytes),
    }
  }

  async #harvest(code: number | null): Promise<JobOutcome> {
    const outputs: Record<string, JobOutputs[string]> = {}
    for (const name of this.spec.outputs ?? []) {
      const bytes = this.#written.get(name)
      if (bytes) outputs[name] = await putBlob(this.store, bytes)
    }
    if (this.#timedOut) return outcomeOfTimeout(this.spec.timeoutMs, outputs)
    return outcomeOf({ code, signal: null, lastWords: this.errors.at(-1) ?? '', outputs })
  }

  /** SIGTERM now, SIGKILL after the grace time. */
  #terminate(outcome: () => Promise<JobOutcome>): void {
    this.#stop.abort()
    this.#after(this.spec.graceMs, () => void outcome().then((known) => this.end(known)))
  }

  #after(ms: number, then: () => void): void {
    this.#timers.push(setTimeout(then, Math.min(ms, 2 ** 31 - 1)).unref())
  }

  #nextChange(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      this.#changed.addEventListener('change', () => resolve(), { once: true })
      signal?.addEventListener('abort', () => resolve(), { once: true })
    })
  }
}

async function readInputs(store: ObjectStore, { inputs = {} }: JobSpec): Promise<Readonly<Record<string, Uint8Array>>> {
  const read = Object.entries(inputs).map(async ([name, sha256]) => [name, await readBlob(store, sha256)] as const)
  return Object.fromEntries(await Promise.all(read))
}

/** What runs in place of a command that does not exist. */
function missing(file: string | undefined): FakeProgram {
  return async ({ complain }) => {
    complain(`cannot start ${file}`)
    return 127
  }
}

const ignore = (): void => undefined
