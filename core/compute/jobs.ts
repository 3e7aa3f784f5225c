/**
 * The port to where training and other long computations run: child processes on one machine, Jobs on Kubernetes.
 *
 * J1  A job is named by its caller; starting a name again adopts the job that has it (same specification) or throws
 *     `JOB_CONFLICT` (another one). So a retry after a crash never runs a job twice at the same time.
 * J2  `wait` returns the outcome also when it ended long before, from `outcome`, written create-only and last.
 * J3  No orphan computes for nobody. Where jobs do not outlive their owner, ending the owner ends the job; it then counts
 *     as interrupted, and may be started again. Where they do, the next owner adopts it by name.
 * J4  Files go in and out by content: `inputs` lie in the folder $GYRE_INPUT before the command starts, and what the
 *     command left of `outputs` in the folder $GYRE_OUTPUT is a blob of the store before the outcome is known.
 * J5  A checkpoint outlives what befalls its job: the file `checkpoint` that the command left in the folder $GYRE_CHECKPOINTS,
 *     written whole, lies there again when the job is started once more, until somebody removes it with the job.
 */

export interface JobSpec {
  /** [a-z0-9-], at most 50, unique for one node of one run. */
  readonly name: string
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Where there is no cluster, the image is not used and the command runs as a child process. */
  readonly image?: string
  readonly resources?: JobResources
  readonly placement?: JobPlacement
  /** File name → digest of a blob. */
  readonly inputs?: Readonly<Record<string, string>>
  /** Names of files to keep, however the command ended; one that is not there is left out. */
  readonly outputs?: readonly string[]
  /** The name of one file, by which a job that is started again goes on (J5); it then has $GYRE_CHECKPOINTS. */
  readonly checkpoint?: string
  readonly timeoutMs: number
  /** Between SIGTERM and SIGKILL, so that a trainer can write its checkpoint. */
  readonly graceMs: number
}

/** In Kubernetes' notation: `500m`, `1Gi`. */
export interface JobResources {
  readonly cpu?: string
  readonly memory?: string
  readonly gpus?: number
}

/** Which nodes may run it; without meaning on one machine. */
export interface JobPlacement {
  readonly nodeSelector?: Readonly<Record<string, string>>
  readonly tolerations?: readonly {
    readonly key?: string
    readonly operator?: 'Exists' | 'Equal'
    readonly value?: string
    readonly effect?: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute'
  }[]
}

/** File name → the blob that holds it. */
export type JobOutputs = Readonly<Record<string, { readonly sha256: string; readonly sizeBytes: number }>>

export type JobOutcome =
  | { readonly kind: 'succeeded'; readonly outputs: JobOutputs }
  /**
   * The code is wrong, or the input is: trying again cannot help. Exit codes 64, 65, 78 and all not named below; on a
   * cluster also an image that does not exist, a Pod that can never be made, and a job that is too big for its memory limit
   * after every enlargement.
   */
  | {
      readonly kind: 'failed'
      readonly exitCode: number | null
      readonly message: string
      readonly outputs: JobOutputs
    }
  /** Trying again can help: exit codes 75 and 76, a signal, an eviction, a lost owner. */
  | { readonly kind: 'interrupted'; readonly exitCode: number | null; readonly message: string }
  | { readonly kind: 'cancelled' }

export interface WaitOptions {
  /** A line of standard output. */
  readonly onLine?: (line: string) => void
  /** A line of standard error. */
  readonly onErrorLine?: (line: string) => void
  /** One sentence on what it waits for ("0/1 nodes are available: …"), null when it runs. Only changes are told. */
  readonly onWaiting?: (sentence: string | null) => void
  readonly signal?: AbortSignal
}

export interface JobRunner {
  /** Jobs go on while nobody watches (a cluster), or end with their owner (child processes). */
  readonly outlivesOwner: boolean
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
  /**
   * Forgets a job; one that still runs is cancelled first. Starting its name again begins anew.
   *
   * @param options - `keepCheckpoint`: that start shall find the checkpoint (J5).
   */
  remove(name: string, options?: { readonly keepCheckpoint?: boolean }): Promise<void>
}
