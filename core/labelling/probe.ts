/**
 * Predicts the class of every image from the labels there are, and says how far to trust each prediction.
 *
 * One ridge on the session's features. Its leave-one-out predictions of the labelled images, which cost no further fit,
 * show how often a prediction of a given margin (best minus second score) is wrong; a logistic curve through them gives
 * the chance of error of each image that nobody saw. That estimate steers the work; only audits certify.
 */

import { oneHot, predictRidge, ridge, selectRows } from '#core/inference'
import type { Matrix } from '#core/inference'

export interface Prediction {
  /** Likeliest class of each image, [n]. */
  readonly best: Int32Array
  /** Next-likeliest, [n]; −1 where only one class is known. */
  readonly second: Int32Array
  /** Best minus second score, [n], ≥ 0. */
  readonly margin: Float32Array
  /** Estimated chance that `best` is wrong, [n]. */
  readonly errorChance: Float32Array
  /** The ridge penalty that leave-one-out chose. */
  readonly lambda: number
  /** What the labelled images say of the model. */
  readonly outOfFold: OutOfFold
}

/** Predictions of labelled images by fits without them: of all, or of an even sample of many. */
export interface OutOfFold {
  /** Images, ascending, [r]. */
  readonly images: Int32Array
  /** Likeliest class, and best minus second score, [r]. */
  readonly best: Int32Array
  readonly margin: Float32Array
}

export interface ProbeOptions {
  readonly signal?: AbortSignal | undefined
  /** The penalty of the fit before this one: only its neighbours are tried then. */
  readonly lambda?: number | undefined
  /** Images drawn at random: once enough of them are labelled, they alone say how often predictions are wrong. */
  readonly drawn?: ReadonlySet<number> | undefined
}

const LAMBDAS = [1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1]
/** With fewer random images, the chosen ones count too: they are the hard ones, and make the estimate too dark. */
const ENOUGH_DRAWN = 200

/**
 * @param labels - class of each labelled image, −1 for the others, [n]; at least two classes.
 */
export async function fitProbe(
  features: Matrix,
  labels: Int32Array,
  classes: number,
  { signal, lambda, drawn }: ProbeOptions = {},
): Promise<Prediction> {
  const labelled = Int32Array.from(labels.keys()).filter((image) => labels[image]! >= 0)
  const classOf = labelled.map((image) => labels[image]!)
  const lambdas = lambda === undefined ? LAMBDAS : [lambda / 3, lambda, lambda * 3]
  const fit = await ridge(selectRows(features, labelled), oneHot(classOf, classes), { lambdas, signal })
  const present = new Set(classOf)
  const outOfFold = {
    images: fit.testedRows.map((row) => labelled[row]!),
    best: new Int32Array(fit.testedRows.length),
    margin: new Float32Array(fit.testedRows.length),
  }
  const evidence = Array.from(fit.testedRows, (row, i) => {
    const { best, margin } = topTwo(fit.leaveOneOut, i, present)
    outOfFold.best[i] = best
    outOfFold.margin[i] = margin
    return { margin, wrong: best !== classOf[row], drawn: drawn?.has(labelled[row]!) ?? false }
  })
  const unbiased = evidence.filter((e) => e.drawn)
  const curve = errorCurve(unbiased.length >= ENOUGH_DRAWN ? unbiased : evidence)
  const scores = await predictRidge(features, fit, { signal })
  const n = features.rows
  const prediction = {
    best: new Int32Array(n),
    second: new Int32Array(n),
    margin: new Float32Array(n),
    errorChance: new Float32Array(n),
    lambda: fit.lambda,
    outOfFold,
  }
  for (let image = 0; image < n; image++) {
    const { best, second, margin } = topTwo(scores, image, present)
    prediction.best[image] = best
    prediction.second[image] = second
    prediction.margin[image] = margin
    prediction.errorChance[image] = curve(margin)
  }
  return prediction
}

function topTwo(
  scores: Matrix,
  row: number,
  present: ReadonlySet<number>,
): { best: number; second: number; margin: number } {
  let [best, second, high, next] = [-1, -1, -Infinity, -Infinity]
  for (const c of present) {
    const score = scores.data[row * scores.cols + c]!
    if (score > high || (score === high && c < best)) [second, next, best, high] = [best, high, c, score]
    else if (score > next || (score === next && c < second)) [second, next] = [c, score]
  }
  return { best, second, margin: second < 0 ? 0 : high - next }
}

interface Evidence {
  readonly margin: number
  readonly wrong: boolean
}

/**
 * Chance of error by margin: 1 / (1 + exp(−a − b·margin)), by Newton's method on the penalised likelihood. One made-up
 * right and one made-up wrong answer at the mean margin keep it finite and modest when there is little to go by.
 */
export function errorCurve(evidence: readonly Evidence[]): (margin: number) => number {
  const middle = evidence.reduce((sum, e) => sum + e.margin, 0) / Math.max(1, evidence.length)
  const points = [...evidence, { margin: middle, wrong: true }, { margin: middle, wrong: false }]
  let [a, b] = [0, 0]
  for (let step = 0; step < 40; step++) {
    let [ga, gb, haa, hab, hbb] = [0, -1e-3 * b, 1e-9, 0, 1e-3]
    for (const { margin, wrong } of points) {
      const p = logistic(a + b * margin)
      const w = p * (1 - p)
      const residual = (wrong ? 1 : 0) - p
      ga += residual
      gb += residual * margin
      haa += w
      hab += w * margin
      hbb += w * margin * margin
    }
    const determinant = haa * hbb - hab * hab
    if (!(determinant > 1e-12)) break
    const da = (hbb * ga - hab * gb) / determinant
    const db = (haa * gb - hab * ga) / determinant
    a += clamp(da, 4)
    b += clamp(db, 20)
    if (Math.abs(da) + Math.abs(db) < 1e-9) break
  }
  return (margin) => logistic(a + b * margin)
}

function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x))
}

function clamp(x: number, bound: number): number {
  return Math.max(-bound, Math.min(bound, x))
}
