/**
 * Ridge regression with the penalty chosen by leave-one-out, which costs no second fit.
 *
 * All penalties share one Gram matrix. The leave-one-out residual of row i is e_i / (1 − h_i), with h the diagonal of the
 * hat matrix (Allen's PRESS, 1974). Cost O(n·d²) once, plus O(d³ + r·d²) per penalty for r tested rows.
 */

import { PlatformError } from '#core/errors'
import { inverseCholesky, solveWith } from './cholesky.ts'
import {
  addToDiagonal,
  breathe,
  evenlySpaced,
  matrix,
  selectRows,
  trace,
  type Matrix,
  type Matrix64,
  type StopOptions,
} from './matrix.ts'
import { gram, matMul, matMulTransposed } from './products.ts'

export interface RidgeOptions extends StopOptions {
  /** Penalties to choose from, relative to the mean variance of the features times the total weight of the rows. */
  readonly lambdas?: readonly number[]
  /** Weight of each row, [n]; 1 where left out. */
  readonly weights?: ArrayLike<number>
  /** How many rows, evenly spaced, judge the penalties. */
  readonly testedRows?: number
}

export interface RidgeFit {
  /** Coefficients [d, m]: prediction = features · coefficients + bias. */
  readonly coefficients: Matrix
  /** [m]. */
  readonly bias: Float32Array
  readonly lambda: number
  /** Indices of the rows that judged, ascending, and what a fit without each of them predicts for it, [r, m]. */
  readonly testedRows: Int32Array
  readonly leaveOneOut: Matrix
  /** Mean squared leave-one-out error, summed over the targets. */
  readonly error: number
}

const DEFAULT_LAMBDAS: readonly number[] = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1, 3, 10]

/** Sums over rows x of features and y of targets, each times its weight: all that a fit needs of them. */
export interface RidgeMoments {
  /** Of x·xᵀ, [d, d], and x·yᵀ, [d, m]. */
  readonly gram: Matrix64
  readonly cross: Matrix64
  readonly featureSums: Float64Array
  readonly targetSums: Float64Array
  /** Of the weights. */
  readonly weight: number
}

/** Rows that judge the penalties by what fits without them predict. They are part of the moments. */
export interface Judges {
  /** [r, d] and [r, m]. */
  readonly features: Matrix
  readonly targets: Matrix
  /** 1 where left out, [r]. */
  readonly weights?: ArrayLike<number> | undefined
}

/**
 * @param features - [n, d], n ≥ 2.
 * @param targets - [n, m]; one-hot rows make it a classifier.
 * @returns the fit whose leave-one-out error is least.
 * @throws {PlatformError} `TOO_FEW_LABELS` when n < 2.
 */
export async function ridge(features: Matrix, targets: Matrix, options: RidgeOptions = {}): Promise<RidgeFit> {
  if (features.rows < 2) throw tooFewLabels(features.rows)
  const { testedRows: count = 4096, weights } = options
  const testedRows = evenlySpaced(features.rows, count)
  const judges = {
    features: selectRows(features, testedRows),
    targets: selectRows(targets, testedRows),
    weights: weights && testedRows.map((row) => weights[row]!),
  }
  const moments = await momentsOf(features, targets, options)
  return { ...(await ridgeOfMoments(moments, judges, options)), testedRows }
}

/**
 * The same from sums alone. Cost O(d³ + r·d²) a penalty.
 *
 * @returns `testedRows` counts the judges.
 * @throws {PlatformError} `TOO_FEW_LABELS` when the weights sum up to less than 2.
 */
export async function ridgeOfMoments(
  moments: RidgeMoments,
  judges: Judges,
  options: Pick<RidgeOptions, 'lambdas' | 'signal'> = {},
): Promise<RidgeFit> {
  if (moments.weight < 2) throw tooFewLabels(moments.weight)
  const { lambdas = DEFAULT_LAMBDAS, signal } = options
  const problem = centre(moments)
  const sample = centred(
    matrix(judges.features.rows, judges.features.cols, judges.features.data.slice()),
    problem.featureMeans,
  )
  const testedRows = Int32Array.from({ length: sample.rows }, (_, row) => row)

  const fitWith = async (lambda: number): Promise<RidgeFit> => {
    await breathe(signal)
    const { coefficients, inverse } = await solve(problem, lambda, options)
    const predictions = await matMul(sample, coefficients, options)
    const leaveOneOut = await leaveOut(problem, { ...judges, predictions, sample, inverse }, options)
    const error = meanSquare(leaveOneOut, judges.targets)
    return { coefficients, bias: biasOf(problem, coefficients), lambda, testedRows, leaveOneOut, error }
  }
  return descend(
    [...lambdas].sort((a, b) => a - b),
    fitWith,
  )
}

function tooFewLabels(labels: number): PlatformError {
  return new PlatformError('TOO_FEW_LABELS', `a fit needs at least 2 labelled images and got ${labels}`)
}

/** The least error of a valley: from the middle, up while it falls, else down while it falls. */
async function descend(lambdas: readonly number[], fitWith: (lambda: number) => Promise<RidgeFit>): Promise<RidgeFit> {
  const middle = Math.floor(lambdas.length / 2)
  let best = await fitWith(lambdas[middle]!)
  for (const step of [1, -1]) {
    for (let i = middle + step; i >= 0 && i < lambdas.length; i += step) {
      const next = await fitWith(lambdas[i]!)
      if (next.error >= best.error) break
      best = next
    }
    if (best.lambda > lambdas[middle]!) break
  }
  return best
}

