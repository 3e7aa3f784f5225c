/** What can be said of an embedding without a single label. */

import {
  columnMeans,
  evenlySpaced,
  gram,
  matMulTransposed,
  matrix,
  symmetricEigenvalues,
  type Matrix,
} from '#core/inference'
import type { EmbeddingQuality } from '#core/steps'

/** More would cost seconds; a rank is at most one less. */
const IMAGES = 512

/** Collects, while embeddings are made row by row, the evenly spaced ones of `images` that quality is measured on. */
export class QualitySample {
  readonly #wanted: Int32Array
  readonly #rows: Float32Array[] = []
  #seen = 0

  constructor(images: number) {
    this.#wanted = evenlySpaced(images, IMAGES)
  }

  /** @param block - the next rows, in order; copied where kept. */
  add(block: Matrix): void {
    for (; this.#rows.length < this.#wanted.length;) {
      const row = this.#wanted[this.#rows.length]! - this.#seen
      if (row >= block.rows) break
      this.#rows.push(block.data.slice(row * block.cols, (row + 1) * block.cols))
    }
    this.#seen += block.rows
  }

  async quality(): Promise<EmbeddingQuality> {
    const sample = matrix(this.#rows.length, this.#rows[0]?.length ?? 0)
    this.#rows.forEach((row, i) => sample.data.set(row, i * sample.cols))
    return { effectiveRank: await effectiveRank(sample), images: sample.rows }
  }
}

/**
 * In how many directions rows differ: exp of the entropy of the singular values of the centred rows, as shares of their sum
 * (RankMe, Garrido, Balestriero, Najman & LeCun, ICML 2023). 1 where all rows are equal.
 *
 * @param embeddings - [n, d]; the result is at most min(n − 1, d). Cost O(min(n, d)³).
 */
export async function effectiveRank(embeddings: Matrix): Promise<number> {
  const { rows, cols, data } = embeddings
  const means = columnMeans(embeddings)
  const centred = matrix(
    rows,
    cols,
    data.map((x, i) => x - means[i % cols]!),
  )
  const products = rows < cols ? await matMulTransposed(centred, centred) : await gram(centred)
  const values = symmetricEigenvalues({ ...products, data: Float64Array.from(products.data) })
  // Beyond the precision of float32 there is only noise.
  const singular = values.map((value) => (value > 1e-10 * values[0]! ? Math.sqrt(value) : 0))
  const total = singular.reduce((sum, x) => sum + x, 0)
  if (total === 0) return 1
  return Math.exp(singular.reduce((sum, x) => sum - (x > 0 ? (x / total) * Math.log(x / total) : 0), 0))
}
