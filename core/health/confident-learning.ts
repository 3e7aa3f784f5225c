/**
 * Finds labels that are probably wrong (confident learning; Northcutt, Jiang & Chuang, JAIR 2021): each image is
 * judged by a classifier that has not seen it. A class's threshold is the mean probability that images with its label
 * are given for it; an image that passes the threshold of another class, and whose own label has less than a fifth of
 * the chance that guessing would give it, is a suspect. The second condition is ours: where classes are hard to tell
 * apart it leaves out most of what would be found wrongly (docs/health.md has the figures).
 *
 * The classifier is ridge regression on embeddings, fitted once for each fold, its scores turned into probabilities.
 * Near duplicates lie in one fold, so that none vouches for its copy. Cost O(folds · n · d²).
 */
import { matrix, oneHot, predictRidge, ridge, selectRows, type Matrix, type StopOptions } from '#core/inference'
import { argMax, calibrate } from '#core/training'

const FOLDS = 5
/** A label is in doubt where its probability is below this share of what blind guessing gives. */
const DOUBT = 0.2

export interface LabelledImages {
  /** float32 [n, d]. */
  readonly features: Matrix
  /** [n], indices of classes. */
  readonly labels: Int32Array
  /** [n]: equal for images that must be judged together. */
  readonly groups: readonly string[]
  readonly classes: number
}

export interface Suspect {
  /** Index of the image. */
  readonly row: number
  readonly given: number
  readonly likely: number
  /** Probability of the label given: the least is the worst. */
  readonly chance: number
}

export interface Suspects {
  /** What is probably labelled wrong, the worst first. */
  readonly suspects: readonly Suspect[]
  /** Share of all labels that the classifier finds likeliest, too: how much its word is worth. */
  readonly agreement: number
}

export async function findSuspects(images: LabelledImages, options: StopOptions = {}): Promise<Suspects> {
  const probabilities = await outOfFold(images, options)
  const agreeing = argMax(probabilities).filter((likeliest, row) => likeliest === images.labels[row])
  return {
    suspects: confidentSuspects(probabilities, images.labels),
    agreement: agreeing.length / Math.max(1, images.labels.length),
  }
}

/**
 * Probabilities by classifiers that have not seen the image.
 *
 * @returns float32 [n, classes]; rows sum to 1.
 */
export async function outOfFold(
  { features, labels, groups, classes }: LabelledImages,
  options: StopOptions,
): Promise<Matrix> {
  const foldOf = groups.map(foldOfGroup)
  const scores = matrix(features.rows, classes)
  let lambdas: readonly number[] | undefined
  for (let fold = 0; fold < FOLDS; fold++) {
    const rows = Int32Array.from(foldOf.keys())
    const [inside, outside] = [rows.filter((row) => foldOf[row] === fold), rows.filter((row) => foldOf[row] !== fold)]
    if (inside.length === 0 || outside.length < 2) continue
    const targets = oneHot(
      Array.from(outside, (row) => labels[row]!),
      classes,
    )
    const fit = await ridge(selectRows(features, outside), targets, { ...options, ...(lambdas && { lambdas }) })
    lambdas = [fit.lambda] // Folds are alike: the first one chooses for all.
    const predicted = await predictRidge(selectRows(features, inside), fit, options)
    inside.forEach((row, i) => scores.data.set(predicted.data.subarray(i * classes, (i + 1) * classes), row * classes))
  }
  return softmax(scores, calibrate(scores, labels).sharpness)
}

/** The first digits of a group's digest draw its fold. */
function foldOfGroup(group: string): number {
  return Number.parseInt(group.slice(0, 8), 16) % FOLDS
}

function softmax({ data, rows, cols }: Matrix, sharpness: number): Matrix {
  const out = matrix(rows, cols)
  for (let i = 0; i < rows; i++) {
    const row = data.subarray(i * cols, (i + 1) * cols)
    const top = Math.max(...row)
    const weights = Array.from(row, (score) => Math.exp(sharpness * (score - top)))
    const total = weights.reduce((a, b) => a + b, 0)
    weights.forEach((weight, c) => (out.data[i * cols + c] = weight / total))
  }
  return out
}

/** @param probabilities - [n, classes], by a model that has not seen the image. */
export function confidentSuspects({ data, rows, cols }: Matrix, labels: Int32Array): Suspect[] {
  const thresholds = selfConfidence(data, cols, labels)
  const suspects: Suspect[] = []
  for (let row = 0; row < rows; row++) {
    const given = labels[row]!
    const chance = data[row * cols + given]!
    if (chance >= DOUBT / cols) continue
    let likely = -1
    for (let c = 0; c < cols; c++) {
      const isConfident = data[row * cols + c]! >= thresholds[c]!
      if (isConfident && (likely < 0 || data[row * cols + c]! > data[row * cols + likely]!)) likely = c
    }
    if (likely >= 0 && likely !== given) suspects.push({ row, given, likely, chance })
  }
  return suspects.sort((a, b) => a.chance - b.chance || a.row - b.row)
}

/** Mean probability of each class over the images that carry its label; no image passes where none does. */
function selfConfidence(data: Float32Array, cols: number, labels: Int32Array): Float64Array {
  const sums = new Float64Array(cols)
  const counts = new Float64Array(cols)
  labels.forEach((label, row) => {
    sums[label]! += data[row * cols + label]!
    counts[label]! += 1
  })
  return sums.map((sum, c) => (counts[c] === 0 ? Infinity : sum / counts[c]!))
}
