/**
 * How likely a predicted class is wrong, image by image: a small logistic regression on what is known of each prediction
 * beyond its margin.
 *
 * It learns from what fits without them say of labelled images. Those that the engine chose are the hard ones, and would
 * make it too dark for the rest: they teach what matters, through an offset of their own, and images drawn at random say
 * how often predictions are wrong. A monotone curve over the margin alone could not change which predictions come first;
 * this one can (cf. arXiv 2510.20242). It steers the work; only audits certify.
 *
 * Newton's method on the penalised likelihood; a pseudo-observation of each outcome keeps it finite and modest.
 */

/** What is known of one prediction, each on any scale; the order is the caller's. */
export type Facts = readonly number[]

export interface Evidence {
  readonly facts: Facts
  readonly wrong: boolean
  /** Whether the image was drawn at random rather than chosen for being hard. */
  readonly drawn: boolean
}

/** Prior precision of the coefficients, on standardised facts. */
const PRECISION = 1
const OFFSET_PRECISION = 0.05
const STEPS = 30

/** @returns the chance that a prediction with these facts is wrong, for an image that nobody chose. */
export function fitCorrectness(evidence: readonly Evidence[]): (facts: Facts) => number {
  const count = evidence[0]?.facts.length ?? 0
  const scale = standardise(evidence, count)
  const row = (facts: Facts, chosen: number): number[] => [1, chosen, ...facts.map((x, j) => scale(x, j))]
  const hasDrawn = evidence.some(({ drawn }) => drawn)
  const points = evidence.map(({ facts, wrong, drawn }) => ({
    x: row(facts, hasDrawn && !drawn ? 1 : 0),
    y: wrong ? 1 : 0,
    weight: 1,
  }))
  // One right and one wrong answer, half an observation each, at the mean of all facts.
  for (const y of [0, 1]) points.push({ x: [1, 0, ...Array.from({ length: count }, () => 0)], y, weight: 0.5 })
  const precision = [1e-9, OFFSET_PRECISION, ...Array.from({ length: count }, () => PRECISION)]
  const weights = newton(points, precision)
  return (facts) => logistic(dot(weights, row(facts, 0)))
}

interface Point {
  readonly x: readonly number[]
  readonly y: number
  readonly weight: number
}

function newton(points: readonly Point[], precision: readonly number[]): number[] {
  const size = precision.length
  let weights = precision.map(() => 0)
  for (let step = 0; step < STEPS; step++) {
    const gradient = precision.map((p, j) => -p * weights[j]!)
    const hessian = precision.map((p, j) => precision.map((_, k) => (j === k ? p : 0)))
    for (const { x, y, weight } of points) {
      const p = logistic(dot(weights, x))
      const curvature = weight * Math.max(p * (1 - p), 1e-9)
      for (let j = 0; j < size; j++) {
        gradient[j]! += weight * (y - p) * x[j]!
        for (let k = 0; k <= j; k++) hessian[j]![k]! += curvature * x[j]! * x[k]!
      }
    }
    for (let j = 0; j < size; j++) for (let k = j + 1; k < size; k++) hessian[j]![k] = hessian[k]![j]!
    const move = symmetricSolve(hessian, gradient)
    const longest = Math.max(...move.map(Math.abs))
    weights = weights.map((w, j) => w + move[j]! * Math.min(1, 4 / longest))
    if (longest < 1e-8) break
  }
  return weights
}

function standardise(evidence: readonly Evidence[], count: number): (x: number, fact: number) => number {
  const n = Math.max(1, evidence.length)
  const means = Array.from({ length: count }, (_, j) => evidence.reduce((sum, e) => sum + e.facts[j]!, 0) / n)
  const spreads = means.map((mean, j) => Math.sqrt(evidence.reduce((sum, e) => sum + (e.facts[j]! - mean) ** 2, 0) / n))
  return (x, j) => (spreads[j]! > 1e-12 ? (x - means[j]!) / spreads[j]! : 0)
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x, j) => sum + x * b[j]!, 0)
}

function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x))
}

/** x with A·x = b, for a small symmetric positive definite A, by Cholesky. */
function symmetricSolve(a: readonly (readonly number[])[], b: readonly number[]): number[] {
  const size = b.length
  const root = a.map((row) => [...row])
  for (let j = 0; j < size; j++)
    for (let i = j; i < size; i++) {
      let sum = a[i]![j]!
      for (let k = 0; k < j; k++) sum -= root[i]![k]! * root[j]![k]!
      root[i]![j] = i === j ? Math.sqrt(Math.max(sum, 1e-12)) : sum / root[j]![j]!
    }
  const x = [...b]
  for (let i = 0; i < size; i++) {
    for (let k = 0; k < i; k++) x[i]! -= root[i]![k]! * x[k]!
    x[i]! /= root[i]![i]!
  }
  for (let i = size - 1; i >= 0; i--) {
    for (let k = i + 1; k < size; k++) x[i]! -= root[k]![i]! * x[k]!
    x[i]! /= root[i]![i]!
  }
  return x
}
