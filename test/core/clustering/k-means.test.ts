import { describe, expect, it } from 'vitest'
import { kMeans, nearest, openNearest } from '#core/clustering'
import { matrix, selectRows, type Matrix } from '#core/inference'

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

describe('k-means of more rows than its sample', () => {
  /** Of 300 rows, each of three clusters is made of 20. */
  const options = { k: 3, seed: 7, rowsPerCluster: 20 }

  it('assigns every row, also those that no cluster was made of', async () => {
    const { assignment } = await kMeans(threeHeaps(300), options)
    for (let i = 3; i < 300; i++) expect(assignment[i]).toBe(assignment[i % 3])
    expect(new Set(assignment).size).toBe(3)
  })

  it('sums the distances of all rows', async () => {
    const points = threeHeaps(300)
    const { assignment, centroids, inertia } = await kMeans(points, options)
    let sum = 0
    for (let at = 0; at < points.data.length; at++)
      sum += (points.data[at]! - centroids.data[2 * assignment[at >> 1]! + (at % 2)]!) ** 2
    expect(inertia).toBeCloseTo(sum, 2)
  })

  it('never asks for more rows at once than a block, and holds those of its sample alone', async () => {
    const points = threeHeaps(40_000)
    const asked: number[] = []
    const read = (indices: Int32Array) => {
      asked.push(indices.length)
      return Promise.resolve(selectRows(points, indices))
    }
    const fromBlocks = await kMeans({ rows: points.rows, cols: 2, read }, options)
    expect(Math.max(...asked)).toBeLessThan(40_000)
    expect(asked.reduce((sum, count) => sum + count, 0)).toBe(40_000 + 60)
    expect(fromBlocks).toEqual(await kMeans(points, options))
  })

  it('tells of one pass more, and stops when it is told to', async () => {
    const told: string[] = []
    const stop = new AbortController()
    const onIteration = (done: number, total: number) => {
      told.push(`${done} of ${total}`)
      if (done === 2) stop.abort(new Error('enough'))
    }
    const points = matrix(300, 2)
    for (let i = 0; i < points.data.length; i++) points.data[i] = Math.sin(i * i)
    const running = kMeans(points, { k: 10, seed: 7, rowsPerCluster: 20, onIteration, signal: stop.signal })
    await expect(running).rejects.toThrow('enough')
    expect(told).toEqual(['1 of 13', '2 of 13'])
  })
})

describe('the nearest centroid', () => {
  it('is the one that plain arithmetic finds', async () => {
    const points = threeHeaps(50)
    const centroids = matrix(3, 2, Float32Array.of(1, 2, 9, 1, -1, 8))
    const pool = await openNearest(1)
    const { assignment, distances } = await nearest(pool, points, centroids)
    await pool.close()
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

  it('is the same in threads', async () => {
    const points = threeHeaps(5_000)
    const centroids = selectRows(points, [1, 2, 3, 500, 501, 502])
    const [one, many] = [await openNearest(1), await openNearest(1e12)]
    expect(await nearest(many, points, centroids)).toEqual(await nearest(one, points, centroids))
    await Promise.all([one.close(), many.close()])
  })
})
