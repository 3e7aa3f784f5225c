/** Where to begin when nothing is known: far-apart clusters, and the typical images of each. */

import type { Matrix } from '#core/inference'
import type { LabellingProblem } from './rounds.ts'

/** Images of each cluster, the nearest to its centroid first. */
export type ClusterMembers = readonly (readonly number[])[]

export function typicalFirst({ embeddings, assignment, centroids }: LabellingProblem): ClusterMembers {
  const distance = Float64Array.from(assignment, (cluster, image) => squared(embeddings, image, centroids, cluster))
  const members: number[][] = Array.from({ length: centroids.rows }, () => [])
  assignment.forEach((cluster, image) => members[cluster]!.push(image))
  for (const own of members) own.sort((a, b) => distance[a]! - distance[b]! || a - b)
  return members
}

/**
 * Farthest-first traversal (Gonzalez, 1985) from the largest cluster, over clusters of at least half the median size:
 * smaller ones are mostly outliers.
 *
 * @returns at most `count` cluster indices.
 */
export function farApart(centroids: Matrix, members: ClusterMembers, count: number): number[] {
  const sizes = members.map((own) => own.length)
  const median = sizes.slice().sort((a, b) => a - b)[sizes.length >> 1] ?? 0
  const candidates = sizes.flatMap((size, cluster) => (size > 0 && size >= median / 2 ? [cluster] : []))
  const nearest = new Map(candidates.map((cluster) => [cluster, Infinity]))
  const order: number[] = []
  let next = candidates.reduce((best, cluster) => (sizes[cluster]! > sizes[best]! ? cluster : best), candidates[0] ?? 0)
  while (order.length < count && nearest.size > 0) {
    order.push(next)
    nearest.delete(next)
    let farthest = -1
    for (const [cluster, before] of nearest) {
      const distance = Math.min(before, squared(centroids, cluster, centroids, next))
      nearest.set(cluster, distance)
      if (farthest < 0 || distance > nearest.get(farthest)!) farthest = cluster
    }
    next = farthest
  }
  return order
}

function squared(a: Matrix, i: number, b: Matrix, j: number): number {
  let sum = 0
  for (let k = 0; k < a.cols; k++) sum += (a.data[i * a.cols + k]! - b.data[j * b.cols + k]!) ** 2
  return sum
}
