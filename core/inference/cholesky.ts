/**
 * Solves symmetric positive definite systems. Diagonal blocks are factorised in TypeScript, everything else is float64
 * products. Cost O(d³): d = 1,600 in 0.8 s on one core.
 */

import { PlatformError } from '#core/errors'
import { breathe, type Matrix64, type StopOptions } from './matrix.ts'
import { product } from './products.ts'

const BLOCK = 128

/**
 * The inverse M of the Cholesky factor of a symmetric positive definite matrix A = L·Lᵀ: lower triangular, M = L⁻¹, so
 * that A⁻¹ = Mᵀ·M. Cost O(d³) in float64 products; A is left as it was.
 *
 * @throws {PlatformError} `INTERNAL` when A is not positive definite: add to its diagonal.
 */
export async function inverseCholesky(a: Matrix64, { signal }: StopOptions = {}): Promise<Matrix64> {
  const n = a.rows
  const blocks = Math.ceil(n / BLOCK)
  const factor = { data: a.data.slice(), rows: n, cols: n }
  const inverse = { data: new Float64Array(n * n), rows: n, cols: n }
  const range = (k: number) => [k * BLOCK, Math.min(n, (k + 1) * BLOCK)] as const
  const corners: Matrix64[] = []

  for (let k = 0; k < blocks; k++) {
    await breathe(signal)
    const [start, end] = range(k)
    const corner = invertLower(choleskyOf(block(factor, start, end, start, end)))
    corners.push(corner)
    if (end === n) break
    const panel = await product('nt', block(factor, end, n, start, end), corner)
    write(factor, end, start, panel)
    for (let j = k + 1; j < blocks; j++) {
      const [top, bottom] = range(j)
      const left = { data: panel.data.subarray((top - end) * panel.cols), rows: n - top, cols: panel.cols }
      const right = { ...left, data: left.data.subarray(0, (bottom - top) * panel.cols), rows: bottom - top }
      subtract(factor, top, top, await product('nt', left, right))
    }
  }

  // Row of blocks k of M: −M[k,k] · L[k, 0…k) · M[0…k, 0…k), beside its corner.
  for (let k = 0; k < blocks; k++) {
    await breathe(signal)
    const [start, end] = range(k)
    write(inverse, start, start, corners[k]!)
    if (k === 0) continue
    const left = await product('nn', corners[k]!, block(factor, start, end, 0, start))
    const row = await product('nn', left, block(inverse, 0, start, 0, start))
    for (let i = 0; i < row.data.length; i++) row.data[i] = -row.data[i]!
    write(inverse, start, 0, row)
  }
  return inverse
}

/** Solves A·X = B from `inverseCholesky(A)`, [d, m]. */
export async function solveWith(inverse: Matrix64, b: Matrix64): Promise<Matrix64> {
  return product('tn', inverse, await product('nn', inverse, b))
}

function block(m: Matrix64, top: number, bottom: number, left: number, right: number): Matrix64 {
  const cols = right - left
  const data = new Float64Array((bottom - top) * cols)
  for (let i = top; i < bottom; i++) data.set(m.data.subarray(i * m.cols + left, i * m.cols + right), (i - top) * cols)
  return { data, rows: bottom - top, cols }
}

function write(m: Matrix64, top: number, left: number, part: Matrix64): void {
  for (let i = 0; i < part.rows; i++)
    m.data.set(part.data.subarray(i * part.cols, (i + 1) * part.cols), (top + i) * m.cols + left)
}

function subtract(m: Matrix64, top: number, left: number, part: Matrix64): void {
  for (let i = 0; i < part.rows; i++) {
    const at = (top + i) * m.cols + left
    for (let j = 0; j < part.cols; j++) m.data[at + j]! -= part.data[i * part.cols + j]!
  }
}

/** The lower Cholesky factor of a small block; entries above the diagonal are zero. */
function choleskyOf(a: Matrix64): Matrix64 {
  const n = a.rows
  const l = new Float64Array(n * n)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a.data[i * n + j]!
      for (let k = 0; k < j; k++) sum -= l[i * n + k]! * l[j * n + k]!
      if (i !== j) l[i * n + j] = sum / l[j * n + j]!
      else if (sum > 0) l[i * n + i] = Math.sqrt(sum)
      else throw new PlatformError('INTERNAL', `a matrix of ${n} rows is not positive definite; regularise it more`)
    }
  }
  return { data: l, rows: n, cols: n }
}

/** The inverse of a small lower triangular block. */
function invertLower({ data: l, rows: n }: Matrix64): Matrix64 {
  const inverse = new Float64Array(n * n)
  for (let j = 0; j < n; j++) {
    inverse[j * n + j] = 1 / l[j * n + j]!
    for (let i = j + 1; i < n; i++) {
      let sum = 0
      for (let k = j; k < i; k++) sum += l[i * n + k]! * inverse[k * n + j]!
      inverse[i * n + j] = -sum / l[i * n + i]!
    }
  }
  return { data: inverse, rows: n, cols: n }
}
