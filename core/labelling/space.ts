/**
 * The space in which likeness is judged while people label: made once per session from the embeddings, small enough to
 * refit a classifier between two screens.
 *
 * Principal components, then the Nyström features of a radial kernel (Williams & Seeger, 2001): a ridge on them is a
 * kernel ridge whose cost depends on the landmarks, not on the labels. Landmarks are evenly spaced rows, which for rows in
 * order of digest is a random sample. Cost O(n·d·128 + n·m²); memory 4·n·m bytes, held under 256 MB by fewer landmarks.
 */

import {
  inverseCholesky,
  evenlySpaced,
  matMulTransposed,
  matrix,
  pca,
  project,
  rowsOf,
  selectRows,
} from '#core/inference'
import type { Matrix } from '#core/inference'

export interface LabelSpace {
  /** [n, m]: inner products are (nearly) the kernel. */
  readonly features: Matrix
  /** [n, ≤ 128]: principal coordinates, mean squared length 1. */
  readonly coordinates: Matrix
}

const DIMS = 128
const MIN_LANDMARKS = 256
const MAX_LANDMARKS = 1024
const MAX_VALUES = 64e6
/** Rows turned into features at once: a second full-size matrix would double the memory. */
const ROWS_AT_ONCE = 4096
/** Of the kernel exp(−γ·‖a − b‖²), where two random images lie at ‖a − b‖² ≈ 2. */
const GAMMA = 0.7

/** @param embeddings - [n, d], rows in ascending order of digest. */
export async function labelSpace(embeddings: Matrix, signal?: AbortSignal): Promise<LabelSpace> {
  const components = await pca(embeddings, Math.min(DIMS, embeddings.cols), {
    sampleRows: 10_000,
    iterations: 6,
    signal,
  })
  const coordinates = await project(embeddings, components, { signal })
  scaleToUnit(coordinates)
  const landmarks = selectRows(coordinates, evenlySpaced(coordinates.rows, landmarkCount(coordinates.rows)))
  const among = await kernel(landmarks, landmarks, signal)
  const size = landmarks.rows
  const gram = { data: Float64Array.from(among.data), rows: size, cols: size }
  for (let i = 0; i < size; i++) gram.data[i * size + i]! += 1e-3
  const whitener = await inverseCholesky(gram, { signal })
  const whiten = matrix(size, size, Float32Array.from(whitener.data))
  const features = matrix(coordinates.rows, size)
  for (let start = 0; start < coordinates.rows; start += ROWS_AT_ONCE) {
    const rows = rowsOf(coordinates, start, Math.min(coordinates.rows, start + ROWS_AT_ONCE))
    const whitened = await matMulTransposed(await kernel(rows, landmarks, signal), whiten, { signal })
    features.data.set(whitened.data, start * size)
  }
  return { features, coordinates }
}

/** A quarter of the images; few enough for memory, though, and a fit in a second. */
function landmarkCount(images: number): number {
  const wanted = Math.max(MIN_LANDMARKS, Math.min(MAX_LANDMARKS, images >> 2))
  return Math.min(wanted, Math.max(64, Math.floor(MAX_VALUES / images)))
}

async function kernel(a: Matrix, b: Matrix, signal?: AbortSignal): Promise<Matrix> {
  const lengthsA = squaredLengths(a)
  const lengthsB = squaredLengths(b)
  const out = await matMulTransposed(a, b, { signal })
  for (let i = 0; i < a.rows; i++)
    for (let j = 0; j < b.rows; j++) {
      const at = i * b.rows + j
      out.data[at] = Math.exp(-GAMMA * Math.max(0, lengthsA[i]! + lengthsB[j]! - 2 * out.data[at]!))
    }
  return out
}

function squaredLengths(m: Matrix): Float64Array {
  return Float64Array.from({ length: m.rows }, (_, i) => {
    let sum = 0
    for (let j = i * m.cols; j < (i + 1) * m.cols; j++) sum += m.data[j]! ** 2
    return sum
  })
}

/** In place, to a mean squared row length of 1. */
function scaleToUnit(m: Matrix): void {
  let sum = 0
  for (const value of m.data) sum += value * value
  const factor = sum > 0 ? Math.sqrt(m.rows / sum) : 1
  for (let i = 0; i < m.data.length; i++) m.data[i]! *= factor
}
