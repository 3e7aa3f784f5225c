/**
 * Which images look most alike: for reasons shown to people, and to ask whether an image's neighbours agree with what is
 * said of it.
 *
 * Nearest neighbours among the images of the own cluster and of those next to it, by distance in the space of likeness:
 * nearly always the true ones, at the cost of some hundred comparisons an image instead of all. O(n·candidates·d).
 */

import { matMulTransposed, matrix, selectRows, type Matrix } from '#core/inference'
import type { ClusterMembers } from './explore.ts'

export interface Neighbours {
  /** Neighbours of each image, the nearest first, [n · size]; −1 where there are fewer. */
  readonly images: Int32Array
  readonly size: number
}

export const NEIGHBOURS = 12
/** Images that each image is compared with, at least: those of its cluster, then of the clusters next to it. */
const CANDIDATES = 240
/** Clusters larger than that are compared in pieces: a bound on memory. */
const ROWS_AT_ONCE = 1_024

/**
 * @param coordinates - [n, d].
 * @param clusters - the images of each cluster; together all.
 */
export async function nearestNeighbours(
  coordinates: Matrix,
  clusters: ClusterMembers,
  signal?: AbortSignal,
): Promise<Neighbours> {
  const images = new Int32Array(coordinates.rows * NEIGHBOURS).fill(-1)
  const near = await nearClusters(coordinates, clusters, signal)
  for (const [cluster, members] of clusters.entries()) {
    const candidates = Int32Array.from(candidatesOf(near[cluster]!, clusters))
    const there = selectRows(coordinates, candidates)
    const lengths = halfSquares(there)
    for (let start = 0; start < members.length; start += ROWS_AT_ONCE) {
      const some = members.slice(start, start + ROWS_AT_ONCE)
      const products = await matMulTransposed(selectRows(coordinates, Int32Array.from(some)), there, { signal })
      some.forEach((image, row) => {
        const closeness = products.data.subarray(row * products.cols, (row + 1) * products.cols)
        keepNearest(images.subarray(image * NEIGHBOURS, (image + 1) * NEIGHBOURS), image, candidates, (at) => {
          return closeness[at]! - lengths[at]!
        })
      })
    }
  }
  return { images, size: NEIGHBOURS }
}

/** Clusters in the order of their distance from each cluster, itself first; as many as candidates are wanted. */
async function nearClusters(
  coordinates: Matrix,
  clusters: ClusterMembers,
  signal: AbortSignal | undefined,
): Promise<number[][]> {
  const means = matrix(clusters.length, coordinates.cols)
  for (const [cluster, members] of clusters.entries())
    for (const image of members)
      for (let j = 0; j < means.cols; j++)
        means.data[cluster * means.cols + j]! += coordinates.data[image * means.cols + j]! / members.length
  const lengths = halfSquares(means)
  const products = await matMulTransposed(means, means, { signal })
  return clusters.map((_, cluster) => {
    const closeness = (other: number): number => products.data[cluster * products.cols + other]! - lengths[other]!
    const others = [...clusters.keys()].filter((other) => other !== cluster)
    return [cluster, ...others.sort((a, b) => closeness(b) - closeness(a) || a - b)]
  })
}

function candidatesOf(near: readonly number[], clusters: ClusterMembers): number[] {
  const out: number[] = []
  for (const cluster of near) {
    if (out.length >= CANDIDATES) break
    out.push(...clusters[cluster]!.slice(0, out.length === 0 ? Infinity : CANDIDATES))
  }
  return out
}

/** Fills `kept` with the candidates of the greatest closeness, `self` left out. */
function keepNearest(kept: Int32Array, self: number, candidates: Int32Array, closeness: (at: number) => number): void {
  const values = new Float64Array(kept.length).fill(-Infinity)
  for (let at = 0; at < candidates.length; at++) {
    const value = closeness(at)
    if (!(value > values[values.length - 1]!) || candidates[at] === self) continue
    let place = values.length - 1
    for (; place > 0 && values[place - 1]! < value; place--) {
      values[place] = values[place - 1]!
      kept[place] = kept[place - 1]!
    }
    values[place] = value
    kept[place] = candidates[at]!
  }
}

function halfSquares(m: Matrix): Float64Array {
  return Float64Array.from({ length: m.rows }, (_, i) => {
    let sum = 0
    for (let j = i * m.cols; j < (i + 1) * m.cols; j++) sum += m.data[j]! ** 2
    return sum / 2
  })
}
