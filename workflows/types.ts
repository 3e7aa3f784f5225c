/** The arguments and results of workflows: plain JSON, small, kept compatible with histories in flight. */

import type { NewsKind } from '#core/notify'
import type { Json, NodePolicy, Plan, PlanContainer, PlanMap } from '#core/plan'
import type { Basis, StepOrigin, StepStatus } from '#core/runs'
import type { SessionState } from '#core/labelling'

/** What the submitter knows of the installation and the workflow may not look up. */
export interface RunSettings {
  /** After this long without a heartbeat an attempt counts as dead. */
  readonly heartbeatMs: number
  readonly project: string
  /** Kinds of news that somebody wants to be told; left out where there is no way to tell. */
  readonly notify?: readonly NewsKind[]
}

export interface RunPipelineArgs {
  readonly run: string
  /** Counts from 1; a resume is the next generation of the same run. */
  readonly generation: number
  readonly plan: Plan
  readonly settings: RunSettings
}

export interface NodeReport {
  readonly id: string
  readonly status: StepStatus
  readonly origin: StepOrigin | null
  readonly attempts: number
  readonly startedAt: string | null
  readonly endedAt: string | null
  readonly reason: string | null
  readonly code: string | null
  readonly outputs: Json
}

export interface RunReport {
  readonly status: 'running' | 'waiting' | 'completed' | 'failed' | 'cancelled'
  readonly nodes: readonly NodeReport[]
}

/** What was decided of a node when its turn had come. */
export type Decision = { readonly id: string } & (Done | Start | Failed)

/** A result stands in, or the step was quick and has run. */
interface Done {
  readonly kind: 'done'
  readonly origin: StepOrigin
  readonly output: Json
  readonly reason: string
  /** Whether it was computed in this run. */
  readonly ran: boolean
  readonly startedAt: string
  readonly endedAt: string
}

/** It must be carried out. */
interface Start extends Pick<StepCall, 'input' | 'key' | 'basis'> {
  readonly kind: 'start'
  readonly reason: string
  /** This machine serves all queues, so work of the user's own needs no way round another queue. */
  readonly here?: boolean
}

interface Failed {
  readonly kind: 'failed'
  readonly code: string
  readonly message: string
  readonly startedAt: string
}

/** One node's turn, as activities get it. */
export interface StepCall {
  readonly run: string
  readonly node: string
  readonly step: string
  readonly input: Json
  /** Cache key; null where the result must not be reused. */
  readonly key: string | null
  readonly bundle: string | null
  readonly container?: PlanContainer
  readonly gpus?: number
  /** Goes into the record of the result. */
  readonly basis?: Basis
  /** Nodes that get their turn as soon as this one completes: they are decided with its result. */
  readonly then?: readonly string[]
}

/** What activities of a map are told of it. */
export interface MapCall {
  /** Without its input, which only opening needs. */
  readonly call: Omit<StepCall, 'input'>
  readonly generation: number
  readonly codeVersion: string
  readonly policy: Pick<NodePolicy, 'cache' | 'salt' | 'ignore'>
}

/** How far a map is, in items. */
export interface MapCounts {
  readonly node: string
  readonly items: number
  /** Whose results were known before. */
  readonly hits: number
  readonly done: number
  readonly failed: number
}

/** What one execution of a map hands to the next. */
export interface MapProgress extends Mutable<Omit<MapCounts, 'node'>> {
  todo: number
  /** Among the items to do: the first one that was not handed out. */
  next: number
  /** Items of the next chunk. */
  chunk: number
  /** Twentieths that the run has heard of. */
  told: number
}
type Mutable<T> = { -readonly [K in keyof T]: T[K] }

export interface RunMapArgs {
  readonly map: MapCall
  /** The items, and the step's input with the item left open. */
  readonly input: Json
  readonly terms: Omit<PlanMap, 'over'>
  readonly policy: NodePolicy
  readonly settings: RunSettings
  readonly here: boolean
  readonly progress?: MapProgress
}

export interface AnnotateArgs {
  readonly call: StepCall
  /** Of the run, for what is told of the session; left out by runs of earlier releases, which tell nothing. */
  readonly of?: { readonly pipeline: string; readonly generation: number }
  readonly settings: RunSettings
  readonly timeoutMs: number
  readonly attempts: number
}

/** What the process that hosts a labelling session tells the workflow: opened, progress every 5 s at most, certified, finished. */
export interface SessionMilestone {
  readonly kind: 'opened' | 'progress' | 'certified' | 'finished'
  readonly state: SessionState
}
