/** Half-way whitening: few directions in which images differ, the wide ones narrowed, the noise not blown up. */

import { gram, leadingEigenvectors, matMulTransposed, matrix, product, type Matrix } from '#core/inference'

/**
 * The principal directions of rows, each divided by the square root of the standard deviation along it, and all by what
 * gives variance 1 on average. Of fewer rows than columns, they are found among the rows (the same eigenvalues, at the
 * cost of the smaller side).
 *
 * @param rows - [n, d], centred.
 * @returns columns [d, min(kept, n, d)]: rows times them are whitened half way.
 */
export async function whiteningDirections(
  rows: Matrix,
  kept: number,
  signal: AbortSignal | undefined,
): Promise<Matrix> {
  const byRows = rows.rows < rows.cols
  const products = byRows ? await matMulTransposed(rows, rows, { signal }) : await gram(rows, rows, { signal })
  const symmetric = { ...products, data: Float64Array.from(products.data) }
  const count = Math.min(kept, rows.rows, rows.cols)
  if (symmetric.data.every((x) => x === 0)) return firstColumns(rows.cols, count)
  const { values, vectors } = await leadingEigenvectors(symmetric, count, { signal })
  const floor = 1e-6 * values[0]!
  const variances = values.map((value) => Math.max(value, floor) / rows.rows)
  // Eigenvectors among rows come out with the length of the rows' singular values.
  const lengths = byRows ? values.map((value) => Math.sqrt(Math.max(value, floor))) : values.map(() => 1)
  const after = variances.reduce((sum, variance) => sum + Math.sqrt(variance), 0)
  const unit = Math.sqrt(count / after)
  const directions = byRows ? await product('tn', rows, vectors) : vectors
  return matrix(
    rows.cols,
    count,
    directions.data.map((x, i) => (x * unit) / (lengths[i % count]! * variances[i % count]! ** 0.25)),
  )
}

/** Where rows do not differ, any direction will do. */
function firstColumns(cols: number, count: number): Matrix {
  const out = matrix(cols, count)
  for (let j = 0; j < count; j++) out.data[j * count + j] = 1
  return out
}
