/** Where a version of a dataset comes from, and what became of it: imports, the versions between, models, endpoints. */

import { versionHistory } from '#core/datasets'
import { isPlatformError } from '#core/errors'
import { certificatesOf, type CertificateNote } from '#core/labelling'
import { listModels, modelVersions } from '#core/registry'
import { readRun } from '#core/runs'
import { listEndpoints } from '#core/serving'
import type { ObjectStore } from '#core/storage'

export interface ModelUse {
  readonly name: string
  readonly version: number
  /** It learnt from this version; else it was only measured on it. */
  readonly trained: boolean
  /** The version of the dataset. */
  readonly dataset: string
}

export interface EndpointUse {
  readonly name: string
  readonly revision: number
  readonly model: { readonly name: string; readonly version: number }
  /** Of its traffic now, in percent. */
  readonly share: number
}

export interface LineageEntry {
  readonly version: string
  readonly images: number | null
  readonly parents: readonly string[]
  readonly at: string
  readonly by: string
  readonly note: string
  /** The run that made it; null where a person or another program did. */
  readonly run: string | null
}

export interface DatasetLineage {
  readonly dataset: string
  readonly version: string
  /** Newest first, as all lists here. */
  readonly imports: readonly (LineageEntry & { readonly source: string | null })[]
  /** The version itself, and all it was made from. */
  readonly versions: readonly LineageEntry[]
  /** What promises how many right labels of one of these versions, newest first. */
  readonly certificates: readonly CertificateNote[]
  readonly models: readonly ModelUse[]
  readonly endpoints: readonly EndpointUse[]
}

/** @throws {PlatformError} `DATASET_NOT_FOUND`. */
export async function datasetLineage(store: ObjectStore, dataset: string, ref = 'latest'): Promise<DatasetLineage> {
  const history = await versionHistory(store, dataset, { ref })
  const versions: LineageEntry[] = []
  const imports: DatasetLineage['imports'][number][] = []
  for (const { version, images, parents, at, by, note } of history) {
    const made = await madeBy(store, by)
    const entry = { version, images, parents, at, by, note, run: made?.run ?? null }
    versions.push(entry)
    if (made?.isImport) imports.push({ ...entry, source: made.source })
  }
  const known = new Set(versions.map(({ version }) => version))
  const models = await modelsOf(store, known)
  return {
    dataset,
    version: versions[0]!.version,
    imports,
    versions,
    certificates: await certificatesOf(store, dataset, known),
    models,
    endpoints: await endpointsOf(store, models),
  }
}

/** Models and endpoints that have to do with any of some versions. */
export async function usesOf(
  store: ObjectStore,
  versions: readonly { readonly version: string }[],
): Promise<{ readonly models: readonly string[]; readonly endpoints: readonly string[] }> {
  const models = await modelsOf(store, new Set(versions.map(({ version }) => version)))
  const endpoints = await endpointsOf(store, models)
  return {
    models: models.map(({ name, version }) => `${name}@${version}`),
    endpoints: [...new Set(endpoints.map(({ name }) => name))],
  }
}

interface Made {
  readonly run: string
  readonly isImport: boolean
  /** What it imported from, where it says. */
  readonly source: string | null
}

/** Steps sign as their run, alone or as `run <run> <node>`; null where no run of that name is known. */
async function madeBy(store: ObjectStore, by: string): Promise<Made | null> {
  const run = /^run (\S+)/.exec(by)?.[1] ?? by
  try {
    const node = (await readRun(store, run)).plan.nodes.find(({ step }) => step === 'import-images')
    const source = (node?.input as { source?: unknown } | undefined)?.source
    return { run, isImport: node !== undefined, source: typeof source === 'string' ? source : null }
  } catch (error) {
    if (isPlatformError(error) && (error.code === 'RUN_NOT_FOUND' || error.code === 'INVALID_INPUT')) return null
    throw error
  }
}

async function modelsOf(store: ObjectStore, versions: ReadonlySet<string>): Promise<readonly ModelUse[]> {
  const uses: ModelUse[] = []
  for (const { name } of await listModels(store))
    for (const { version, lineage } of await modelVersions(store, name)) {
      const learntFrom = Object.values(lineage.inputs).find((digest) => versions.has(digest))
      const measuredOn = lineage.dataset && versions.has(lineage.dataset.version) ? lineage.dataset.version : undefined
      const dataset = learntFrom ?? measuredOn
      if (dataset !== undefined) uses.push({ name, version, trained: learntFrom !== undefined, dataset })
    }
  return uses
}

async function endpointsOf(store: ObjectStore, models: readonly ModelUse[]): Promise<readonly EndpointUse[]> {
  const known = new Set(models.map(({ name, version }) => `${name}@${version}`))
  const endpoints = await listEndpoints(store)
  return endpoints.flatMap(({ name, traffic, revisions }) =>
    revisions
      .filter(({ model }) => known.has(`${model.name}@${model.version}`))
      .map(({ revision, model }) => ({
        name,
        revision,
        model: { name: model.name, version: model.version },
        share: traffic[revision] ?? 0,
      })),
  )
}