/** features · coefficients + bias, [n, m]. */
export async function predictRidge(
  features: Matrix,
  { coefficients, bias }: Pick<RidgeFit, 'coefficients' | 'bias'>,
  options: StopOptions = {},
): Promise<Matrix> {
  const out = await matMul(features, coefficients, options)
  for (let i = 0; i < out.data.length; i++) out.data[i]! += bias[i % out.cols]!
  return out
}

/** Targets [n, classes] with a one in each row's class. */
export function oneHot(classOf: ArrayLike<number>, classes: number): Matrix {
  const out = matrix(classOf.length, classes)
  for (let i = 0; i < classOf.length; i++) out.data[i * classes + classOf[i]!] = 1
  return out
}

interface Problem {
  /** Weighted scatter of the centred features [d, d], and with the centred targets [d, m]. */
  readonly scatter: Matrix64
  readonly moments: Matrix64
  readonly featureMeans: Float64Array
  readonly targetMeans: Float64Array
  readonly totalWeight: number
  readonly meanVariance: number
}

async function momentsOf(features: Matrix, targets: Matrix, { weights, signal }: RidgeOptions): Promise<RidgeMoments> {
  const x = weights ? scaledRows(features, weights) : features
  const y = weights ? scaledRows(targets, weights) : targets
  return {
    gram: await gram(x, x, { signal }),
    cross: await gram(x, y, { signal }),
    featureSums: weightedSums(features, weights),
    targetSums: weightedSums(targets, weights),
    weight: weights ? Array.from(weights).reduce((a, b) => a + b, 0) : features.rows,
  }
}

function centre({ gram, cross, featureSums, targetSums, weight }: RidgeMoments): Problem {
  const featureMeans = featureSums.map((sum) => sum / weight)
  const targetMeans = targetSums.map((sum) => sum / weight)
  const scatter = { ...gram, data: Float64Array.from(gram.data) }
  const moments = { ...cross, data: Float64Array.from(cross.data) }
  removeMeans(scatter, featureMeans, featureMeans, weight)
  removeMeans(moments, featureMeans, targetMeans, weight)
  // Features that never vary would leave nothing to scale by.
  const meanVariance = Math.max(trace(scatter) / scatter.rows / weight, 1e-12)
  return { scatter, moments, featureMeans, targetMeans, totalWeight: weight, meanVariance }
}

async function solve(
  problem: Problem,
  lambda: number,
  { signal }: StopOptions,
): Promise<{ coefficients: Matrix; inverse: Matrix64 }> {
  const { scatter, moments, meanVariance, totalWeight } = problem
  const penalised = { ...scatter, data: scatter.data.slice() }
  addToDiagonal(penalised, lambda * meanVariance * totalWeight)
  const inverse = await inverseCholesky(penalised, { signal })
  const solution = await solveWith(inverse, moments)
  return { coefficients: matrix(solution.rows, solution.cols, Float32Array.from(solution.data)), inverse }
}

/** Replaces each prediction by that of a fit without its row. */
async function leaveOut(
  { featureMeans, targetMeans, totalWeight }: Problem,
  {
    predictions,
    targets,
    weights,
    sample,
    inverse,
  }: Judges & { predictions: Matrix; sample: Matrix; inverse: Matrix64 },
  options: StopOptions,
): Promise<Matrix> {
  const whitener = matrix(featureMeans.length, featureMeans.length, Float32Array.from(inverse.data))
  const whitened = await matMulTransposed(sample, whitener, options)
  const out = matrix(predictions.rows, predictions.cols)
  for (let i = 0; i < out.rows; i++) {
    let leverage = 1 / totalWeight
    for (let j = 0; j < whitened.cols; j++) leverage += whitened.data[i * whitened.cols + j]! ** 2
    leverage = Math.min(leverage * (weights?.[i] ?? 1), 1 - 1e-6)
    for (let c = 0; c < out.cols; c++) {
      const at = i * out.cols + c
      const residual = targets.data[at]! - targetMeans[c]! - predictions.data[at]!
      out.data[at] = targets.data[at]! - residual / (1 - leverage)
    }
  }
  return out
}

function biasOf({ featureMeans, targetMeans }: Problem, coefficients: Matrix): Float32Array {
  return Float32Array.from(targetMeans, (mean, c) => {
    let sum = mean
    for (let j = 0; j < coefficients.rows; j++) sum -= featureMeans[j]! * coefficients.data[j * coefficients.cols + c]!
    return sum
  })
}

function centred(m: Matrix, means: Float64Array): Matrix {
  for (let i = 0; i < m.data.length; i++) m.data[i]! -= means[i % m.cols]!
  return m
}

function weightedSums(m: Matrix, weights: ArrayLike<number> | undefined): Float64Array {
  const sums = new Float64Array(m.cols)
  for (let i = 0; i < m.rows; i++) {
    const weight = weights?.[i] ?? 1
    for (let j = 0; j < m.cols; j++) sums[j]! += weight * m.data[i * m.cols + j]!
  }
  return sums
}

function scaledRows(m: Matrix, weights: ArrayLike<number>): Matrix {
  const out = matrix(m.rows, m.cols, m.data.slice())
  for (let i = 0; i < m.rows; i++) {
    const scale = Math.sqrt(weights[i]!)
    for (let j = 0; j < m.cols; j++) out.data[i * m.cols + j]! *= scale
  }
  return out
}

function removeMeans(m: Matrix64, left: Float64Array, right: Float64Array, weight: number): void {
  for (let i = 0; i < m.rows; i++)
    for (let j = 0; j < m.cols; j++) m.data[i * m.cols + j]! -= weight * left[i]! * right[j]!
}

function meanSquare(a: Matrix, b: Matrix): number {
  let sum = 0
  for (let i = 0; i < a.data.length; i++) sum += (a.data[i]! - b.data[i]!) ** 2
  return sum / a.rows
}
