/** Eigenvectors of small symmetric matrices. */

import type { Matrix64 } from './matrix.ts'

/** Eigenvalues in descending order and their eigenvectors as columns of [d, d], by cyclic Jacobi. For small d (≤ 300). */
export function symmetricEigen(a: Matrix64): { values: Float64Array; vectors: Matrix64 } {
  const n = a.rows
  const m = a.data.slice()
  const v = new Float64Array(n * n)
  for (let i = 0; i < n; i++) v[i * n + i] = 1
  for (let sweep = 0; sweep < 60 && offDiagonal(m, n) > 1e-22 * squaredNorm(m); sweep++)
    for (let p = 0; p < n - 1; p++) for (let q = p + 1; q < n; q++) rotate(m, v, n, p, q)
  const order = Array.from({ length: n }, (_, i) => i).sort((x, y) => m[y * n + y]! - m[x * n + x]! || x - y)
  const vectors = new Float64Array(n * n)
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) vectors[i * n + j] = v[i * n + order[j]!]!
  return { values: Float64Array.from(order, (i) => m[i * n + i]!), vectors: { data: vectors, rows: n, cols: n } }
}

function offDiagonal(m: Float64Array, n: number): number {
  let sum = 0
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) sum += 2 * m[i * n + j]! ** 2
  return sum
}

/** One rotation that zeroes m[p, q], applied to the symmetric m and to the vectors v (Golub & Van Loan, §8.5). */
function rotate(m: Float64Array, v: Float64Array, n: number, p: number, q: number): void {
  const pq = m[p * n + q]!
  if (pq === 0) return
  const theta = (m[q * n + q]! - m[p * n + p]!) / (2 * pq)
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1))
  const c = 1 / Math.sqrt(t * t + 1)
  const s = t * c
  for (let i = 0; i < n; i++) {
    const ip = m[i * n + p]!
    const iq = m[i * n + q]!
    m[i * n + p] = c * ip - s * iq
    m[i * n + q] = s * ip + c * iq
    const vp = v[i * n + p]!
    const vq = v[i * n + q]!
    v[i * n + p] = c * vp - s * vq
    v[i * n + q] = s * vp + c * vq
  }
  for (let i = 0; i < n; i++) {
    const pi = m[p * n + i]!
    const qi = m[q * n + i]!
    m[p * n + i] = c * pi - s * qi
    m[q * n + i] = s * pi + c * qi
  }
}

function squaredNorm(values: Float64Array): number {
  return values.reduce((sum, x) => sum + x * x, 0)
}
