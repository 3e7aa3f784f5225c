/** What a session works on, read from the store, and what becomes of it. */

import { loadClusters } from '#core/clustering'
import { commitLabels, openVersion, type ImageLabel } from '#core/datasets'
import { loadEmbeddings } from '#core/embedding'
import { PlatformError } from '#core/errors'
import type { StepContext } from '#core/execution'
import type { annotate, DatasetVersion, StepInput } from '#core/steps'
import type { FinalLabel } from './engine.ts'
import type { LabellingProblem } from './rounds.ts'

export interface Material {
  readonly problem: LabellingProblem
  /** Writes the labels as a new version of the dataset. */
  commit(labels: readonly FinalLabel[]): Promise<DatasetVersion>
}

type Input = StepInput<typeof annotate>

/** @throws {PlatformError} `INVALID_INPUT` when embeddings or clusters belong to other images than the version. */
export async function openMaterial(input: Input, ctx: StepContext): Promise<Material> {
  const { version, embeddings, clusters, classes } = input
  const rows = await (await openVersion(ctx.store, version)).labels()
  if (embeddings.images !== rows.length || clusters.embeddings.matrix.sha256 !== embeddings.matrix.sha256)
    throw new PlatformError(
      'INVALID_INPUT',
      `version ${version.version} has ${rows.length} images, its embeddings ${embeddings.images}; embed and cluster this version`,
    )
  const classIndex = new Map(classes.map((name, index) => [name, index]))
  const problem: LabellingProblem = {
    digests: rows.map((row) => row.digest),
    embeddings: await loadEmbeddings(ctx.store, embeddings, ctx.scratchDir),
    ...(await loadClusters(ctx.store, clusters)),
    classes,
    heldOut: Uint8Array.from(rows, (row) => (row.split === 'test' ? 1 : 0)),
    known: Int32Array.from(rows, (row) => (isKnown(row) ? (classIndex.get(row.label!) ?? -1) : -1)),
    excluded: Uint8Array.from(rows, (row) => (row.excluded === null ? 0 : 1)),
  }
  const { known } = problem
  return {
    problem,
    commit: (labels) => {
      const merged = labels.map((label, i) => mergeRow(rows[i]!, label, known[i]!))
      return commitLabels(ctx.store, version, merged, { by: ctx.runId, note: `labelled by ${ctx.nodeId}` })
    },
  }
}

/** A person's label from before this session; a model's is predicted anew. */
function isKnown({ label, humanSeen, excluded }: ImageLabel): boolean {
  return label !== null && humanSeen && excluded === null
}

/** What was known before stays as it was, unless the session says something else of the image. */
function mergeRow(before: ImageLabel, label: FinalLabel, known: number): ImageLabel {
  const randomDraw = before.randomDraw || label.randomDraw
  if (known >= 0 && before.label === label.label) return { ...before, randomDraw }
  if (before.excluded !== null && label.excluded !== null) return { ...before, randomDraw }
  return { ...before, ...label, randomDraw }
}
