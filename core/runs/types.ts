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

export interface RunReport extends RunSummary {
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

/** What the API, and through it the command line and the pages, ask of the engine. The adapter speaks to Temporal. */
export interface Engine {
  pipelines(): Promise<readonly PipelineInfo[]>
  /** The frozen plan (`Plan` of #core/plan) that a run with these parameters would carry out. */
  plan(pipeline: string, params: unknown): Promise<unknown>
  start(pipeline: string, params: unknown, options: { by: string; runId?: string }): Promise<{ id: string }>
  list(): Promise<readonly RunSummary[]>
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
