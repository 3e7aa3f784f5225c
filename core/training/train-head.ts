/**
 * Fits a linear classifier on a frozen embedder, in seconds on a CPU, and writes both as one ONNX file.
 *
 * Ridge regression to one-hot targets (`core/inference/ridge.ts`), its penalty and the sharpness of its probabilities
 * chosen on leave-one-out predictions, so that no labels are set aside. Equal inputs give equal bytes, however many
 * threads computed the embeddings.
 */

import { PlatformError } from '#core/errors'
import { joinGraphs, oneHot, OnnxGraph, ridge, type Matrix, type RidgeFit } from '#core/inference'
import { argMax, calibrate } from './calibration.ts'
import type { HeadMetrics, TrainerProgress } from './manifest.ts'

export interface HeadProblem {
  /** ONNX with an output `embedding`, float32 [N, d]. */
  readonly embedder: Uint8Array
  /** [n, d], one row per training image. */
  readonly features: Matrix
  /** [n], indices into `classes`. */
  readonly labels: ArrayLike<number>
  readonly classes: readonly string[]
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: TrainerProgress) => void
}

/** Labelled images that a class needs on average. */
const LABELS_PER_CLASS = 2

/**
 * @returns `model`: ONNX from uint8 [N, H, W, 3] `images` to float32 [N, C] `scores`, rows sum to 1.
 * @throws {PlatformError} `DATASET_ONE_CLASS`, `TOO_FEW_LABELS`.
 */
export async function trainHead(problem: HeadProblem): Promise<{ model: Uint8Array; metrics: HeadMetrics }> {
  const { embedder, features, labels, classes, signal, onProgress = () => {} } = problem
  checkLabels(labels, classes)
  const step = (done: number, note: string) => onProgress({ done, total: 3, unit: 'stages', note })
  step(0, `fitting ${labels.length} labels of ${classes.length} classes`)
  const fit = await ridge(features, oneHot(labels, classes.length), { signal })
  step(1, 'calibrating')
  const testedLabels = Int32Array.from(fit.testedRows, (row) => labels[row]!)
  const { sharpness, logLoss } = calibrate(fit.leaveOneOut, testedLabels)
  step(2, 'writing the model')
  const model = joinGraphs(embedder, headGraph(fit, sharpness), { replaceOutputs: true })
  const guesses = argMax(fit.leaveOneOut)
  const right = guesses.reduce((count, guess, i) => count + (guess === testedLabels[i] ? 1 : 0), 0)
  step(3, 'done')
  return {
    model,
    metrics: {
      labels: labels.length,
      labelsPerClass: Object.fromEntries(classes.map((name, c) => [name, countOf(labels, c)])),
      lambda: fit.lambda,
      sharpness,
      leaveOneOut: { images: guesses.length, accuracy: right / guesses.length, logLoss },
    },
  }
}

/** `embedding` → softmax(sharpness · (embedding · coefficients + bias)) as `scores`. */
function headGraph({ coefficients, bias }: RidgeFit, sharpness: number): OnnxGraph {
  const graph = new OnnxGraph('head', 'head/')
  const scaled = (values: Float32Array) => values.map((x) => x * sharpness)
  const { rows, cols } = coefficients
  const weights = graph.constant('coefficients', scaled(coefficients.data), [rows, cols])
  const logits = graph.node('Gemm', ['embedding', weights, graph.constant('bias', scaled(bias), [cols])])
  graph.output('scores', 'float32', ['N', cols], graph.node('Softmax', [logits], { axis: 1 }))
  return graph
}

function checkLabels(labels: ArrayLike<number>, classes: readonly string[]): void {
  const present = new Set(Array.from(labels))
  if (labels.length > 0 && present.size < 2)
    throw new PlatformError(
      'DATASET_ONE_CLASS',
      `all ${labels.length} labelled training images are "${classes[labels[0]!]}"; label images of a second class`,
      { labels: labels.length },
    )
  const needed = LABELS_PER_CLASS * classes.length
  if (labels.length < needed)
    throw new PlatformError(
      'TOO_FEW_LABELS',
      `${labels.length} labelled training images are too few for ${classes.length} classes; label at least ${needed}`,
      { labels: labels.length, classes: classes.length, needed },
    )
}

function countOf(labels: ArrayLike<number>, of: number): number {
  let count = 0
  for (let i = 0; i < labels.length; i++) if (labels[i] === of) count++
  return count
}
