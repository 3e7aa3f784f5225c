/**
 * The port to where training and other long computations run: child processes on one machine, Jobs on Kubernetes.
 *
 * J1  A job is named by its caller; starting a name again adopts the job that has it (same specification) or throws
 *     `JOB_CONFLICT` (another one). So a retry after a crash never runs a job twice at the same time.
 * J2  `wait` returns the outcome also when it ended long before, from `outcome`, written create-only and last.
 * J3  Ending the owner ends the job: no orphan computes for nobody. It then counts as interrupted, and may be started again.
 */

export interface JobSpec {
  /** [a-z0-9-], at most 63, unique for one attempt at one node of one run. */
  readonly name: string
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Where there is no cluster, the image is not used and the command runs as a child process. */
  readonly image?: string
  readonly resources?: { readonly cpu?: string; readonly memory?: string; readonly gpus?: number }
  readonly timeoutMs: number
  /** Between SIGTERM and SIGKILL, so that a trainer can write its checkpoint. */
  readonly graceMs: number
}

export type JobOutcome =
  | { readonly kind: 'succeeded' }
  /** The code is wrong, or the input is: trying again cannot help. Exit codes 64, 65, 78 and all not named below. */
  | { readonly kind: 'failed'; readonly exitCode: number; readonly message: string }
  /** Trying again can help: exit codes 75 and 76, a signal, an eviction, a lost owner. */
  | { readonly kind: 'interrupted'; readonly exitCode: number | null; readonly message: string }
  | { readonly kind: 'cancelled' }

export interface WaitOptions {
  readonly onLine?: (line: string) => void
  readonly signal?: AbortSignal
}

export interface JobRunner {
  /**
   * Starts the job, or adopts the one of that name (J1) if it runs, succeeded, failed or was cancelled.
   *
   * @throws {PlatformError} `JOB_CONFLICT`; `INVALID_NAME`.
   */
  start(spec: JobSpec): Promise<void>
  /**
   * Waits for the end. Each call gets every line of standard output, from the first, once and in order; standard error
   * goes to the job's log. The job of that name that was started last counts.
   *
   * @throws {PlatformError} `JOB_NOT_FOUND`. The reason of `signal` when it aborts: the waiting ends, not the job.
   */
  wait(name: string, options: WaitOptions): Promise<JobOutcome>
  /** SIGTERM, then SIGKILL after the grace time. Returns when it is gone; an ended or unknown job is no error. */
  cancel(name: string): Promise<void>
  /** The last lines of what it wrote to standard error and output, for a person. */
  logTail(name: string, lines: number): Promise<readonly string[]>
  /** Forgets a job and its log; one that still runs is cancelled first. */
  remove(name: string): Promise<void>
}
