/**
 * Eigenvalues of symmetric matrices, without their vectors: a tenth of the cost of both.
 *
 * Householder's reduction to three diagonals, then QL steps with implicit shifts (Golub & Van Loan, Matrix Computations,
 * §8.3; EISPACK tred1 and tql1). Cost 4/3·n³ once, then O(n²).
 */

import { PlatformError } from '#core/errors'
import type { Matrix64 } from './matrix.ts'

/** QL steps for one eigenvalue; two are usual. */
const MOST_STEPS = 60

/** @returns all n eigenvalues, descending. */
export function symmetricEigenvalues(a: Matrix64): Float64Array {
  const { diagonal, beside } = tridiagonal(a)
  const n = diagonal.length
  for (let first = 0; first < n; first++) {
    for (let step = 0; ; step++) {
      const last = endOfBlock(diagonal, beside, first)
      if (last === first) break
      if (step === MOST_STEPS) throw new PlatformError('INTERNAL', `eigenvalue ${first} of ${n} does not settle`)
      implicitStep(diagonal, beside, first, last)
    }
  }
  return diagonal.sort().reverse()
}

/** The first index from `first` on after which the neighbour of the diagonal counts as zero. */
function endOfBlock(diagonal: Float64Array, beside: Float64Array, first: number): number {
  let last = first
  for (; last < diagonal.length - 1; last++) {
    const scale = Math.abs(diagonal[last]!) + Math.abs(diagonal[last + 1]!)
    if (Math.abs(beside[last]!) <= Number.EPSILON * scale) break
  }
  return last
}

/** One QL step with Wilkinson's shift on the rows [first, last]. */
function implicitStep(diagonal: Float64Array, beside: Float64Array, first: number, last: number): void {
  const g0 = (diagonal[first + 1]! - diagonal[first]!) / (2 * beside[first]!)
  const r0 = Math.hypot(g0, 1)
  let g = diagonal[last]! - diagonal[first]! + beside[first]! / (g0 + (g0 < 0 ? -r0 : r0))
  let [sine, cosine, moved] = [1, 1, 0]
  for (let i = last - 1; i >= first; i--) {
    const f = sine * beside[i]!
    const b = cosine * beside[i]!
    const r = Math.hypot(f, g)
    beside[i + 1] = r
    if (r === 0) {
      diagonal[i + 1]! -= moved
      beside[last] = 0
      return
    }
    sine = f / r
    cosine = g / r
    const shifted = diagonal[i + 1]! - moved
    const turned = (diagonal[i]! - shifted) * sine + 2 * cosine * b
    moved = sine * turned
    diagonal[i + 1] = shifted + moved
    g = cosine * turned - b
  }
  diagonal[first]! -= moved
  beside[first] = g
  beside[last] = 0
}

/** The matrix with the same eigenvalues that has only a diagonal and its neighbours: `beside[i]` lies between i and i + 1. */
function tridiagonal({ data, rows: n }: Matrix64): { diagonal: Float64Array; beside: Float64Array } {
  const m = data.slice()
  const diagonal = new Float64Array(n)
  const beside = new Float64Array(n)
  for (let i = n - 1; i > 0; i--) {
    // The reflection that clears row i left of its neighbour works on the leading i × i block.
    const row = m.subarray(i * n, i * n + i)
    const length = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0))
    const pivot = row[i - 1]!
    const reach = pivot > 0 ? -length : length
    beside[i - 1] = reach
    diagonal[i] = m[i * n + i]!
    if (length === 0) continue
    row[i - 1] = pivot - reach
    reflect(m, n, row, i)
  }
  diagonal[0] = m[0]!
  return { diagonal, beside }
}

/** Turns the leading `size` × `size` block B into H·B·H, H = I − 2·v·vᵀ / |v|²; only its lower half is kept. */
function reflect(m: Float64Array, n: number, v: Float64Array, size: number): void {
  const half = v.reduce((sum, x) => sum + x * x, 0) / 2
  const p = new Float64Array(size)
  for (let i = 0; i < size; i++) {
    const row = m.subarray(i * n, i * n + i + 1)
    let sum = row[i]! * v[i]!
    for (let j = 0; j < i; j++) {
      sum += row[j]! * v[j]!
      p[j]! += row[j]! * v[i]!
    }
    p[i]! += sum
  }
  let inner = 0
  for (let i = 0; i < size; i++) inner += (p[i]! /= half) * v[i]!
  for (let i = 0; i < size; i++) p[i]! -= (inner / (2 * half)) * v[i]!
  for (let i = 0; i < size; i++) {
    const row = m.subarray(i * n, i * n + i + 1)
    for (let j = 0; j <= i; j++) row[j]! -= v[i]! * p[j]! + p[i]! * v[j]!
  }
}
