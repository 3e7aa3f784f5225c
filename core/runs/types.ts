/** What is told of runs to people and scripts: `gyre run list|show --json`, the API and the pages share these shapes. */

import type { Json } from '#core/plan'

export type RunStatus = 'queued' | 'running' | 'waiting' | 'completed' | 'failed' | 'cancelled'
export type StepStatus = RunStatus | 'skipped'

/**
 * Where a step's result came from: computed in this run, found in the cache, kept from before a resume, or taken over
 * from the run that this one is based on.
 */
export type StepOrigin = 'ran' | 'hit' | 'recovered' | 'reused'

/** All that a result depends on: two results with an equal basis stand for each other. */
export interface Basis {
  readonly step: string
  readonly codeVersion: string
  /** Of the node's policy, where it has one. */
  readonly salt?: string
  /** What a container step runs: the image as it is named, and the digest of the whole. */
  readonly container?: { readonly image: string; readonly digest: string }
  /** Digest of each input, as the result depends on it; those that the policy ignores are left out. */
  readonly inputs: Readonly<Record<string, string>>
  /** Short inputs themselves, so that a change can be told in words. */
  readonly values: Readonly<Record<string, Json>>
}

export interface RunSummary {
  readonly id: string
  readonly pipeline: string
  readonly status: RunStatus
  /** ISO 8601. */
  readonly startedAt: string
  readonly endedAt: string | null
}

export interface StepReport {
  readonly id: string
  readonly step: string
  readonly needs: readonly string[]
  readonly status: StepStatus
  readonly origin: StepOrigin | null
  readonly attempts: number
  readonly startedAt: string | null
  readonly endedAt: string | null
  /** One line: why it ran or not, what it waits for, or the cause of its failure. */
  readonly reason: string | null
  readonly progress: {
    readonly done: number
    readonly total?: number
    readonly unit: string
    readonly note?: string
    readonly waiting?: string
  } | null
  readonly outputs: unknown
  /** Set on a failed step: its code in the error catalogue. */
  readonly code: string | null
}

export interface RunReport extends RunSummary, Partial<RunLineage> {
  readonly params: unknown
  readonly temporalUrl: string | null
  readonly steps: readonly StepReport[]
}

export interface PipelineInfo {
  readonly name: string
  /** Path of the file, relative to the project folder. */
  readonly file: string
  readonly description: string
  /** JSON schema of its parameters. */
  readonly params: unknown
}

/** One person's answer to a step that waits for people. */
export interface PersonsAnswer {
  readonly approved: boolean
  readonly by: string
  /** Of that person, as whoever passes the answer on vouches for it. */
  readonly role?: string
  readonly why: string
  readonly form?: unknown
}

export interface GivenAnswer extends Omit<PersonsAnswer, 'role'> {
  readonly role: string | null
  /** ISO 8601. */
  readonly at: string
}

export interface OpenQuestion {
  readonly node: string
  /** Names and `role:…` that may answer now; empty: whoever may publish. */
  readonly asked: readonly string[]
  readonly escalated: boolean
  readonly answers: readonly GivenAnswer[]
}

/** What a run would do with one of its nodes. */
export interface NodeForecast {
  readonly id: string
  readonly step: string
  readonly needs: readonly string[]
  /** `open`: what it does depends on the results of nodes before it. */
  readonly does: 'run' | 'hit' | 'reuse' | 'skip' | 'open'
  /** One line. */
  readonly because: string
  /** Of an open one: the nodes whose results decide. */
  readonly decidedBy: readonly string[]
  /** Of an open one: what it does where these give what they gave before; null where that is not known. */
  readonly expected: 'run' | 'hit' | 'reuse' | 'skip' | null
  /** Median of the last runs; null where there is none. */
  readonly estimateMs: number | null
}

export interface Forecast {
  readonly pipeline: string
  readonly params: unknown
  /** What it is compared with: a run, or a revision of the pipeline's file. */
  readonly against: string | null
  /** In the order of the plan. */
  readonly nodes: readonly NodeForecast[]
  /** Nodes of what it is compared with that are no longer there. */
  readonly removed: readonly string[]
  /** Along the longest way through the nodes that run or may; null where no node has a history. */
  readonly estimateMs: number | null
}

export interface RerunRequest {
  readonly run: string
  /** Steps that run whatever is known of them; the name of a sub-pipeline stands for all steps in it. */
  readonly from: readonly string[]
  /** Those that differ from the run's own. */
  readonly params: Readonly<Record<string, unknown>>
}

export interface ForkRequest {
  readonly run: string
  /** Name of a pipeline, or its file. */
  readonly pipeline: string
  readonly params: Readonly<Record<string, unknown>>
}

export type ForecastRequest =
  | {
      readonly kind: 'run'
      readonly pipeline: string
      readonly params: unknown
      /** A run or a git revision; the newest completed run where left out. */
      readonly against?: string
    }
  | ({ readonly kind: 'rerun' } & RerunRequest)
  | ({ readonly kind: 'fork' } & ForkRequest)

export interface RunFilter {
  readonly pipeline?: string
  readonly status?: RunStatus
  readonly limit?: number
}

/** Where a run comes from and what came of it. */
export interface RunLineage {
  readonly basedOn: { readonly kind: 'rerun' | 'fork'; readonly run: string; readonly forced: readonly string[] } | null
  /** Runs that are based on this one, oldest name first. */
  readonly derived: readonly string[]
}

/** What the API, and through it the command line and the pages, ask of the engine. The adapter speaks to Temporal. */
export interface Engine {
  pipelines(): Promise<readonly PipelineInfo[]>
  /** The frozen plan (`Plan` of #core/plan) that a run with these parameters would carry out. */
  plan(pipeline: string, params: unknown): Promise<unknown>
  start(pipeline: string, params: unknown, options: { by: string; runId?: string }): Promise<{ id: string }>
  /**
   * What would happen, before anything does.
   *
   * @throws {PlatformError} `RUN_NOT_FOUND`, `PIPELINE_NOT_FOUND`, `INVALID_INPUT` for a step that the run has not.
   */
  forecast(request: ForecastRequest): Promise<Forecast>
  /** A new run of the same code, which takes over what still holds. */
  rerun(request: RerunRequest, options: { by: string; runId?: string }): Promise<{ id: string }>
  /** A new run of other code, which takes over what still holds. */
  fork(request: ForkRequest, options: { by: string; runId?: string }): Promise<{ id: string }>
  /** Newest first. */
  list(filter?: RunFilter): Promise<readonly RunSummary[]>
  /** @throws {PlatformError} `RUN_NOT_FOUND`. */
  show(run: string): Promise<RunReport>
  /** Returns at once; the run is over when `show` says so (within 5 s). */
  cancel(run: string, by: string): Promise<void>
  /** @throws {PlatformError} `RUN_NOT_RESUMABLE`. */
  resume(run: string, by: string): Promise<void>
  /** @throws {PlatformError} `INVALID_INPUT` with a sentence that begins with the field that is wrong. */
  answerApproval(run: string, node: string, answer: PersonsAnswer): Promise<void>
  /** What a run waits for people with now, and who has answered; null when nobody can tell at the moment. */
  openQuestions(run: string): Promise<readonly OpenQuestion[] | null>
  /** Asks the annotate workflow of a session to stop with the labels there are (a validated Update). */
  stopSession(session: string, by: string): Promise<void>
}
