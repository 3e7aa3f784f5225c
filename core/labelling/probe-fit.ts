/**
 * Predicts the class of every image from the labels there are, and says how far to trust each prediction.
 *
 * One ridge on the session's features. Its leave-one-out predictions of the labelled images, which cost no further fit,
 * show how often a prediction of a given margin (best minus second score) is wrong; a logistic curve through them gives
 * the chance of error of each image that nobody saw. That estimate steers the work; only audits certify.
 *
 * With 1,024 features, 10,000 labels and 60,000 images about a second on one core, of which the fresh labels take little.
 */

import { evenlySpaced, oneHot, ridgeOfMoments, type Matrix, type RidgeFit, type StopOptions } from '#core/inference'
import { scoresOf, type Features } from './features.ts'
import { bringUp, ridgeMoments, roundedFeatures, type LabelMoments } from './label-moments.ts'

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

/** Plain data, which passes between threads. */
export interface ProbeTask {
  readonly features: Features
  /** Of the fit before this one, on the same features and classes: brought up to these labels. */
  readonly moments: LabelMoments
  /** Class of each labelled image, −1 for the others, [n]; at least two classes. */
  readonly labels: Int32Array
  readonly classes: number
  /** The penalty of the fit before this one: only its neighbours are tried then. */
  readonly lambda: number | undefined
  /** Images drawn at random: once enough of them are labelled, they alone say how often predictions are wrong. */
  readonly drawn: ReadonlySet<number>
}

/** Labelled images that say how good a fit is, evenly spaced. */
const JUDGES = 4096
const LAMBDAS = [1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1]
/** With fewer random images, the chosen ones count too: they are the hard ones, and make the estimate too dark. */
const ENOUGH_DRAWN = 200

export async function computeProbe(task: ProbeTask, options: StopOptions = {}): Promise<Prediction> {
  const { features, moments, labels, classes, lambda } = task
  await bringUp(moments, features, labels, options)
  const labelled = Int32Array.from(labels.keys()).filter((image) => labels[image]! >= 0)
  const present = Int32Array.from(new Set(labelled.map((image) => labels[image]!))).sort()
  const images = evenlySpaced(labelled.length, JUDGES).map((row) => labelled[row]!)
  const judges = {
    features: await roundedFeatures(features, images, options),
    targets: oneHot(
      images.map((image) => labels[image]!),
      classes,
    ),
  }
  const lambdas = lambda === undefined ? LAMBDAS : [lambda / 3, lambda, lambda * 3]
  const fit = await ridgeOfMoments(ridgeMoments(moments), judges, { lambdas, ...options })
  const outOfFold = { images, ...topTwoOfAll(fit.leaveOneOut, present) }
  const curve = errorCurve(evidenceOf(outOfFold, task))
  return { ...(await predictAll(features, fit, { present, curve }, options)), lambda: fit.lambda, outOfFold }
}

function topTwoOfAll(scores: Matrix, present: Int32Array): Pick<OutOfFold, 'best' | 'margin'> {
  const [best, margin] = [new Int32Array(scores.rows), new Float32Array(scores.rows)]
  for (let row = 0; row < scores.rows; row++) {
    const top = topTwo(scores, row, present)
    best[row] = top.best
    margin[row] = top.margin
  }
  return { best, margin }
}

function evidenceOf({ images, best, margin }: OutOfFold, { labels, drawn }: ProbeTask): Evidence[] {
  const of = (i: number): Evidence => ({ margin: margin[i]!, wrong: best[i] !== labels[images[i]!] })
  const all = [...images.keys()]
  const unbiased = all.filter((i) => drawn.has(images[i]!))
  return (unbiased.length >= ENOUGH_DRAWN ? unbiased : all).map(of)
}

async function predictAll(
  features: Features,
  { coefficients, bias }: RidgeFit,
  { present, curve }: { readonly present: Int32Array; readonly curve: (margin: number) => number },
  { signal }: StopOptions,
): Promise<Omit<Prediction, 'lambda' | 'outOfFold'>> {
  const n = features.coordinates.rows
  const all = {
    best: new Int32Array(n),
    second: new Int32Array(n),
    margin: new Float32Array(n),
    errorChance: new Float32Array(n),
  }
  for await (const { start, scores } of scoresOf(features, coefficients, { signal })) {
    for (let i = 0; i < scores.data.length; i++) scores.data[i]! += bias[i % scores.cols]!
    for (let image = start; image < start + scores.rows; image++) {
      const { best, second, margin } = topTwo(scores, image - start, present)
      all.best[image] = best
      all.second[image] = second
      all.margin[image] = margin
      all.errorChance[image] = curve(margin)
    }
  }
  return all
}

/** @param present - the classes that people named, ascending: of equal scores the lower class is best. */
function topTwo(
  { data, cols }: Matrix,
  row: number,
  present: Int32Array,
): { best: number; second: number; margin: number } {
  let [best, second, high, next] = [-1, -1, -Infinity, -Infinity]
  for (const c of present) {
    const score = data[row * cols + c]!
    if (score > high) [second, next, best, high] = [best, high, c, score]
    else if (score > next) [second, next] = [c, score]
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
