/**
 * Plans and the state machine that walks them. The only core module that workflows import at run time, so it is free of
 * zod, of Node and of everything that is not deterministic.
 */

export {
  mayLose,
  PLAN_LIMITS,
  type Condition,
  type Json,
  type NodePolicy,
  type Plan,
  type PlanContainer,
  type PlanMap,
  type PlanNode,
  type PlanRef,
} from './types.ts'
export { presentPlan, UnknownPlanFormat } from './migrate.ts'
export { conditionRefs, forEachRef, holds, isPlanRef, resolveInput, resolveItem, resolveRef } from './resolve.ts'
export { Schedule, type ScheduleState, type Turn } from './schedule.ts'
export { walk, type Verdict, type WalkOptions } from './walk.ts'
export { conditionText, MarkdownPicture, mermaidOf, type NodeState } from './picture.ts'
