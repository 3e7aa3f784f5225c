import { describe, expect, it } from 'vitest'
import { NEIGHBOURS, nearestNeighbours } from '../../../core/labelling/neighbours.ts'
import { typicalFirst } from '../../../core/labelling/explore.ts'
import { squaredDistance } from '../../../core/labelling/grids.ts'
import { makeBlobs } from './blobs.ts'

describe('nearest neighbours', () => {
  it('are nearly always the true ones, the nearest first, and never the image itself', async () => {
    const { problem } = makeBlobs({ images: 480, classes: 4, spread: 0.1, seed: 2 })
    const { embeddings } = problem
    const { images } = await nearestNeighbours(embeddings, typicalFirst(problem))
    let right = 0
    for (let image = 0; image < 480; image++) {
      const found = [...images.subarray(image * NEIGHBOURS, (image + 1) * NEIGHBOURS)]
      const distance = (other: number) => squaredDistance(embeddings, image, other)
      expect(found).not.toContain(image)
      for (let i = 1; i < found.length; i++)
        expect(distance(found[i]!)).toBeGreaterThanOrEqual(distance(found[i - 1]!) - 1e-5)
      const all = Array.from({ length: 480 }, (_, i) => i).filter((other) => other !== image)
      const truth = new Set(all.sort((a, b) => distance(a) - distance(b)).slice(0, NEIGHBOURS))
      right += found.filter((other) => truth.has(other)).length
    }
    expect(right / (480 * NEIGHBOURS)).toBeGreaterThan(0.9)
  })

  it('are fewer in a small set', async () => {
    const coordinates = { data: Float32Array.from([0, 1, 3]), rows: 3, cols: 1 }
    const { images } = await nearestNeighbours(coordinates, [[0, 1], [2]])
    expect([...images.subarray(0, 3)]).toEqual([1, 2, -1])
  })
})
