/**
 * Dense linear algebra for fits on a CPU: products, Gram matrices, Cholesky, ridge regression and principal components.
 *
 * Products run in ONNX Runtime (50–100 times plain JavaScript), in the calling thread and in pieces of well under a
 * second, so call this from a worker thread. Factorisations are blocked: diagonal blocks in TypeScript, everything else
 * as float64 products. One intra-op thread and a fixed order of blocks: equal input gives equal bits on one processor type.
 */

import { PlatformError } from '#core/errors'
import { OnnxGraph } from './graph.ts'
import { openOnnxSession } from './onnx.ts'
import type { InferenceSession, Tensor } from './session.ts'

/** Float32, row-major: element (i, j) is `data[i * cols + j]`. */
export interface Matrix {
  readonly data: Float32Array
  readonly rows: number
  readonly cols: number
}

/** Float64, row-major: where rounding would add up, in Gram matrices and factorisations. */
export interface Matrix64 {
  readonly data: Float64Array
  readonly rows: number
  readonly cols: number
}

type AnyMatrix = Matrix | Matrix64

/** Which side is transposed: `nn` is A·B, `nt` is A·Bᵀ, `tn` is Aᵀ·B. */
type ProductForm = 'nn' | 'nt' | 'tn'

/** Multiply-adds in one call of the runtime: about a quarter of a second on one core. */
const WORK_PER_CALL = 8e9
const BLOCK = 128

export interface StopOptions {
  /** Checked between pieces of work; its reason is thrown. */
  readonly signal?: AbortSignal | undefined
}

export function matrix(rows: number, cols: number, data: Float32Array = new Float32Array(rows * cols)): Matrix {
  if (data.length !== rows * cols)
    throw new PlatformError('INTERNAL', `a matrix of ${rows} × ${cols} got ${data.length} values`)
  return { data, rows, cols }
}

/** Rows [start, end), without copying. */
export function rowsOf(m: Matrix, start: number, end: number): Matrix {
  return { data: m.data.subarray(start * m.cols, end * m.cols), rows: end - start, cols: m.cols }
}

/** The rows at these indices, in this order, copied. */
export function selectRows(m: Matrix, indices: ArrayLike<number>): Matrix {
  const out = matrix(indices.length, m.cols)
  for (let i = 0; i < indices.length; i++) {
    const from = indices[i]! * m.cols
    out.data.set(m.data.subarray(from, from + m.cols), i * m.cols)
  }
  return out
}

/** Lets timers and abort signals through between two pieces of blocking work. */
export async function breathe(signal?: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
  signal?.throwIfAborted()
}

/** A·B, [n, k] × [k, m] → [n, m]. */
export async function matMul(a: Matrix, b: Matrix, options: StopOptions = {}): Promise<Matrix> {
  return byRows(a, b.cols, (piece) => product('nn', piece, b), options)
}

/** A·Bᵀ, [n, k] × [m, k] → [n, m]: the inner products of rows with rows. */
export async function matMulTransposed(a: Matrix, b: Matrix, options: StopOptions = {}): Promise<Matrix> {
  return byRows(a, b.rows, (piece) => product('nt', piece, b), options)
}

/**
 * Aᵀ·B, [n, d] × [n, m] → [d, m], summed in float64 over blocks of rows; Aᵀ·A when B is left out.
 * Cost O(n·d·m).
 */
export async function gram(a: Matrix, b: Matrix = a, { signal }: StopOptions = {}): Promise<Matrix64> {
  const total = new Float64Array(a.cols * b.cols)
  const step = Math.max(64, Math.min(2048, Math.floor(WORK_PER_CALL / (a.cols * b.cols))))
  for (let start = 0; start < a.rows; start += step) {
    await breathe(signal)
    const end = Math.min(a.rows, start + step)
    const part = await product('tn', rowsOf(a, start, end), rowsOf(b, start, end))
    for (let i = 0; i < total.length; i++) total[i]! += part.data[i]!
  }
  return { data: total, rows: a.cols, cols: b.cols }
}

