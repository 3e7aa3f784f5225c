/** From files to plans: loads a project's pipelines, checks a run's parameters, and freezes what is to be done. */

export { buildPlan, type CodeVersions } from './build-plan.ts'
export { durationMs } from './duration.ts'
export { importBundle, loadPipeline, loadPipelines, type CodeRecord, type LoadedPipeline } from './load.ts'
export { paramsSchema, parseParams } from './params.ts'
export {
  availablePipelines,
  findPipeline,
  keepRun,
  planAgain,
  planLoaded,
  planRun,
  prepareRun,
  type PlanningPorts,
  type RunRequest,
} from './prepare-run.ts'
