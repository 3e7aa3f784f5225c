/**
 * The space in which images are compared: few, unit-length dimensions in which look-alikes point the same way.
 *
 * At most 64 principal components of the embeddings, each divided by the square root of its standard deviation (half
 * way to whitening, so that a few strong directions such as brightness do not decide alone), then scaled to length one:
 * inner products are cosines. The space is one ONNX file from an image to its vector, so that an image that no version
 * holds can be looked up by the same numbers.
 */
import { open, type FileHandle } from 'node:fs/promises'
import {
  evenlySpaced,
  joinGraphs,
  matrix,
  OnnxGraph,
  pca,
  project,
  readMatrixFile,
  type Matrix,
  type Pca,
} from '#core/inference'

export const LOOK_DIMS = 64
const SAMPLE_ROWS = 10_000
const ROWS_PER_BLOCK = 16_384

export interface LookSpace {
  readonly found: Pca
  /** What each component is multiplied by. */
  readonly scale: Float64Array
  readonly dims: number
}

interface MatrixFile {
  readonly file: string
  readonly rows: number
  readonly cols: number
}

/** Learnt from at most 10,000 evenly spaced rows. */
export async function lookSpaceOf({ file, rows, cols }: MatrixFile, signal: AbortSignal): Promise<LookSpace> {
  const sample = await readMatrixFile(file, { rows, cols, only: evenlySpaced(rows, SAMPLE_ROWS) })
  const dims = Math.min(LOOK_DIMS, cols, rows)
  const found = await pca(sample, dims, { signal })
  const floor = 1e-6 * Math.max(found.variances[0]!, 1e-12)
  return { found, scale: found.variances.map((variance) => Math.max(variance, floor) ** -0.25), dims }
}

/**
 * Writes all rows in the space, float32 [rows, dims], a block at a time.
 *
 * @param onBlock - told how many rows are done.
 */
export async function projectFile(
  { file, rows, cols }: MatrixFile,
  { found, scale }: LookSpace,
  to: string,
  { signal, onBlock }: { readonly signal: AbortSignal; onBlock(done: number): void },
): Promise<void> {
  const out = await open(to, 'w')
  try {
    for (let start = 0; start < rows; start += ROWS_PER_BLOCK) {
      const count = Math.min(ROWS_PER_BLOCK, rows - start)
      const block = await readRows(file, { start, count, rows, cols })
      await writeMatrix(out, unitRows(await project(block, found, { scale, signal })))
      onBlock(start + count)
    }
  } finally {
    await out.close()
  }
}

/** A run of rows of a matrix in a file. */
export function readRows(
  file: string,
  { start, count, rows, cols }: { start: number; count: number; rows: number; cols: number },
): Promise<Matrix> {
  return readMatrixFile(file, { rows, cols, only: Int32Array.from({ length: count }, (_, i) => start + i) })
}

/** In place; a row of zeros stays one. */
function unitRows(m: Matrix): Matrix {
  for (let i = 0; i < m.rows; i++) {
    const row = m.data.subarray(i * m.cols, (i + 1) * m.cols)
    const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0))
    if (length > 0) for (let j = 0; j < row.length; j++) row[j]! /= length
  }
  return m
}

async function writeMatrix(out: FileHandle, { data }: Matrix): Promise<void> {
  await out.writeFile(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
}

/** @returns ONNX from uint8 [N, H, W, 3] `images` to float32 [N, dims] `look`. */
export function lookModel(embedder: Uint8Array, { found, scale, dims }: LookSpace): Uint8Array {
  const { mean, components } = found
  const directions = matrix(components.rows, components.cols, components.data.slice())
  for (let i = 0; i < directions.data.length; i++) directions.data[i]! *= scale[i % dims]!
  const graph = new OnnxGraph('look', 'look/')
  const centred = graph.node('Sub', ['embedding', graph.constant('mean', mean, [1, mean.length])])
  const axes = graph.constant('axes', directions.data, [directions.rows, dims])
  const unit = graph.node('LpNormalization', [graph.node('MatMul', [centred, axes])], { axis: 1, p: 2 })
  graph.output('look', 'float32', ['N', dims], unit)
  return joinGraphs(embedder, graph, { replaceOutputs: true })
}
