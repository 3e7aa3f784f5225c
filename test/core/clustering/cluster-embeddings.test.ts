import { beforeAll, describe, expect, it } from 'vitest'
import { clusterEmbeddings, defaultClusters, inLookSpace, loadClusters, lookSpaceOf } from '#core/clustering'
import { matrix } from '#core/inference'
import type { Embeddings } from '#core/steps'
import { createMemoryStore, putBlob, type ObjectStore } from '#core/storage'
import { stepContext } from '../embedding/striped-images.ts'

/** Two looks, in turns: along the first axis, and along the second; the third is noise. */
const values = Float32Array.from({ length: 60 * 3 }, (_, at) => {
  const [row, axis] = [Math.floor(at / 3), at % 3]
  return axis === 2 ? Math.sin(row) / 10 : axis === row % 2 ? 5 + Math.cos(row) / 10 : 0
})

let store: ObjectStore
let embeddings: Embeddings
beforeAll(async () => {
  store = createMemoryStore()
  const dataset = { kind: 'dataset-version', dataset: 'd', version: 'a'.repeat(64), images: 60 } as const
  const blob = await putBlob(store, new Uint8Array(values.buffer))
  const inputSize = { height: 28, width: 28 }
  embeddings = { kind: 'embeddings', dataset, matrix: blob, images: 60, dims: 3, embedder: blob, inputSize }
})

describe('clustering a version', () => {
  it('puts look-alikes together and stores assignment and mean embeddings', async () => {
    const clusters = await clusterEmbeddings({ embeddings, k: 2, seed: 7 }, await stepContext(store))
    const { assignment, centroids } = await loadClusters(store, clusters)
    expect(assignment).toHaveLength(60)
    for (let i = 2; i < 60; i++) expect(assignment[i]).toBe(assignment[i % 2])
    expect(assignment[0]).not.toBe(assignment[1])
    const even = centroids.data.subarray(3 * assignment[0]!, 3 * assignment[0]! + 3)
    expect(even[0]).toBeCloseTo(5, 1)
    expect(even[1]).toBe(0)
  })

  it('gives the same references each time', async () => {
    const once = await clusterEmbeddings({ embeddings, k: 5, seed: 7 }, await stepContext(store))
    expect(await clusterEmbeddings({ embeddings, k: 5, seed: 7 }, await stepContext(store))).toEqual(once)
  })

  it('refuses more clusters than images', async () => {
    const ctx = await stepContext(store)
    await expect(clusterEmbeddings({ embeddings, k: 61, seed: 7 }, ctx)).rejects.toMatchObject({
      code: 'CLUSTERING_TOO_FEW_IMAGES',
    })
  })
})

it.each([
  [12, 12],
  [400, 20],
  [2_400, 60],
  [60_000, 1_500],
  [1_000_000, 1_500],
])('%i images make %i clusters by default', (images, clusters) => {
  expect(defaultClusters(images)).toBe(clusters)
})

it('the space of looks has at most 128 dimensions, and evens out directions half-way', async () => {
  const wide = matrix(300, 2)
  for (let i = 0; i < 300; i++) {
    wide.data[2 * i] = 100 * Math.sin(i)
    wide.data[2 * i + 1] = Math.cos(i)
  }
  const looks = await inLookSpace(wide, await lookSpaceOf(wide))
  const spread = (axis: number) => Math.sqrt(looks.data.reduce((s, x, at) => (at % 2 === axis ? s + x * x : s), 0))
  // Standard deviations of 100 : 1 become 10 : 1.
  expect(spread(0) / spread(1)).toBeCloseTo(10, 1)
  expect((await lookSpaceOf(matrix(200, 300))).scale).toHaveLength(128)
})
