/** The body of `cluster-embeddings`: groups look-alikes, so that people judge a screen of them at once. */

import type { StepContext } from '#core/execution'
import { breathe, evenlySpaced, matrix, pca, project, readMatrixFile } from '#core/inference'
import type { Matrix, Pca, StopOptions } from '#core/inference'
import type { BlobRef, Clusters, clusterEmbeddings as step, StepInput } from '#core/steps'
import { blobFile, putBlob, readBlob, type ObjectStore } from '#core/storage'
import { kMeans } from './k-means.ts'

const LOOK_DIMS = 128
const LOOK_SAMPLE = 20_000
const IMAGES_PER_CLUSTER = 40
const ROWS_PER_READ = 32_768

/**
 * Memory does not grow with the number of images but for 20 bytes of each: embeddings are read in blocks, and a large set is clustered
 * by a sample of 256 images a cluster.
 *
 * @throws {PlatformError} `CLUSTERING_TOO_FEW_IMAGES` when k exceeds the number of images.
 */
export async function clusterEmbeddings(
  { embeddings, k, seed }: StepInput<typeof step>,
  ctx: StepContext,
): Promise<Clusters> {
  const { images, dims } = embeddings
  const { signal } = ctx
  const file = await blobFile(ctx.store, embeddings.matrix, ctx.scratchDir)
  const read = (only: Int32Array): Promise<Matrix> => readMatrixFile(file, { rows: images, cols: dims, only })
  ctx.progress({ done: 0, unit: 'passes', note: 'finding the main directions' })
  const space = await lookSpaceOf(await read(evenlySpaced(images, LOOK_SAMPLE)), { signal })
  const clusters = k ?? defaultClusters(images)
  const looks = {
    rows: images,
    cols: space.found.components.cols,
    read: async (only: Int32Array) => inLookSpace(await read(only), space, { signal }),
  }
  const { assignment } = await kMeans(looks, {
    k: clusters,
    seed,
    spherical: true,
    signal,
    onIteration: (done, total) => ctx.progress({ done, total, unit: 'passes', note: `${clusters} clusters` }),
  })
  const centroids = await meansOf(read, assignment, { clusters, dims, signal })
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
 * The coordinates in which look-alikes lie closest together: at most 128 principal components, each divided by the square
 * root of its standard deviation (half way to whitening). Compare directions there, not lengths.
 */
export interface LookSpace {
  readonly found: Pca
  /** What each component is multiplied by. */
  readonly scale: Float64Array
}

export async function lookSpaceOf(sample: Matrix, options: StopOptions = {}): Promise<LookSpace> {
  const found = await pca(sample, Math.min(LOOK_DIMS, sample.rows), { ...options, sampleRows: LOOK_SAMPLE })
  const floor = 1e-6 * Math.max(found.variances[0]!, 1e-12)
  return { found, scale: found.variances.map((variance) => Math.max(variance, floor) ** -0.25) }
}

/** @returns [n, ≤ 128]. */
export function inLookSpace(
  embeddings: Matrix,
  { found, scale }: LookSpace,
  options: StopOptions = {},
): Promise<Matrix> {
  return project(embeddings, found, { scale, ...options })
}

/** A screen's worth of images each; never more clusters than images. */
export function defaultClusters(images: number): number {
  const wanted = Math.round(images / IMAGES_PER_CLUSTER)
  return Math.min(Math.max(wanted, 20), 1500, images)
}

async function meansOf(
  read: (only: Int32Array) => Promise<Matrix>,
  assignment: Int32Array,
  { clusters, dims, signal }: { clusters: number; dims: number; signal: AbortSignal },
): Promise<Matrix> {
  const out = matrix(clusters, dims)
  const sizes = new Int32Array(clusters)
  for (const cluster of assignment) sizes[cluster]!++
  for (let start = 0; start < assignment.length; start += ROWS_PER_READ) {
    await breathe(signal)
    const count = Math.min(ROWS_PER_READ, assignment.length - start)
    const block = await read(Int32Array.from({ length: count }, (_, i) => start + i))
    for (let i = 0; i < count; i++) {
      const cluster = assignment[start + i]!
      for (let j = 0; j < dims; j++) out.data[cluster * dims + j]! += block.data[i * dims + j]! / sizes[cluster]!
    }
  }
  return out
}

function bytesOf({ buffer, byteOffset, byteLength }: Int32Array | Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}
