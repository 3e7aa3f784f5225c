/** From files to plans: loads a project's pipelines, checks a run's parameters, and freezes what is to be done. */

export { buildPlan, parseParams, type CodeVersions } from './build-plan.ts'
export { durationMs } from './duration.ts'
export { importBundle, loadPipeline, loadPipelines, type LoadedPipeline } from './load.ts'
export {
  availablePipelines,
  findPipeline,
  planRun,
  prepareRun,
  type PlanningPorts,
  type RunRequest,
} from './prepare-run.ts'
