/**
 * Products of dense matrices. They run in ONNX Runtime (50–100 times plain JavaScript), in the calling thread and in
 * pieces of well under a second, so call this from a worker thread. One intra-op thread and a fixed order of blocks:
 * equal input gives equal bits on one processor type.
 */

import { OnnxGraph } from './graph.ts'
import { breathe, columnMeans, matrix, rowsOf, type Matrix, type Matrix64, type StopOptions } from './matrix.ts'
import { openOnnxSession } from './onnx.ts'
import type { InferenceSession, Tensor } from './session.ts'

type AnyMatrix = Matrix | Matrix64

/** Which side is transposed: `nn` is A·B, `nt` is A·Bᵀ, `tn` is Aᵀ·B. */
type ProductForm = 'nn' | 'nt' | 'tn'

/** Multiply-adds in one call of the runtime: about a quarter of a second on one core. */
const WORK_PER_CALL = 8e9

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

const sessions = new Map<string, Promise<InferenceSession>>()

/** One product in one call; float32 in gives float32 out, float64 gives float64. Each form's session is opened once per thread. */
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
