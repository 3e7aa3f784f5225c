/**
 * A plan is a pipeline made concrete: plain JSON, frozen at submit, interpreted by one generic workflow. Editing the
 * pipeline's file cannot disturb a run in flight, and the plan can be printed, compared and cached.
 */

import type { JobPlacement, JobResources } from '#core/compute'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** Stands, inside a node's input or condition, for a value that another node will give. */
export interface PlanRef {
  readonly $ref: string
  readonly path: readonly string[]
}

export type Condition =
  | { readonly kind: 'is'; readonly ref: PlanRef }
  | { readonly kind: 'not'; readonly of: Condition }
  | { readonly kind: 'all' | 'any'; readonly of: readonly Condition[] }
  | { readonly kind: 'at-least'; readonly ref: PlanRef; readonly bound: number }

export interface NodePolicy {
  readonly queue: 'pipeline' | 'cpu' | 'gpu'
  /** From schedule to close, all attempts together. */
  readonly timeoutMs: number
  readonly attempts: number
  readonly cache: boolean
  /** Part of the cache key: another one makes every earlier result stale. */
  readonly salt?: string
  /** Names of inputs that the result does not depend on: they are no part of the cache key. */
  readonly ignore?: readonly string[]
  /**
   * A matter of milliseconds: carried out between two look-ups, without an activity of its own. False: always with one;
   * left out: as its last run here was.
   */
  readonly quick?: boolean
  /** GPUs that one use of a step asks for. */
  readonly gpus?: number
}

/** What a container step runs: a command in any image. */
export interface PlanContainer {
  readonly image: string
  readonly command: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly resources?: JobResources
  readonly placement?: JobPlacement
  /** Names of files that it leaves and that are kept. */
  readonly files?: readonly string[]
}

/** A node that carries out its step once per item. In its `input`, `{ $ref: '$item', path }` stands for the item. */
export interface PlanMap {
  /** The items: a JSON array, or a reference to an array or to a table artifact. */
  readonly over: Json
  /** Chunks of items at work at the same time. */
  readonly concurrency: number
  /** Share of the items, 0–1, that must succeed for the node to succeed. */
  readonly atLeast: number
  /** Attempts per item, inside its chunk. */
  readonly attempts: number
}

/** How many of its items a map may lose. Shares such as 0.9 are not exact in binary, so a billionth is given away. */
export function mayLose(items: number, atLeast: number): number {
  return Math.floor(items * (1 - atLeast) + 1e-9)
}

export interface PlanNode {
  /** Durable: what a history, a result and a re-run call this node. Inside a sub-pipeline `outer.inner`. */
  readonly id: string
  readonly step: string
  readonly kind: 'activity' | 'annotate' | 'approve' | 'map'
  /** The input with `PlanRef`s in place of what is not known yet. */
  readonly input: Json
  /** Ids of the nodes whose outputs `input` and `when` read, sorted. */
  readonly needs: readonly string[]
  readonly when: Condition | null
  readonly policy: NodePolicy
  /** Digest of the code that will run; part of the cache key. */
  readonly codeVersion: string
  /** For a user's own step: the digest of the blob that holds its bundle. */
  readonly bundle: string | null
  /** For a container step. */
  readonly container?: PlanContainer
  /** Of a node of kind `map`. */
  readonly map?: PlanMap
}

export interface Plan {
  /** 2 since maps, salts and quick steps; a plan of format 1 is one of format 2 that uses none of them. */
  readonly format: 1 | 2
  readonly pipeline: string
  /** Digest of the bundled pipeline file. */
  readonly codeVersion: string
  readonly params: Json
  /** In an order in which every node follows what it needs. */
  readonly nodes: readonly PlanNode[]
  /** SHA-256 of all of the above in canonical JSON. */
  readonly digest: string
}

export const PLAN_LIMITS = { nodes: 2_000, bytes: 1_000_000 } as const
