/** Plans that are compared with something before they run: with a run, or with a revision of the pipeline's file. */

import { PlatformError, isPlatformError } from '#core/errors'
import { codeVersion } from '#core/execution'
import { availablePipelines, paramsSchema, planAgain, planLoaded, planRun, type LoadedPipeline } from '#core/planning'
import type { Plan } from '#core/plan'
import { forecastPlan, planChanges, type Lineage } from '#core/reuse'
import {
  readRun,
  runToCompareWith,
  type Forecast,
  type ForecastRequest,
  type ForkRequest,
  type RerunRequest,
} from '#core/runs'
import * as steps from '#core/steps'
import type { ObjectStore } from '#core/storage'
import { atRevision } from './git-revision.ts'

export interface ForecastOptions {
  readonly store: ObjectStore
  readonly projectDir: string
  readonly bundleDir: string
}

const builtInSteps: ReadonlyMap<string, steps.StepDefinition> = new Map(
  Object.values(steps)
    .filter((value): value is steps.StepDefinition & typeof value => typeof value === 'object' && 'policy' in value)
    .map((step) => [step.name, step as steps.StepDefinition]),
)

/** @throws {PlatformError} as `Engine.forecast`. */
export async function forecast(options: ForecastOptions, request: ForecastRequest): Promise<Forecast> {
  if (request.kind === 'run') return forecastRun(options, request)
  const { run } = request
  if (request.kind === 'rerun') {
    const { plan, forced } = await planRerun(options, request)
    return forecastBased(options, plan, { base: { kind: 'rerun', run, forced }, comparedWith: run })
  }
  const plan = await planFork(options, request)
  return forecastBased(options, plan, { base: { kind: 'fork', run, forced: [] }, comparedWith: run })
}

async function forecastBased({ store }: ForecastOptions, plan: Plan, lineage: Lineage): Promise<Forecast> {
  const against = lineage.comparedWith
  const before = against === null ? [] : (await readRun(store, against)).plan.nodes
  const now = new Set(plan.nodes.map(({ id }) => id))
  return {
    pipeline: plan.pipeline,
    params: plan.params,
    against,
    ...(await forecastPlan({ store, steps: builtInSteps, codeVersion }, plan, lineage)),
    removed: before.map(({ id }) => id).filter((id) => !now.has(id)),
  }
}

async function forecastRun(
  options: ForecastOptions,
  { pipeline, params, against }: Extract<ForecastRequest, { kind: 'run' }>,
): Promise<Forecast> {
  const { store } = options
  const plan = await planRun(options, pipeline, params)
  if (against === undefined || (await isRun(store, against))) {
    const comparedWith = against ?? (await runToCompareWith(store, plan.pipeline))
    return forecastBased(options, plan, { base: null, comparedWith })
  }
  const before = await planAt(options, against, pipeline, params)
  const told = await forecastBased(options, plan, {
    base: null,
    comparedWith: await runToCompareWith(store, plan.pipeline),
  })
  const changes = await planChanges(store, before, plan)
  const now = new Set(plan.nodes.map(({ id }) => id))
  return {
    ...told,
    against,
    nodes: told.nodes.map((node) => {
      const change = changes.get(node.id)
      if (change === undefined) return node
      const decided = node.does === 'open' ? `; ${node.because}` : ''
      return { ...node, because: `since ${against}: ${change}${decided}` }
    }),
    removed: before.nodes.map(({ id }) => id).filter((id) => !now.has(id)),
  }
}

/** The plan that the file of an earlier revision makes; its code is kept, so that changes of it can be named. */
function planAt(options: ForecastOptions, revision: string, pipeline: string, params: unknown): Promise<Plan> {
  return atRevision(options.projectDir, revision, async (projectDir) => {
    const loaded = (await availablePipelines({ ...options, projectDir })).get(pipeline)
    if (loaded) return planLoaded(options.store, loaded, params)
    throw new PlatformError('PIPELINE_NOT_FOUND', `revision ${revision} has no pipeline "${pipeline}"`, { revision })
  })
}

/** @throws {PlatformError} `RUN_NOT_FOUND`; `INVALID_INPUT` for a step that the run has not. */
export async function planRerun(
  options: ForecastOptions,
  { run, from, params }: RerunRequest,
): Promise<{ readonly plan: Plan; readonly forced: readonly string[] }> {
  const { plan: before } = await readRun(options.store, run)
  const plan = await planAgain(options, before, { ...(before.params as object), ...params })
  const ids = plan.nodes.map(({ id }) => id)
  const forced = from.flatMap((name) => {
    const found = ids.filter((id) => id === name || id.startsWith(`${name}.`))
    if (found.length > 0) return found
    throw new PlatformError('INVALID_INPUT', `from: ${run} has no step "${name}"; it has ${ids.join(', ')}`, { run })
  })
  return { plan, forced }
}

/** @throws {PlatformError} `RUN_NOT_FOUND`, `PIPELINE_NOT_FOUND`. */
export async function planFork(options: ForecastOptions, { run, pipeline, params }: ForkRequest): Promise<Plan> {
  const { plan: before } = await readRun(options.store, run)
  const loaded = findByNameOrFile(await availablePipelines(options), pipeline)
  const known = Object.keys(paramsSchema(loaded.definition).shape)
  const kept = Object.entries(before.params as object).filter(([name]) => known.includes(name))
  return planLoaded(options.store, loaded, { ...Object.fromEntries(kept), ...params })
}

function findByNameOrFile(pipelines: ReadonlyMap<string, LoadedPipeline>, wanted: string): LoadedPipeline {
  const all = [...pipelines.values()]
  const found = pipelines.get(wanted) ?? all.find(({ file }) => wanted === file || wanted.endsWith(`/${file}`))
  if (found) return found
  const known = all.map(({ definition, file }) => `${definition.name} (${file})`).join(', ')
  throw new PlatformError('PIPELINE_NOT_FOUND', `"${wanted}" is no pipeline of this project; it has ${known}`, {
    wanted,
  })
}

async function isRun(store: ObjectStore, name: string): Promise<boolean> {
  try {
    await readRun(store, name)
    return true
  } catch (error) {
    if (isPlatformError(error) && ['RUN_NOT_FOUND', 'INVALID_INPUT', 'INVALID_NAME'].includes(error.code)) return false
    throw error
  }
}
