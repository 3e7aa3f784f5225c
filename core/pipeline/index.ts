/**
 * The language pipelines are written in: `definePipeline`, `defineStep`, typed references, conditions. What a pipeline
 * file imports as `gyre/pipeline`. `build` runs once, at submit; `#core/planning` freezes the result into a plan.
 */

export {
  defineContainerStep,
  definePipeline,
  defineStep,
  isContainerStep,
  isPipeline,
  isUserStep,
  onNewImages,
  userSteps,
  type ContainerStep,
  type PipelineDefinition,
  type StepFunction,
  type StepOptions,
  type Trigger,
  type UserStep,
  type UserStepContext,
} from './define.ts'
export { fail } from './fail.ts'
export { all, any, atLeast, makeRef, not, refOf, toCondition, type Ref, type When, type Wired } from './ref.ts'
