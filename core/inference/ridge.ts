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

/**
 * @param features - [n, d], n ≥ 2.
 * @param targets - [n, m]; one-hot rows make it a classifier.
 * @returns the fit whose leave-one-out error is least.
 * @throws {PlatformError} `TOO_FEW_LABELS` when n < 2.
 */
export async function ridge(features: Matrix, targets: Matrix, options: RidgeOptions = {}): Promise<RidgeFit> {
  if (features.rows < 2)
    throw new PlatformError('TOO_FEW_LABELS', `a fit needs at least 2 labelled images and got ${features.rows}`)
  const { lambdas = DEFAULT_LAMBDAS, testedRows = 4096, signal } = options
  const problem = await prepare(features, targets, options)
  const tested = evenlySpaced(features.rows, testedRows)
  const sample = centred(selectRows(features, tested), problem.featureMeans)
  const expected = selectRows(targets, tested)

  const fitWith = async (lambda: number): Promise<RidgeFit> => {
    await breathe(signal)
    const { coefficients, inverse } = await solve(problem, lambda, options)
    const predictions = await matMul(sample, coefficients, options)
    const leaveOneOut = await leaveOut(problem, { predictions, expected, sample, inverse, tested }, options)
    const error = meanSquare(leaveOneOut, expected)
    return { coefficients, bias: biasOf(problem, coefficients), lambda, testedRows: tested, leaveOneOut, error }
  }
  return descend(
    [...lambdas].sort((a, b) => a - b),
    fitWith,
  )
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
  readonly weights: ArrayLike<number> | undefined
}

async function prepare(features: Matrix, targets: Matrix, { weights, signal }: RidgeOptions): Promise<Problem> {
  const totalWeight = weights ? Array.from(weights).reduce((a, b) => a + b, 0) : features.rows
  const featureMeans = weightedMeans(features, weights, totalWeight)
  const targetMeans = weightedMeans(targets, weights, totalWeight)
  const x = weights ? scaledRows(features, weights) : features
  const y = weights ? scaledRows(targets, weights) : targets
  const scatter = await gram(x, x, { signal })
  const moments = await gram(x, y, { signal })
  removeMeans(scatter, featureMeans, featureMeans, totalWeight)
  removeMeans(moments, featureMeans, targetMeans, totalWeight)
  // Features that never vary would leave nothing to scale by.
  const meanVariance = Math.max(trace(scatter) / scatter.rows / totalWeight, 1e-12)
  return { scatter, moments, featureMeans, targetMeans, totalWeight, meanVariance, weights }
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
  { featureMeans, targetMeans, totalWeight, weights }: Problem,
  part: { predictions: Matrix; expected: Matrix; sample: Matrix; inverse: Matrix64; tested: Int32Array },
  options: StopOptions,
): Promise<Matrix> {
  const { predictions, expected, sample, inverse, tested } = part
  const whitener = matrix(featureMeans.length, featureMeans.length, Float32Array.from(inverse.data))
  const whitened = await matMulTransposed(sample, whitener, options)
  const out = matrix(predictions.rows, predictions.cols)
  for (let i = 0; i < out.rows; i++) {
    let leverage = 1 / totalWeight
    for (let j = 0; j < whitened.cols; j++) leverage += whitened.data[i * whitened.cols + j]! ** 2
    leverage = Math.min(leverage * (weights?.[tested[i]!] ?? 1), 1 - 1e-6)
    for (let c = 0; c < out.cols; c++) {
      const at = i * out.cols + c
      const residual = expected.data[at]! - targetMeans[c]! - predictions.data[at]!
      out.data[at] = expected.data[at]! - residual / (1 - leverage)
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

function weightedMeans(m: Matrix, weights: ArrayLike<number> | undefined, totalWeight: number): Float64Array {
  const means = new Float64Array(m.cols)
  for (let i = 0; i < m.rows; i++) {
    const weight = weights?.[i] ?? 1
    for (let j = 0; j < m.cols; j++) means[j]! += weight * m.data[i * m.cols + j]!
  }
  return means.map((sum) => sum / totalWeight)
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
