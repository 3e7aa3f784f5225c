import { PlatformError } from '#core/errors'
import type { StepContext } from '#core/execution'
import type { OpenSession } from '#core/inference'
import type { EvaluationReport, ModelVersion, StepInput, registerModel as definition } from '#core/steps'
import { readBlob, type ObjectStore } from '#core/storage'
import { setAliasOnce } from './aliases.ts'
import { reportFacts } from './record.ts'
import { verifyModel } from './verify.ts'
import { numberModel } from './versions.ts'

type Context = Pick<StepContext, 'store' | 'runId' | 'nodeId' | 'progress'>

/**
 * Adds a model to the registry: runs it, checks its golden scores, gives it the next number (or the one it has) and
 * moves the alias; `champion` too where the evaluation says so.
 *
 * @throws {PlatformError} `MODEL_REFUSED`.
 */
export async function registerModel(
  { name, model, report, alias }: StepInput<typeof definition>,
  { store, runId, nodeId, progress }: Context,
  openSession?: OpenSession,
): Promise<ModelVersion> {
  if (report.model !== model.digest)
    throw new PlatformError(
      'MODEL_REFUSED',
      `the report is about model ${report.model.slice(0, 12)}, not about ${model.digest.slice(0, 12)}; wire the report of this model`,
    )
  progress({ done: 0, total: 1, unit: 'models', note: 'checking its golden scores' })
  const description = await verifyModel(store, model, openSession ?? (await builtInSession()))
  const record = await numberModel(store, name, {
    digest: model.digest,
    registeredAt: new Date().toISOString(),
    model,
    report,
    lineage: {
      run: runId,
      node: nodeId,
      inputs: description.inputs ?? {},
      dataset: await evaluatedDataset(store, report),
      report: report.report.sha256,
    },
  })
  const by = `run ${runId} ${nodeId}`
  await setAliasOnce(store, name, alias, record.version, by)
  if (report.beatsChampion) await setAliasOnce(store, name, 'champion', record.version, by)
  progress({ done: 1, total: 1, unit: 'models' })
  return { kind: 'model-version', name, version: record.version, digest: model.digest }
}

/** Null where the report is of another make. */
async function evaluatedDataset(
  store: ObjectStore,
  { report }: EvaluationReport,
): Promise<{ name: string; version: string } | null> {
  const parsed = reportFacts.safeParse(JSON.parse(Buffer.from(await readBlob(store, report)).toString()))
  if (!parsed.success) return null
  const { dataset, version } = parsed.data.dataset
  return { name: dataset, version }
}

/** Loaded on demand: only threads that may block for a model load the runtime. */
async function builtInSession(): Promise<OpenSession> {
  return (await import('#adapter/inference/onnx')).openOnnxSession
}
