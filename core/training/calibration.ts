/** Turns scores into probabilities: softmax of `sharpness` times the score (Guo et al., ICML 2017), one number for all classes. */

import type { Matrix } from '#core/inference'

const SEARCH_STEPS = 60

/**
 * The sharpness under which the true classes are most likely.
 *
 * @param scores - of predictions that have not seen the answers, [n, classes].
 * @param labels - [n].
 */
export function calibrate(scores: Matrix, labels: ArrayLike<number>): { sharpness: number; logLoss: number } {
  // The loss is convex in the sharpness, so a golden-section search in its logarithm finds the least.
  const ratio = (Math.sqrt(5) - 1) / 2
  let [low, high] = [Math.log(0.1), Math.log(100)]
  const loss = (logSharpness: number) => logLoss(scores, labels, Math.exp(logSharpness))
  for (let i = 0; i < SEARCH_STEPS; i++) {
    const left = high - ratio * (high - low)
    const right = low + ratio * (high - low)
    if (loss(left) < loss(right)) high = right
    else low = left
  }
  const sharpness = Math.exp((low + high) / 2)
  return { sharpness, logLoss: logLoss(scores, labels, sharpness) }
}

/** Mean of −log(probability of the true class). */
export function logLoss({ data, rows, cols }: Matrix, labels: ArrayLike<number>, sharpness: number): number {
  let total = 0
  for (let i = 0; i < rows; i++) {
    const row = data.subarray(i * cols, (i + 1) * cols)
    const top = row.reduce((a, b) => Math.max(a, b), -Infinity)
    let sum = 0
    for (const score of row) sum += Math.exp(sharpness * (score - top))
    total += Math.log(sum) - sharpness * (row[labels[i]!]! - top)
  }
  return total / rows
}

/** Index of each row's largest score, the first where equal. */
export function argMax({ data, rows, cols }: Matrix): Int32Array {
  return Int32Array.from({ length: rows }, (_, i) => {
    let best = 0
    for (let c = 1; c < cols; c++) if (data[i * cols + c]! > data[i * cols + best]!) best = c
    return best
  })
}
