/**
 * The space in which likeness is judged while people label: made once per session from the embeddings, small enough to
 * refit a classifier between two screens.
 *
 * Principal components, and the features of a kernel on them. Landmarks are evenly spaced rows, which for rows in order of
 * digest is a random sample. Cost O(n·d·128 + m³); memory 512 bytes an image.
 */

import { evenlySpaced, pca, project, rowsOf, selectRows, type Matrix, type Pca } from '#core/inference'
import { makeFeatures, type Features } from './features.ts'

export interface LabelSpace {
  /** What classifiers are fitted on. */
  readonly features: Features
  /** [n, ≤ 128]: principal coordinates, mean squared length 1. */
  readonly coordinates: Matrix
}

const DIMS = 128
const ROWS_AT_ONCE = 32_768
const MIN_LANDMARKS = 256
const MAX_LANDMARKS = 1024

/** @param embeddings - [n, d], rows in ascending order of digest. */
export async function labelSpace(embeddings: Matrix, signal?: AbortSignal): Promise<LabelSpace> {
  const components = await pca(embeddings, Math.min(DIMS, embeddings.cols), {
    sampleRows: 10_000,
    iterations: 6,
    signal,
  })
  const coordinates = await sharedProjection(embeddings, components, signal)
  scaleToUnit(coordinates)
  const landmarks = selectRows(coordinates, evenlySpaced(coordinates.rows, landmarkCount(coordinates.rows)))
  return { features: await makeFeatures(coordinates, landmarks, { signal }), coordinates }
}

/** A quarter of the images, but no more than a fit in a second allows. */
function landmarkCount(images: number): number {
  return Math.max(MIN_LANDMARKS, Math.min(MAX_LANDMARKS, images >> 2))
}

/** In memory that threads read where it lies. */
async function sharedProjection(embeddings: Matrix, components: Pca, signal?: AbortSignal): Promise<Matrix> {
  const { rows } = embeddings
  const { cols } = components.components
  const data = new Float32Array(new SharedArrayBuffer(rows * cols * Float32Array.BYTES_PER_ELEMENT))
  for (let start = 0; start < rows; start += ROWS_AT_ONCE) {
    const block = rowsOf(embeddings, start, Math.min(rows, start + ROWS_AT_ONCE))
    data.set((await project(block, components, { signal })).data, start * cols)
  }
  return { data, rows, cols }
}

/** In place, to a mean squared row length of 1. */
function scaleToUnit(m: Matrix): void {
  let sum = 0
  for (const value of m.data) sum += value * value
  const factor = sum > 0 ? Math.sqrt(m.rows / sum) : 1
  for (let i = 0; i < m.data.length; i++) m.data[i]! *= factor
}
