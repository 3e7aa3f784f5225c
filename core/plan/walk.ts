/**
 * Takes a plan forward without starting anything: results that stand in and quick steps decide nodes on the spot, and
 * these give others their turn.
 *
 * W1  A node is decided at most once, and after all that it needs.
 * W2  Decisions come in an order in which a schedule can take them one after another.
 * W3  At least one node is decided, however little time there is.
 */

import { Schedule, type ScheduleState, type Turn } from './schedule.ts'
import type { Json, Plan, PlanNode } from './types.ts'

/** What is known of a node after its turn. */
export type Verdict =
  | {
      readonly kind: 'done'
      readonly output: Json
      /** Whether it was computed in this run. */
      readonly ran: boolean
    }
  /** Somebody else must carry it out, or it has failed. */
  | { readonly kind: 'start' | 'failed' }

export interface WalkOptions<V extends Verdict> {
  /** @param ranBefore - whether a node that this one depends on was computed in this run. */
  decide(node: PlanNode, input: Json, ranBefore: boolean): Promise<V>
  /** Asked before each node: whether to leave the rest for later. */
  isOver(): boolean
  /** Nodes that are decided at the same time. */
  readonly atOnce: number
}

type Ready = Extract<Turn, { kind: 'run' }>

/** @param fresh - the nodes among those of `state.outputs` that, or before which something, ran in this run. */
export async function walk<V extends Verdict>(
  plan: Plan,
  state: ScheduleState,
  fresh: readonly string[],
  { decide, isOver, atOnce }: WalkOptions<V>,
): Promise<readonly (V & { readonly id: string })[]> {
  const schedule = new Schedule(plan, state)
  const isFresh = new Set(fresh)
  const decided: (V & { readonly id: string })[] = []
  const due: Ready[] = []
  const running = new Set<Promise<void>>()
  const decideOne = async ({ node, input }: Ready): Promise<void> => {
    const ranBefore = node.needs.some((need) => isFresh.has(need))
    const verdict = await decide(node, input, ranBefore)
    decided.push({ ...verdict, id: node.id })
    if (verdict.kind === 'failed') schedule.halt()
    if (verdict.kind !== 'done') return
    if (verdict.ran || ranBefore) isFresh.add(node.id)
    schedule.complete(node.id, verdict.output)
  }
  try {
    for (;;) {
      due.push(...schedule.turns().filter((turn) => turn.kind === 'run'))
      const isFirst = (): boolean => decided.length + running.size === 0
      while (due.length > 0 && running.size < atOnce && (isFirst() || !isOver())) {
        const work = decideOne(due.shift()!).finally(() => running.delete(work))
        running.add(work)
      }
      if (running.size === 0) return decided
      await Promise.race(running)
    }
  } finally {
    await Promise.allSettled(running)
  }
}
