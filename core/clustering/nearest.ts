/**
 * The nearest centroid of every row: nearly all the work of k-means. One product and an ArgMax in ONNX Runtime, piece by
 * piece on all cores where that is worth starting threads for. Results do not depend on the number of threads. Cost
 * O(n·k·d): 60,000 × 256 against 1,000 centroids in about 0.2 s on two cores.
 */

import { availableParallelism } from 'node:os'
import { mapBatches, OnnxGraph, openSessionPool, rowsOf } from '#core/inference'
import type { Matrix, SessionPool, StopOptions, Tensor, Tensors } from '#core/inference'

export interface Nearest {
  /** Index of the centroid of each row, [n]. */
  readonly assignment: Int32Array
  /** Squared distance to it, [n]. */
  readonly distances: Float64Array
}

/** Similarities held at once by each thread: 16 MiB. */
const VALUES_PER_PIECE = 4_000_000
/** Multiply-adds, in one pass, from which on threads are started: a tenth of a second on one core. */
const WORK_FOR_THREADS = 4e9
/** More threads would only wait for memory. */
const MAX_THREADS = 8

/** @param multiplyAdds - n·k·d of one pass. */
export function openNearest(multiplyAdds: number): Promise<SessionPool> {
  const threads = multiplyAdds < WORK_FOR_THREADS ? 0 : Math.min(MAX_THREADS, availableParallelism())
  return openSessionPool(nearestModel(), { threads })
}

/**
 * @param points - [n, d].
 * @param centroids - [k, d].
 * @param norms - squared length of each point, [n], where known already.
 */
export async function nearest(
  pool: SessionPool,
  points: Matrix,
  centroids: Matrix,
  { norms = squaredNorms(points), signal }: StopOptions & { readonly norms?: Float64Array } = {},
): Promise<Nearest> {
  const assignment = new Int32Array(points.rows)
  const distances = new Float64Array(points.rows)
  let start = 0
  for await (const found of mapBatches(pool, pieces(points, centroids), signal ? { signal } : {})) {
    assignment.set(found.cluster!.data as Int32Array, start)
    const similarity = found.similarity!.data as Float32Array
    for (let i = 0; i < similarity.length; i++)
      distances[start + i] = Math.max(0, norms[start + i]! - 2 * similarity[i]!)
    start += similarity.length
  }
  return { assignment, distances }
}

/** What the pool is handed over, so all of it copies. */
function* pieces(points: Matrix, centroids: Matrix): Generator<Tensors> {
  const offsets = Float32Array.from(squaredNorms(centroids), (norm) => -norm / 2)
  const step = Math.max(64, Math.floor(VALUES_PER_PIECE / centroids.rows))
  for (let start = 0; start < points.rows; start += step) {
    const piece = rowsOf(points, start, Math.min(points.rows, start + step))
    yield {
      points: copied(piece),
      centroids: copied(centroids),
      offsets: { type: 'float32', data: offsets.slice(), dims: [offsets.length] },
    }
  }
}

function copied({ data, rows, cols }: Matrix): Tensor {
  return { type: 'float32', data: data.slice(), dims: [rows, cols] }
}

/** |x − c|² is least where x·c − |c|²/2 is largest, which is one product and an ArgMax. */
function nearestModel(): Uint8Array {
  const graph = new OnnxGraph('nearest centroid')
  const points = graph.input('points', 'float32', ['N', 'D'])
  const centroids = graph.input('centroids', 'float32', ['K', 'D'])
  const offsets = graph.input('offsets', 'float32', ['K'])
  const similarity = graph.node('Gemm', [points, centroids, offsets], { transB: 1 })
  const cluster = graph.node('ArgMax', [similarity], { axis: 1, keepdims: 0 })
  const axes = graph.constant('axes', BigInt64Array.of(1n), [1])
  graph.output('cluster', 'int32', ['N'], graph.node('Cast', [cluster], { to: 6 }))
  graph.output('similarity', 'float32', ['N'], graph.node('ReduceMax', [similarity, axes], { keepdims: 0 }))
  return graph.toBytes()
}

/** Squared length of each row, [n]. */
export function squaredNorms({ data, rows, cols }: Matrix): Float64Array {
  const norms = new Float64Array(rows)
  for (let i = 0; i < rows; i++) {
    let sum = 0
    for (let at = i * cols; at < (i + 1) * cols; at++) sum += data[at]! * data[at]!
    norms[i] = sum
  }
  return norms
}
