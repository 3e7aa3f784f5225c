/**
 * The Nyström features of a radial kernel (Williams & Seeger, 2001): inner products of features are nearly the kernel, so
 * a ridge on them is a kernel ridge whose cost depends on the landmarks, not on the labels.
 *
 * Nothing but coordinates is kept of an image: features of labelled images are made when a fit wants them, and scores of
 * all images come from their kernels with the landmarks, block by block. Cost O(n·m·(d + c)) for c scores of n images.
 */

import {
  breathe,
  inverseCholesky,
  matMul,
  matrix,
  OnnxGraph,
  openOnnxSession,
  product,
  rowsOf,
  selectRows,
} from '#core/inference'
import type { InferenceSession, Matrix, StopOptions, Tensor } from '#core/inference'

/** Plain data, which passes between threads. */
export interface Features {
  /** [n, d]: where the images lie. In shared memory, so that no thread needs a copy. */
  readonly coordinates: Matrix
  /** [m, d]. */
  readonly landmarks: Matrix
  /** [m, m]: takes kernels with the landmarks to features. */
  readonly whitener: Matrix
}

/** Rows in one call, always, where features are made: an image's bits must not depend on the images beside it. */
const ROWS_PER_BLOCK = 128
/** Rows in one call where scores are made: of all images, so always the same ones. */
const ROWS_PER_SCORING = 1024
/** Of the kernel exp(−γ·‖a − b‖²), where two random images lie at ‖a − b‖² ≈ 2. */
const GAMMA = 0.7
/** Added to the diagonal of the landmarks' kernel: two of them may be equal. */
const JITTER = 1e-3

/** @param landmarks - [m, d], in the coordinates of the images. */
export async function makeFeatures(
  coordinates: Matrix,
  landmarks: Matrix,
  { signal }: StopOptions = {},
): Promise<Features> {
  const m = landmarks.rows
  const among = await kernel(landmarks, landmarks)
  const gram = { data: Float64Array.from(among.data), rows: m, cols: m }
  for (let i = 0; i < m; i++) gram.data[i * m + i]! += JITTER
  const whitener = await inverseCholesky(gram, { signal })
  return { coordinates, landmarks, whitener: matrix(m, m, Float32Array.from(whitener.data)) }
}

/** The features of these images, [images, m]. An image has the same bits whichever others are asked for. */
export async function featuresOf(
  { coordinates, landmarks, whitener }: Features,
  images: ArrayLike<number>,
  { signal }: StopOptions = {},
): Promise<Matrix> {
  const rows = selectRows(coordinates, images)
  const out = matrix(rows.rows, landmarks.rows)
  for (let start = 0; start < rows.rows; start += ROWS_PER_BLOCK) {
    await breathe(signal)
    const block = await product('nt', await kernel(filledUp(rows, start), landmarks), whitener)
    out.data.set(
      block.data.subarray(0, Math.min(block.data.length, out.data.length - start * out.cols)),
      start * out.cols,
    )
  }
  return out
}

/**
 * features · coefficients of all images, in order, a block of rows at a time.
 *
 * @param coefficients - [m, c].
 */
export async function* scoresOf(
  { coordinates, landmarks, whitener }: Features,
  coefficients: Matrix,
  { signal }: StopOptions = {},
): AsyncGenerator<{ readonly start: number; readonly scores: Matrix }> {
  const onKernels = await matMul(transposed(whitener), coefficients, { signal })
  for (let start = 0; start < coordinates.rows; start += ROWS_PER_SCORING) {
    await breathe(signal)
    const block = rowsOf(coordinates, start, Math.min(coordinates.rows, start + ROWS_PER_SCORING))
    const scores = await product('nn', await kernel(block, landmarks), onKernels)
    yield { start, scores }
  }
}

let session: Promise<InferenceSession> | undefined

/** Rows [start, start + block), with zeros after the last one. */
function filledUp({ data, cols }: Matrix, start: number): Matrix {
  const block = matrix(ROWS_PER_BLOCK, cols)
  block.data.set(data.subarray(start * cols, (start + ROWS_PER_BLOCK) * cols))
  return block
}

/** exp(−γ·‖row − landmark‖²), [rows, m]. */
async function kernel(rows: Matrix, landmarks: Matrix): Promise<Matrix> {
  session ??= openOnnxSession(kernelModel())
  const tensor = ({ data, rows: height, cols }: Matrix): Tensor => ({ type: 'float32', data, dims: [height, cols] })
  const { values } = await (await session).run({ rows: tensor(rows), landmarks: tensor(landmarks) })
  return matrix(rows.rows, landmarks.rows, values!.data as Float32Array)
}

/** ‖a − b‖² is ‖a‖² + ‖b‖² − 2·a·b, never less than nothing. */
function kernelModel(): Uint8Array {
  const graph = new OnnxGraph('radial kernel')
  const rows = graph.input('rows', 'float32', ['N', 'D'])
  const landmarks = graph.input('landmarks', 'float32', ['M', 'D'])
  const axes = graph.constant('axes', BigInt64Array.of(1n), [1])
  const minusGamma = graph.constant('minus gamma', [-GAMMA], [])
  const lengths = (of: string): string =>
    graph.node('Mul', [graph.node('ReduceSumSquare', [of, axes], { keepdims: 1 }), minusGamma])
  const ofLandmarks = graph.node('Transpose', [lengths(landmarks)], { perm: [1, 0] })
  const inner = graph.node('Gemm', [rows, landmarks], { transB: 1, alpha: { float: 2 * GAMMA } })
  const exponent = graph.node('Add', [graph.node('Add', [inner, lengths(rows)]), ofLandmarks])
  const bounded = graph.node('Min', [exponent, graph.constant('zero', [0], [])])
  graph.output('values', 'float32', ['N', 'M'], graph.node('Exp', [bounded]))
  return graph.toBytes()
}

function transposed({ data, rows, cols }: Matrix): Matrix {
  const out = matrix(cols, rows)
  for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) out.data[j * rows + i] = data[i * cols + j]!
  return out
}
