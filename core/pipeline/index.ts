/**
 * The language pipelines are written in: `definePipeline`, `defineStep`, typed references, conditions. What a pipeline
 * file imports as `gyre/pipeline`. `build` runs once, at submit; `#core/planning` freezes the result into a plan.
 */

export { all, any, atLeast, not, toCondition, type When } from './conditions.ts'
export type { Artifacts, Content, OpenBlob, UserStepContext } from './context.ts'
export { definePipeline, isPipeline, type BuildTools, type PipelineDefinition, type StepFunction } from './define.ts'
export { fail } from './fail.ts'
export type { CacheOptions, MapOptions, StepOptions } from './options.ts'
export {
  defineContainerStep,
  defineStep,
  definingFiles,
  isContainerStep,
  isUserStep,
  userSteps,
  type ContainerStep,
  type UserStep,
} from './own-steps.ts'
export { isForeign, ITEM, makeRef, makeWired, refOf, templateOf, type Ref, type RefOf } from './ref.ts'
export type { Wired } from './wiring.ts'
export {
  onDrift,
  onNewImages,
  onRefMoved,
  onRunEnd,
  onSchedule,
  onWebhook,
  type Overlap,
  type Trigger,
} from './triggers.ts'