/** Mean of each column, [cols]. */
export function columnMeans(m: Matrix): Float64Array {
  const means = new Float64Array(m.cols)
  for (let i = 0; i < m.rows; i++) for (let j = 0; j < m.cols; j++) means[j]! += m.data[i * m.cols + j]!
  return means.map((sum) => sum / m.rows)
}

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

export interface Pca {
  /** [cols]. */
  readonly mean: Float32Array
  /** Orthonormal columns [cols, dims], by descending variance. */
  readonly components: Matrix
  /** Variance along each component, [dims]. */
  readonly variances: Float64Array
}

/**
 * The `dims` directions of largest variance, by subspace iteration on the covariance of at most `sampleRows` evenly
 * spaced rows (Halko, Martinsson & Tropp, SIAM Review 2011). The start is fixed, so the result is too; each component's
 * largest entry is positive.
 */
export async function pca(
  m: Matrix,
  dims: number,
  { sampleRows = 20_000, iterations = 8, signal }: StopOptions & { sampleRows?: number; iterations?: number } = {},
): Promise<Pca> {
  const kept = Math.min(dims, m.cols)
  const sample = m.rows > sampleRows ? selectRows(m, evenlySpaced(m.rows, sampleRows)) : m
  const { covariance, mean } = await covarianceOf(sample, { signal })
  addToDiagonal(covariance, 1e-12 * trace(covariance) + 1e-300)
  const width = Math.min(m.cols, kept + 16)
  // Directions are rows here, which lie together in memory.
  let basis: Matrix64 = { data: startingDirections(width * m.cols), rows: width, cols: m.cols }
  orthonormalise(basis)
  for (let i = 0; i < iterations; i++) {
    await breathe(signal)
    basis = await product('nn', basis, covariance)
    orthonormalise(basis)
  }
  const { values, vectors } = symmetricEigen(await product('nt', await product('nn', basis, covariance), basis))
  const rotated = await product('tn', basis, vectors)
  return { mean: Float32Array.from(mean), components: leadingColumns(rotated, kept), variances: values.slice(0, kept) }
}

/** Rows of `m` in the coordinates of a PCA, [n, dims]; `scale` multiplies each coordinate (1/σ whitens). */
export async function project(
  m: Matrix,
  { mean, components }: Pca,
  options: StopOptions & { scale?: ArrayLike<number> } = {},
): Promise<Matrix> {
  const scale = options.scale
  const directions = matrix(components.rows, components.cols, components.data.slice())
  if (scale) for (let i = 0; i < directions.data.length; i++) directions.data[i]! *= scale[i % directions.cols]!
  const out = await matMul(m, directions, options)
  const shift = await product('nn', matrix(1, mean.length, mean), directions)
  for (let i = 0; i < out.data.length; i++) out.data[i]! -= shift.data[i % out.cols]!
  return out
}

/** Covariance (divided by n) and mean of rows. */
export async function covarianceOf(
  m: Matrix,
  options: StopOptions = {},
): Promise<{ covariance: Matrix64; mean: Float64Array }> {
  const mean = columnMeans(m)
  const g = await gram(m, m, options)
  const d = m.cols
  for (let i = 0; i < d; i++)
    for (let j = 0; j < d; j++) g.data[i * d + j] = g.data[i * d + j]! / m.rows - mean[i]! * mean[j]!
  return { covariance: g, mean }
}

/** `count` indices below `total`, evenly spaced, ascending. */
export function evenlySpaced(total: number, count: number): Int32Array {
  return Int32Array.from({ length: Math.min(count, total) }, (_, i) => Math.floor((i * total) / Math.min(count, total)))
}

// Products in the runtime: one session per form and precision, opened once per thread.

const sessions = new Map<string, Promise<InferenceSession>>()

