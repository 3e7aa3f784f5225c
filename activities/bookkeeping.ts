/** What the workflow keeps in the store: results that exist already, answers of people, how a run ended. */

import type { Json, PlanNode } from '#core/plan'
import { resolveNode, type Resolution, type ResolvePorts } from '#core/reuse'
import { recordNode, recordOutcome, type NodeOutcome, type RunStatus } from '#core/runs'
import { toFailure } from './failure.ts'
import type { StepCall } from '../workflows/types.ts'

export interface Bookkeeping {
  /** For each node: its result where one stands, else its checked input and cache key. */
  resolveNodes(args: {
    readonly run: string
    readonly nodes: readonly { readonly node: PlanNode; readonly input: Json }[]
  }): Promise<readonly Resolution[]>
  /** Keeps the result of a node that no activity carries out. */
  recordNode(args: { readonly call: StepCall; readonly output: Json; readonly startedAt: string }): Promise<void>
  recordOutcome(args: {
    readonly run: string
    readonly generation: number
    readonly report: { readonly status: string; readonly nodes: readonly NodeOutcome[] }
  }): Promise<void>
  requestSessionStop(args: { readonly run: string; readonly node: string; readonly by: string }): Promise<void>
}

export interface BookkeepingPorts extends ResolvePorts {
  readonly requestStop: (session: string, by: string) => Promise<void>
}

export function createBookkeeping(ports: BookkeepingPorts): Bookkeeping {
  const { store, requestStop } = ports
  const guarded =
    <A, R>(work: (args: A) => Promise<R>) =>
    (args: A): Promise<R> =>
      work(args).catch((error: unknown) => Promise.reject(toFailure(error)))
  return {
    resolveNodes: guarded(({ run, nodes }) =>
      Promise.all(nodes.map(({ node, input }) => resolveNode(ports, run, node, input))),
    ),
    recordNode: guarded(async ({ call, output, startedAt }) => {
      const endedAt = new Date().toISOString()
      const record = { output, origin: 'ran' as const, key: call.key, attempts: 1, startedAt, endedAt, reason: null }
      await recordNode(store, call.run, call.node, record)
    }),
    recordOutcome: guarded(({ run, generation, report }) =>
      recordOutcome(store, run, generation, {
        status: report.status as RunStatus,
        nodes: report.nodes,
        endedAt: new Date().toISOString(),
      }),
    ),
    requestSessionStop: guarded(({ run, node, by }) => requestStop(`${run}.${node}`, by)),
  }
}
