/** From a pipeline's name to a run in the store, ready to be launched: the same for people, schedules and webhooks. */

import { randomBytes } from 'node:crypto'
import { PlatformError } from '#core/errors'
import { codeFiles, codeVersion, installationRoot } from '#core/execution'
import type { Plan } from '#core/plan'
import { isPipeline } from '#core/pipeline'
import { keepCode, readCode } from '#core/reuse'
import { createRun, readRun, runToCompareWith, type RunBase, type RunCause, type RunRecord } from '#core/runs'
import { putBlob, readBlob, sha256Hex, type ObjectStore } from '#core/storage'
import { buildPlan } from './build-plan.ts'
import { importBundle, loadPipelines, type LoadedPipeline } from './load.ts'

export interface PlanningPorts {
  readonly store: ObjectStore
  /** The folder whose `pipelines/` are offered beside those of the installation. */
  readonly projectDir: string
  readonly bundleDir: string
}

/** Every pipeline that can be started, by name. Tasks, imports and roll-outs are the installation's; a project's own of the same name come first. */
export async function availablePipelines({
  projectDir,
  bundleDir,
}: Pick<PlanningPorts, 'projectDir' | 'bundleDir'>): Promise<ReadonlyMap<string, LoadedPipeline>> {
  const own = await loadPipelines(projectDir, bundleDir)
  if (projectDir === installationRoot()) return own
  return new Map([...(await loadPipelines(installationRoot(), bundleDir)), ...own])
}

/** @throws {PlatformError} `PIPELINE_NOT_FOUND`. */
export async function findPipeline(ports: PlanningPorts, name: string): Promise<LoadedPipeline> {
  const loaded = await availablePipelines(ports)
  const pipeline = loaded.get(name)
  if (pipeline) return pipeline
  const known = [...loaded.keys()].join(', ') || 'none'
  throw new PlatformError('PIPELINE_NOT_FOUND', `there is no pipeline "${name}"; known are: ${known}`, { name })
}

/** @throws {PlatformError} `PIPELINE_NOT_FOUND`, `PIPELINE_INVALID`, `PIPELINE_PARAMS_INVALID`, `PLAN_TOO_LARGE`. */
export async function planRun(ports: PlanningPorts, pipeline: string, params: unknown): Promise<Plan> {
  return planLoaded(ports.store, await findPipeline(ports, pipeline), params)
}

/**
 * The plan of a pipeline that is loaded already. Its bundle is kept in the store, and so is what its code versions stand
 * for: `code/<digest>.json` lists the files of each.
 *
 * @throws {PlatformError} `PIPELINE_INVALID`, `PIPELINE_PARAMS_INVALID`, `PLAN_TOO_LARGE`.
 */
export async function planLoaded(store: ObjectStore, loaded: LoadedPipeline, params: unknown): Promise<Plan> {
  const { definition, bundle, digest, placeOf } = loaded
  const code = await loaded.code()
  const plan = buildPlan(definition, params, {
    pipeline: digest,
    bundle: sha256Hex(bundle),
    builtIn: codeVersion,
    stepFile: (file) => code.get(file)?.digest,
    placeOf,
  })
  const steps = Object.fromEntries([...code].map(([file, { digest: version }]) => [file, version]))
  const records = [...code.values()].map(({ digest: version, files }) =>
    keepCode(store, version, version === digest ? { files, steps } : { files }),
  )
  await Promise.all([putBlob(store, bundle), keepBuiltIn(store, plan), ...records])
  return plan
}

/**
 * A plan of the same pipeline, with the code that another plan was made of and other parameters. Built-in steps are those
 * of this installation.
 *
 * @throws {PlatformError} `OBJECT_NOT_FOUND` when that code is no longer kept; those of `planLoaded`.
 */
export async function planAgain(
  { store, bundleDir }: Pick<PlanningPorts, 'store' | 'bundleDir'>,
  { pipeline, codeVersion: digest }: Plan,
  params: unknown,
): Promise<Plan> {
  const module = await importBundle(await readBlob(store, digest), digest, bundleDir, pipeline)
  if (!isPipeline(module.default))
    throw new PlatformError('PIPELINE_INVALID', `the stored code of ${pipeline} defines no pipeline`, { digest })
  const steps = (await readCode(store, digest))?.steps ?? {}
  const plan = buildPlan(module.default, params, {
    pipeline: digest,
    bundle: digest,
    builtIn: codeVersion,
    stepFile: (file) => steps[file],
  })
  await keepBuiltIn(store, plan)
  return plan
}

async function keepBuiltIn(store: ObjectStore, { nodes }: Plan): Promise<void> {
  const versions = new Set(nodes.filter(({ bundle }) => bundle === null).map((node) => node.codeVersion))
  for (const version of versions) {
    const files = codeFiles(version)
    if (files) await keepCode(store, version, { files })
  }
}

export interface RunRequest {
  readonly pipeline: string
  readonly params: unknown
  /** Who or what asked. */
  readonly by: string
  /** Made from the pipeline's name and the time where left out. */
  readonly runId?: string
  /** What made it start, where that was not a person's command. */
  readonly cause?: RunCause
  /** The run whose results it takes over where they still hold. */
  readonly basedOn?: RunBase
}

/**
 * Writes the run with its frozen plan. The same id again is the same request again: a client that lost the answer may
 * ask twice.
 *
 * @throws {PlatformError} `INVALID_NAME`; `RUN_NOT_RESUMABLE` where the id belongs to another plan; those of `planRun`.
 */
export async function prepareRun(ports: PlanningPorts, request: RunRequest): Promise<RunRecord> {
  return keepRun(ports.store, await planRun(ports, request.pipeline, request.params), request)
}

/**
 * As `prepareRun`, with a plan that is made already.
 *
 * @throws {PlatformError} `INVALID_NAME`; `RUN_NOT_RESUMABLE` where the id belongs to another plan.
 */
export async function keepRun(
  store: ObjectStore,
  plan: Plan,
  { by, cause, basedOn, runId: id = newRunId(plan.pipeline) }: Omit<RunRequest, 'pipeline' | 'params'>,
): Promise<RunRecord> {
  if (!/^[a-z0-9]([a-z0-9-]{0,78}[a-z0-9])?$/.test(id))
    throw new PlatformError(
      'INVALID_NAME',
      `run id "${id}" must be lower-case letters, digits and hyphens, at most 80`,
      { id },
    )
  const record: RunRecord = {
    run: id,
    plan,
    by,
    startedAt: new Date().toISOString(),
    comparedWith: basedOn?.run ?? (await runToCompareWith(store, plan.pipeline)),
    ...(cause && { cause }),
    ...(basedOn && { basedOn }),
  }
  if (await createRun(store, record)) return record
  const standing = await readRun(store, id)
  if (standing.plan.digest !== plan.digest)
    throw new PlatformError('RUN_NOT_RESUMABLE', `run "${id}" exists with another plan; choose another id`, { id })
  return standing
}

/** `image-classifier-20261123-131502-3fa9`: sorts by time, is unique, and says what it is. */
function newRunId(pipeline: string): string {
  const at = new Date().toISOString().replaceAll(/[-:]/g, '')
  return `${pipeline}-${at.slice(0, 8)}-${at.slice(9, 15)}-${randomBytes(2).toString('hex')}`
}