/** One product in one call; float32 in gives float32 out, float64 gives float64. */
export function product(form: ProductForm, a: Matrix64, b: Matrix64): Promise<Matrix64>
export function product(form: ProductForm, a: Matrix, b: Matrix): Promise<Matrix>
export async function product(form: ProductForm, a: AnyMatrix, b: AnyMatrix): Promise<AnyMatrix> {
  const type = a.data instanceof Float64Array ? 'float64' : 'float32'
  const key = `${form} ${type}`
  let session = sessions.get(key)
  if (!session) sessions.set(key, (session = openOnnxSession(productModel(form, type))))
  const tensor = (m: AnyMatrix): Tensor => ({ type, data: m.data, dims: [m.rows, m.cols] })
  const { c } = await (await session).run({ a: tensor(a), b: tensor(b) })
  return { data: c!.data, rows: c!.dims[0]!, cols: c!.dims[1]! } as AnyMatrix
}

function productModel(form: ProductForm, type: 'float32' | 'float64'): Uint8Array {
  const graph = new OnnxGraph(`product ${form}`)
  const a = graph.input('a', type, ['I', 'J'])
  const b = graph.input('b', type, ['K', 'L'])
  const transposed = { transA: form[0] === 't' ? 1 : 0, transB: form[1] === 't' ? 1 : 0 }
  graph.output('c', type, ['M', 'N'], graph.node('Gemm', [a, b], transposed))
  return graph.toBytes()
}

async function byRows(
  a: Matrix,
  cols: number,
  multiply: (piece: Matrix) => Promise<Matrix>,
  { signal }: StopOptions,
): Promise<Matrix> {
  const out = matrix(a.rows, cols)
  const step = Math.max(64, Math.floor(WORK_PER_CALL / (a.cols * cols)))
  for (let start = 0; start < a.rows; start += step) {
    await breathe(signal)
    const piece = await multiply(rowsOf(a, start, Math.min(a.rows, start + step)))
    out.data.set(piece.data, start * cols)
  }
  return out
}

// Blocks of a float64 matrix.

export function trace({ data, rows }: Matrix64): number {
  let sum = 0
  for (let i = 0; i < rows; i++) sum += data[i * rows + i]!
  return sum
}

/** In place. */
export function addToDiagonal({ data, rows }: Matrix64, value: number): void {
  for (let i = 0; i < rows; i++) data[i * rows + i]! += value
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

/** Makes rows orthonormal in place, by Gram–Schmidt done twice ("twice is enough", Giraud et al. 2005). */
function orthonormalise({ data, rows, cols }: Matrix64): void {
  for (let i = 0; i < rows; i++) {
    const row = data.subarray(i * cols, (i + 1) * cols)
    scale(row)
    for (let pass = 0; pass < 2; pass++) {
      for (let j = 0; j < i; j++) {
        const other = data.subarray(j * cols, (j + 1) * cols)
        let inner = 0
        for (let k = 0; k < cols; k++) inner += row[k]! * other[k]!
        for (let k = 0; k < cols; k++) row[k]! -= inner * other[k]!
      }
      scale(row)
    }
  }
}

/** Divides by the length. */
function scale(vector: Float64Array): void {
  const length = Math.sqrt(squaredNorm(vector))
  for (let k = 0; k < vector.length; k++) vector[k]! /= length
}

/** Fixed pseudo-random directions: a linear congruential sequence, mapped to [−1, 1). */
function startingDirections(length: number): Float64Array {
  let state = 12345
  return Float64Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 31 - 1
  })
}

/** The first columns as float32, each turned so that its largest entry is positive. */
function leadingColumns(m: Matrix64, count: number): Matrix {
  const out = matrix(m.rows, count)
  for (let j = 0; j < count; j++) {
    let largest = 0
    for (let i = 0; i < m.rows; i++) {
      const value = m.data[i * m.cols + j]!
      if (Math.abs(value) > Math.abs(largest)) largest = value
    }
    const sign = largest < 0 ? -1 : 1
    for (let i = 0; i < m.rows; i++) out.data[i * count + j] = sign * m.data[i * m.cols + j]!
  }
  return out
}

// Jacobi rotations.

function squaredNorm(values: Float64Array): number {
  return values.reduce((sum, x) => sum + x * x, 0)
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
