import { describe, expect, it } from 'vitest'
import { kMeans, nearest } from '#core/clustering'
import { matrix, type Matrix } from '#core/inference'

/** Points round (0, 0), (10, 0) and (0, 10), taken in turns. */
function threeHeaps(count: number): Matrix {
  const points = matrix(count, 2)
  for (let i = 0; i < count; i++) {
    points.data[2 * i] = (i % 3 === 1 ? 10 : 0) + Math.sin(i)
    points.data[2 * i + 1] = (i % 3 === 2 ? 10 : 0) + Math.cos(3 * i)
  }
  return points
}

describe('k-means', () => {
  it('splits 0, 1, 10, 11 into means 0.5 and 10.5 with inertia 1', async () => {
    const found = await kMeans(matrix(4, 1, Float32Array.of(0, 1, 10, 11)), { k: 2, seed: 1 })
    expect([...found.centroids.data].sort((a, b) => a - b)).toEqual([0.5, 10.5])
    expect(found.inertia).toBeCloseTo(1, 5)
    expect(found.assignment[0]).toBe(found.assignment[1])
    expect(found.assignment[0]).not.toBe(found.assignment[2])
  })

  it('finds heaps that lie apart', async () => {
    const { assignment } = await kMeans(threeHeaps(300), { k: 3, seed: 7 })
    for (let i = 3; i < 300; i++) expect(assignment[i]).toBe(assignment[i % 3])
    expect(new Set(assignment.subarray(0, 3)).size).toBe(3)
  })

  it('gives the same clusters for the same seed', async () => {
    const points = threeHeaps(200)
    const first = await kMeans(points, { k: 20, seed: 5 })
    const second = await kMeans(points, { k: 20, seed: 5 })
    expect(second.assignment).toEqual(first.assignment)
    expect(second.centroids.data).toEqual(first.centroids.data)
  })

  it('leaves no cluster empty, even when all points are equal', async () => {
    const { assignment } = await kMeans(matrix(6, 2), { k: 4, seed: 1 })
    expect(new Set(assignment)).toEqual(new Set([0, 1, 2, 3]))
  })

  it('has no inertia when every point is its own cluster', async () => {
    const found = await kMeans(threeHeaps(12), { k: 12, seed: 3 })
    expect(found.inertia).toBeCloseTo(0, 4)
    expect(new Set(found.assignment).size).toBe(12)
  })

  it('compares directions alone when spherical', async () => {
    const rays = matrix(4, 2, Float32Array.of(1, 0, 100, 1, 0, 1, 1, 100))
    const { assignment, centroids } = await kMeans(rays, { k: 2, seed: 2, spherical: true })
    expect(assignment[0]).toBe(assignment[1])
    expect(assignment[2]).toBe(assignment[3])
    expect(Math.hypot(centroids.data[0]!, centroids.data[1]!)).toBeCloseTo(1, 5)
  })

  it('refuses more clusters than images', async () => {
    await expect(kMeans(matrix(40, 2), { k: 64, seed: 1 })).rejects.toMatchObject({
      code: 'CLUSTERING_TOO_FEW_IMAGES',
      message: 'k=64 exceeds the 40 images in the version; lower k or add images',
    })
  })
})

describe('the nearest centroid', () => {
  it('is the one that plain arithmetic finds', async () => {
    const points = threeHeaps(50)
    const centroids = matrix(3, 2, Float32Array.of(1, 2, 9, 1, -1, 8))
    const { assignment, distances } = await nearest(points, centroids)
    for (let i = 0; i < 50; i++) {
      const all = [0, 1, 2].map(
        (c) =>
          (points.data[2 * i]! - centroids.data[2 * c]!) ** 2 +
          (points.data[2 * i + 1]! - centroids.data[2 * c + 1]!) ** 2,
      )
      expect(assignment[i]).toBe(all.indexOf(Math.min(...all)))
      expect(distances[i]).toBeCloseTo(Math.min(...all), 3)
    }
  })
})
