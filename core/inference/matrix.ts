/** Matrices in memory, and what all computations on them share. */

import { PlatformError } from '#core/errors'

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

/** Mean of each column, [cols]. */
export function columnMeans(m: Matrix): Float64Array {
  const means = new Float64Array(m.cols)
  for (let i = 0; i < m.rows; i++) for (let j = 0; j < m.cols; j++) means[j]! += m.data[i * m.cols + j]!
  return means.map((sum) => sum / m.rows)
}

/** `count` indices below `total`, evenly spaced, ascending. */
export function evenlySpaced(total: number, count: number): Int32Array {
  return Int32Array.from({ length: Math.min(count, total) }, (_, i) => Math.floor((i * total) / Math.min(count, total)))
}

export function trace({ data, rows }: Matrix64): number {
  let sum = 0
  for (let i = 0; i < rows; i++) sum += data[i * rows + i]!
  return sum
}

/** In place. */
export function addToDiagonal({ data, rows }: Matrix64, value: number): void {
  for (let i = 0; i < rows; i++) data[i * rows + i]! += value
}
