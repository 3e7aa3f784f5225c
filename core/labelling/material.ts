/** What a session works on, read from the store, and what becomes of it. */

import { loadClusters } from '#core/clustering'
import { commitLabels, openVersion, type DatasetReader, type ImageLabel } from '#core/datasets'
import { loadEmbeddings } from '#core/embedding'
import { PlatformError } from '#core/errors'
import type { StepContext } from '#core/execution'
import type { annotate, DatasetVersion, StepInput } from '#core/steps'
import type { FinalLabel } from './engine.ts'
import type { LabellingProblem } from './rounds.ts'
import { checkSize } from './size.ts'

export interface Material {
  readonly problem: LabellingProblem
  /** Writes the labels as a new version of the dataset. */
  commit(labels: readonly FinalLabel[]): Promise<DatasetVersion>
}

type Input = StepInput<typeof annotate>

/**
 * @throws {PlatformError} `INVALID_INPUT` when embeddings or clusters belong to other images than the version, when the
 *   classes cannot be told apart, or when the dataset's schema is of another task; `SESSION_TOO_LARGE`.
 */
export async function openMaterial(input: Input, ctx: StepContext): Promise<Material> {
  checkClasses(input)
  checkSize(input.embeddings)
  const { version, embeddings, clusters, classes, task = 'single' } = input
  const reader = await openVersion(ctx.store, version)
  checkTask(reader, task)
  const rows = await reader.labels()
  if (embeddings.images !== rows.length || clusters.embeddings.matrix.sha256 !== embeddings.matrix.sha256)
    throw new PlatformError(
      'INVALID_INPUT',
      `version ${version.version} has ${rows.length} images, its embeddings ${embeddings.images}; embed and cluster this version`,
    )
  const problem: LabellingProblem = {
    digests: rows.map((row) => row.digest),
    embeddings: await loadEmbeddings(ctx.store, embeddings, ctx.scratchDir),
    ...(await loadClusters(ctx.store, clusters)),
    classes,
    heldOut: Uint8Array.from(rows, (row) => (row.split === 'test' ? 1 : 0)),
    excluded: Uint8Array.from(rows, (row) => (row.excluded === null ? 0 : 1)),
    ...(task === 'multi' ? pairsSaid(rows, classes, reader) : classesSaid(rows, classes)),
  }
  const { known } = problem
  return {
    problem,
    commit: (labels) => {
      const merged = labels.map((label, i) => mergeRow(rows[i]!, label, { known: known[i]!, classes }))
      return commitLabels(ctx.store, version, merged, { by: ctx.runId, note: `labelled by ${ctx.nodeId}` })
    },
  }
}

function checkClasses({ classes, task = 'single' }: Input): void {
  const repeated = classes.find((name, i) => classes.indexOf(name) !== i)
  if (repeated !== undefined)
    throw new PlatformError('INVALID_INPUT', `class "${repeated}" is named twice; name each class once`)
  if (task !== 'multi' && classes.length < 2)
    throw new PlatformError(
      'INVALID_INPUT',
      `"${classes[0]}" is the only class, so there is nothing to tell apart; name a second one, or ask whether images show it with the task "multi"`,
    )
}

/** Labels of one task mean nothing in another. */
function checkTask({ schema, version: { dataset } }: DatasetReader, task: NonNullable<Input['task']>): void {
  if (schema && (schema.task === 'multi') !== (task === 'multi'))
    throw new PlatformError(
      'INVALID_INPUT',
      `dataset ${dataset} holds labels of the task "${schema.task}", and the session's is "${task}"; change the one or migrate the other's schema`,
      { dataset, task },
    )
}

/** What is known of one label an image: a person's word holds, a model's is predicted anew and steers what is shown. */
function classesSaid(
  rows: readonly ImageLabel[],
  classes: readonly string[],
): Pick<LabellingProblem, 'known' | 'suggested'> {
  const index = new Map(classes.map((name, at) => [name, at]))
  const of = (rowHolds: (row: ImageLabel) => boolean): Int32Array =>
    Int32Array.from(rows, (row) => (rowHolds(row) && row.excluded === null ? (index.get(row.label!) ?? -1) : -1))
  const suggested = of((row) => row.label !== null && !row.humanSeen)
  return {
    known: of((row) => row.label !== null && row.humanSeen),
    ...(suggested.some((label) => label >= 0) && { suggested }),
  }
}

/**
 * The same of several labels an image. Tags hold what an image shows; what it does not show is known only of an image
 * that was judged as a whole, and of classes that there were then.
 */
function pairsSaid(
  rows: readonly ImageLabel[],
  classes: readonly string[],
  { schema }: DatasetReader,
): Pick<LabellingProblem, 'known' | 'knownPairs' | 'suggestedPairs'> {
  const asked = classes.map((name) => schema?.classes.includes(name) ?? true)
  const said = (rowHolds: (row: ImageLabel) => boolean): Int8Array => {
    const pairs = new Int8Array(rows.length * classes.length).fill(-1)
    rows.forEach((row, image) => {
      if (row.excluded !== null || row.origin === null || !rowHolds(row)) return
      const shows = new Set(row.tags)
      classes.forEach((name, at) => {
        if (asked[at]) pairs[image * classes.length + at] = shows.has(name) ? 1 : 0
      })
    })
    return pairs
  }
  // Who gave the one label of an image says nothing of its tags.
  const isTagged = (row: ImageLabel): boolean => row.label === null || schema?.task === 'multi'
  const knownPairs = said((row) => row.humanSeen && isTagged(row))
  const suggestedPairs = said((row) => !row.humanSeen && isTagged(row))
  const whole = (image: number): boolean =>
    !knownPairs
      .subarray(image * classes.length)
      .slice(0, classes.length)
      .includes(-1)
  return {
    known: Int32Array.from(rows, (_, image) => (whole(image) ? 0 : -1)),
    knownPairs,
    ...(suggestedPairs.some((verdict) => verdict >= 0) && { suggestedPairs }),
  }
}

/** What was known before stays as it was, unless the session says something else of the image. */
function mergeRow(
  before: ImageLabel,
  label: FinalLabel,
  { known, classes }: { readonly known: number; readonly classes: readonly string[] },
): ImageLabel {
  const randomDraw = before.randomDraw || label.randomDraw
  if (label.tags) return mergeTags({ ...before, randomDraw }, label, label.tags, classes)
  if (known >= 0 && before.label === label.label) return { ...before, randomDraw }
  if (before.excluded !== null && label.excluded !== null) return { ...before, randomDraw }
  return { ...before, ...label, randomDraw }
}

/** Tags of other classes stay; those of the session's are as it says. A label stays what it was, and whose it was. */
function mergeTags(
  before: ImageLabel,
  { origin, humanSeen, excluded }: FinalLabel,
  shows: readonly string[],
  classes: readonly string[],
): ImageLabel {
  if (before.excluded !== null && excluded !== null) return before
  const others = (before.tags ?? []).filter((tag) => !classes.includes(tag))
  const tags = [...new Set([...others, ...shows])].sort()
  if (before.label !== null) return { ...before, tags, excluded }
  const same = tags.join('\n') === (before.tags ?? []).join('\n')
  if (same && before.humanSeen && humanSeen && before.origin !== null && excluded === before.excluded) return before
  return { ...before, tags: tags.length > 0 ? tags : null, origin, humanSeen, excluded }
}
