/** The body of `cluster-embeddings`: groups look-alikes, so that people judge a screen of them at once. */

import type { StepContext } from '#core/execution'
import { breathe, matrix, pca, project, readMatrixFile, type Matrix } from '#core/inference'
import type { BlobRef, Clusters, clusterEmbeddings as step, StepInput } from '#core/steps'
import { blobFile, putBlob, readBlob, type ObjectStore } from '#core/storage'
import { kMeans } from './k-means.ts'

const LOOK_DIMS = 128
const IMAGES_PER_CLUSTER = 40

/** @throws {PlatformError} `CLUSTERING_TOO_FEW_IMAGES` when k exceeds the number of images. */
export async function clusterEmbeddings(
  { embeddings, k, seed }: StepInput<typeof step>,
  ctx: StepContext,
): Promise<Clusters> {
  const { images, dims } = embeddings
  const { signal } = ctx
  const file = await blobFile(ctx.store, embeddings.matrix, ctx.scratchDir)
  const vectors = await readMatrixFile(file, { rows: images, cols: dims })
  ctx.progress({ done: 0, unit: 'passes', note: 'finding the main directions' })
  const looks = await lookSpace(vectors, { signal })
  const clusters = k ?? defaultClusters(images)
  const { assignment } = await kMeans(looks, {
    k: clusters,
    seed,
    spherical: true,
    signal,
    onIteration: (done, total) => ctx.progress({ done, total, unit: 'passes', note: `${clusters} clusters` }),
  })
  const centroids = meansOf(vectors, assignment, clusters)
  return {
    kind: 'clusters',
    embeddings,
    k: clusters,
    assignment: await putBlob(ctx.store, bytesOf(assignment)),
    centroids: await putBlob(ctx.store, bytesOf(centroids.data)),
  }
}

/** `assignment` [n] in row order of the embeddings, and the mean embedding of each cluster, [k, d]. */
export async function loadClusters(
  store: ObjectStore,
  { assignment, centroids, k, embeddings }: Clusters,
): Promise<{ assignment: Int32Array; centroids: Matrix }> {
  const read = async (blob: BlobRef) => new Uint8Array(await readBlob(store, blob)).buffer
  return {
    assignment: new Int32Array(await read(assignment)),
    centroids: matrix(k, embeddings.dims, new Float32Array(await read(centroids))),
  }
}

/**
 * Embeddings in the coordinates where look-alikes lie closest together: at most 128 principal components, each divided
 * by the square root of its standard deviation (half way to whitening). Compare directions there, not lengths.
 *
 * @returns [n, ≤ 128].
 */
export async function lookSpace(embeddings: Matrix, { signal }: { signal?: AbortSignal } = {}): Promise<Matrix> {
  const found = await pca(embeddings, Math.min(LOOK_DIMS, embeddings.rows), { signal })
  const floor = 1e-6 * Math.max(found.variances[0]!, 1e-12)
  const scale = found.variances.map((variance) => Math.max(variance, floor) ** -0.25)
  await breathe(signal)
  return project(embeddings, found, { scale, signal })
}

/** A screen's worth of images each; never more clusters than images. */
export function defaultClusters(images: number): number {
  const wanted = Math.round(images / IMAGES_PER_CLUSTER)
  return Math.min(Math.max(wanted, 20), 1500, images)
}

function meansOf(m: Matrix, assignment: Int32Array, k: number): Matrix {
  const out = matrix(k, m.cols)
  const sizes = new Int32Array(k)
  for (const cluster of assignment) sizes[cluster]!++
  for (let i = 0; i < m.rows; i++) {
    const cluster = assignment[i]!
    for (let j = 0; j < m.cols; j++) out.data[cluster * m.cols + j]! += m.data[i * m.cols + j]! / sizes[cluster]!
  }
  return out
}

function bytesOf({ buffer, byteOffset, byteLength }: Int32Array | Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}
