/**
 * Learns the filters of one scale from whitened patches: their k-means (Coates, Lee & Ng, AISTATS 2011), or some of the
 * patches themselves (Thiry, Arbel, Belilovsky & Oyallon, ICLR 2021). Equal patches and seed give equal filters.
 */

import { kMeans } from '#core/clustering'
import { columnMeans, covarianceOf, matMul, matrix, rowsOf, symmetricEigen, type Matrix } from '#core/inference'

export interface FilterBank {
  /** Applied to raw pixels [filters, patch values]: whitening and removal of the patch's mean are folded in. */
  readonly weights: Matrix
  /** Subtracted after the division by contrast, [filters]. */
  readonly offsets: Float32Array
}

/** Added to each eigenvalue of the patch covariance, so that noise is not blown up. */
const WHITENING_FLOOR = 0.1
const KMEANS_ITERATIONS = 10

export interface FilterOptions {
  readonly filters: number
  readonly seed: number
  /** `means` of groups of patches, or the `patches` that come first. */
  readonly dictionary: 'means' | 'patches'
  readonly signal?: AbortSignal
}

/** @param patches - evened out, in random order, [m, patch values]. */
export async function learnFilters(
  patches: Matrix,
  { filters, seed, dictionary, signal }: FilterOptions,
): Promise<FilterBank> {
  const mean = columnMeans(patches)
  const whitening = await whiteningOf(patches, signal)
  const centred = matrix(
    patches.rows,
    patches.cols,
    patches.data.map((x, i) => x - mean[i % patches.cols]!),
  )
  const whitened = await matMul(centred, whitening, { signal })
  const k = Math.min(filters, patches.rows)
  const chosen = dictionary === 'patches' ? rowsOf(whitened, 0, k) : await meansOf(whitened, { k, seed, signal })
  const weights = await matMul(unitRows(chosen), whitening)
  const offsets = Float32Array.from({ length: k }, (_, f) => {
    let sum = 0
    for (let j = 0; j < mean.length; j++) sum += weights.data[f * weights.cols + j]! * mean[j]!
    return sum
  })
  removeRowMeans(weights)
  return { weights, offsets }
}

async function meansOf(
  whitened: Matrix,
  { k, seed, signal }: { k: number; seed: number; signal: AbortSignal | undefined },
): Promise<Matrix> {
  const stop = signal ? { signal } : {}
  return (await kMeans(whitened, { k, seed, iterations: KMEANS_ITERATIONS, ...stop })).centroids
}

/** ZCA: the symmetric matrix that takes the covariance of the patches to (nearly) the identity. */
async function whiteningOf(patches: Matrix, signal?: AbortSignal): Promise<Matrix> {
  const { covariance } = await covarianceOf(patches, { signal })
  const { values, vectors } = symmetricEigen(covariance)
  const d = patches.cols
  const stretched = matrix(d, d)
  const plain = matrix(d, d, Float32Array.from(vectors.data))
  for (let i = 0; i < d; i++)
    for (let j = 0; j < d; j++)
      stretched.data[j * d + i] = vectors.data[i * d + j]! / Math.sqrt(Math.max(values[j]!, 0) + WHITENING_FLOOR)
  return matMul(plain, stretched)
}

function unitRows(m: Matrix): Matrix {
  const out = matrix(m.rows, m.cols, m.data.slice())
  for (let i = 0; i < m.rows; i++) {
    const row = out.data.subarray(i * m.cols, (i + 1) * m.cols)
    const length = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0)) || 1
    for (let j = 0; j < row.length; j++) row[j]! /= length
  }
  return out
}

/** A filter without a mean does not see the mean of the patch. */
function removeRowMeans(m: Matrix): void {
  for (let i = 0; i < m.rows; i++) {
    const row = m.data.subarray(i * m.cols, (i + 1) * m.cols)
    const mean = row.reduce((sum, x) => sum + x, 0) / row.length
    for (let j = 0; j < row.length; j++) row[j]! -= mean
  }
}
