/** The job runner's twin for tests: jobs are functions of this process, and its whole state dies with it. */

import { digestJson } from '#core/storage'
import { checkJobName, jobConflict, jobNotFound } from './job-errors.ts'
import type { JobOutcome, JobRunner, JobSpec, WaitOptions } from './jobs.ts'
import { OWNER_LOST, outcomeOf, outcomeOfTimeout } from './outcomes.ts'

/** What a command does. It ends by returning its exit code; `stop` aborts on SIGTERM, and SIGKILL waits for nobody. */
export type FakeProgram = (io: {
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly stop: AbortSignal
  print(line: string): void
  complain(line: string): void
}) => Promise<number>

export interface FakeJobRunner extends JobRunner {
  /** Ends all jobs as the death of their owner does, and goes on as the next owner. */
  restart(): void
}

/** @param programs - by the first word of the command. */
export function createFakeJobRunner(programs: Readonly<Record<string, FakeProgram>>): FakeJobRunner {
  const jobs = new Map<string, FakeJob>()
  const find = (name: string): FakeJob | undefined => {
    checkJobName(name)
    return jobs.get(name)
  }
  return {
    start: async (spec) => {
      const former = find(spec.name)
      if (former && former.specSha256 !== digestJson(spec)) throw jobConflict(spec.name)
      if (former && former.outcome?.kind !== 'interrupted') return
      jobs.set(spec.name, new FakeJob(spec, programs[spec.command[0] ?? '']))
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
    remove: async (name) => {
      await find(name)?.cancel()
      jobs.delete(name)
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
  #timedOut: JobOutcome | null = null
  readonly #stop = new AbortController()
  readonly #timers: NodeJS.Timeout[] = []
  readonly #changed = new EventTarget()

  constructor(
    readonly spec: JobSpec,
    program: FakeProgram | undefined,
  ) {
    this.specSha256 = digestJson(spec)
    this.#after(spec.timeoutMs, () => this.#terminate(outcomeOfTimeout(spec.timeoutMs)))
    if (program) void this.#run(program)
    else {
      this.errors.push(`cannot start ${spec.command[0]}`)
      this.end(outcomeOf(127, null, this.errors.at(-1) ?? ''))
    }
  }

  async wait({ onLine = () => undefined, signal }: WaitOptions): Promise<JobOutcome> {
    let given = 0
    for (;;) {
      signal?.throwIfAborted()
      while (given < this.output.length) onLine(this.output[given++] ?? '')
      if (this.outcome) return this.outcome
      await this.#nextChange(signal)
    }
  }

  async cancel(): Promise<void> {
    if (this.outcome) return
    this.#cancelled = true
    this.#terminate({ kind: 'cancelled' })
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
      stop: this.#stop.signal,
      print: tell(this.output),
      complain: tell(this.errors),
    })
    this.end(this.#timedOut ?? outcomeOf(code, null, this.errors.at(-1) ?? ''))
  }

  /** SIGTERM now, SIGKILL after the grace time. */
  #terminate(outcome: JobOutcome): void {
    if (outcome.kind === 'failed') this.#timedOut = outcome
    this.#stop.abort()
    this.#after(this.spec.graceMs, () => this.end(outcome))
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
