/** Principal components: the few directions in which rows differ most. */

import { symmetricEigen } from './eigen.ts'
import {
  addToDiagonal,
  breathe,
  evenlySpaced,
  matrix,
  selectRows,
  trace,
  type Matrix,
  type Matrix64,
  type StopOptions,
} from './matrix.ts'
import { covarianceOf, matMul, product } from './products.ts'

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
  const { values, vectors } = await leadingEigenvectors(covariance, kept, { iterations, signal })
  return { mean: Float32Array.from(mean), components: vectors, variances: values }
}

/**
 * The `count` largest eigenvalues of a symmetric matrix without negative ones, descending, and their eigenvectors as
 * columns [n, count], by subspace iteration. The start is fixed, so the result is too.
 *
 * @param symmetric - its diagonal grows by a trillionth of its trace, so that no direction is empty.
 */
export async function leadingEigenvectors(
  symmetric: Matrix64,
  count: number,
  { iterations = 8, signal }: StopOptions & { iterations?: number } = {},
): Promise<{ values: Float64Array; vectors: Matrix }> {
  const kept = Math.min(count, symmetric.cols)
  addToDiagonal(symmetric, 1e-12 * trace(symmetric) + 1e-300)
  const width = Math.min(symmetric.cols, kept + 16)
  // Directions are rows here, which lie together in memory.
  let basis: Matrix64 = { data: startingDirections(width * symmetric.cols), rows: width, cols: symmetric.cols }
  orthonormalise(basis)
  for (let i = 0; i < iterations; i++) {
    await breathe(signal)
    basis = await product('nn', basis, symmetric)
    orthonormalise(basis)
  }
  const { values, vectors } = symmetricEigen(await product('nt', await product('nn', basis, symmetric), basis))
  const rotated = await product('tn', basis, vectors)
  return { values: values.slice(0, kept), vectors: leadingColumns(rotated, kept) }
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
  const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0))
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
