/** The body of `embed-images`: chooses or fits an embedder, runs every image of a version through it, stores both. */

import { open } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { openVersion, pixelMatrix, readPixelRows, type DatasetReader, type PixelMatrix } from '#core/datasets'
import type { StepContext } from '#core/execution'
import { mapBatches, matrix, openSessionPool, readMatrixFile, type Matrix, type Tensors } from '#core/inference'
import type { Embedder as Trained, EmbeddingQuality, Embeddings, embedImages as step, StepInput } from '#core/steps'
import { blobFile, putBlob, putBlobFile, type ObjectStore } from '#core/storage'
import { chooseEmbedder, componentsFor, type EmbedderChoice } from './choice.ts'
import { fitEmbedder, fittingSample, imagesTensor, type FitOptions } from './fit-embedder.ts'
import { inputSizeFor } from './input-size.ts'
import { QualitySample } from './quality.ts'
import { loadTrainedEmbedder, loadUserEmbedder, type Embedder } from './user-embedder.ts'

/** The result does not depend on it; each thread takes about 100 MB. */
const THREADS = Math.min(8, availableParallelism())
/** Small batches keep the maps of all filters in the cache of one core. */
const BATCH_IMAGES = 8
const IMAGES_PER_READ = 256
const PROGRESS_EVERY_IMAGES = 512

/**
 * @throws {PlatformError} `EMBEDDER_INVALID` for an embedder with another signature, or two that Gyre did not fit;
 *   `DATASET_NOT_FOUND`.
 */
export async function embedImages(
  { version, model, embedder: trained, dims, whiten, seed }: StepInput<typeof step>,
  ctx: StepContext,
): Promise<Embeddings> {
  const choice = chooseEmbedder(model, trained !== undefined)
  const reader = await openVersion(ctx.store, version)
  const beside = await foreignEmbedder(ctx.store, choice, trained)
  const pixels = await pixelMatrix(ctx, version, beside?.size ?? inputSizeFor(await reader.facts()))
  const kept = componentsFor(choice, { whiten, images: pixels.images, dims: beside?.dims ?? dims })
  const embedder =
    beside && choice.fitted.length === 0 && kept === null
      ? beside
      : await fitOnTrainingSplit(reader, pixels, { parts: choice.fitted, beside, whiten: kept, dims, seed }, ctx)
  const file = path.join(ctx.scratchDir, 'embeddings.f32')
  const quality = await embedAll(embedder, pixels, file, ctx)
  return {
    kind: 'embeddings',
    dataset: reader.version,
    matrix: await putBlobFile(ctx.store, file),
    images: pixels.images,
    dims: embedder.dims,
    embedder: await putBlob(ctx.store, embedder.model),
    inputSize: embedder.size,
    quality,
  }
}

/** Brought as a file, or trained by a step; undefined where Gyre fits all of it. */
async function foreignEmbedder(
  store: ObjectStore,
  { file }: EmbedderChoice,
  trained: Trained | undefined,
): Promise<Embedder | undefined> {
  if (trained) return loadTrainedEmbedder(store, trained)
  return file === null ? undefined : loadUserEmbedder(file)
}

/**
 * The matrix of embeddings, [images, dims], rows in ascending order of image digest: 4 bytes a value in memory.
 *
 * @param scratchDir - where the file goes when the store is not a folder.
 */
export async function loadEmbeddings(
  store: ObjectStore,
  { matrix: blob, images, dims }: Pick<Embeddings, 'matrix' | 'images' | 'dims'>,
  scratchDir: string,
): Promise<Matrix> {
  return readMatrixFile(await blobFile(store, blob, scratchDir), { rows: images, cols: dims })
}

/** Held-out images take no part: an evaluation on them stays honest. */
async function fitOnTrainingSplit(
  reader: DatasetReader,
  pixels: PixelMatrix,
  options: FitOptions,
  ctx: StepContext,
): Promise<Embedder> {
  const labels = await reader.labels()
  const training = labels.flatMap(({ split, excluded }, row) => (split === 'train' && !excluded ? [row] : []))
  const rows = fittingSample(training.length > 0 ? training : labels.map((_, row) => row))
  const all = await readPixelRows(pixels, rows)
  const imageBytes = all.length / rows.length
  const images = rows.map((_, i) => all.subarray(i * imageBytes, (i + 1) * imageBytes))
  const fitted = await fitEmbedder(images, pixels, (model) => embedInMemory(model, all, pixels, ctx.signal), {
    ...options,
    signal: ctx.signal,
    onProgress: (note) => ctx.progress({ done: 0, total: pixels.images, unit: 'images', note }),
  })
  return { ...fitted, size: { height: pixels.height, width: pixels.width } }
}

/** Writes the matrix row by row, whatever its size, and measures it on the way. */
async function embedAll(
  embedder: Embedder,
  pixels: PixelMatrix,
  file: string,
  ctx: StepContext,
): Promise<EmbeddingQuality> {
  const pool = await openSessionPool(embedder.model, { threads: THREADS })
  const out = await open(file, 'w')
  const sample = new QualitySample(pixels.images)
  try {
    let done = 0
    for await (const { embedding } of mapBatches(pool, batchesOf(pixels), { signal: ctx.signal })) {
      const data = embedding!.data as Float32Array
      await out.writeFile(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
      const rows = embedding!.dims[0]!
      sample.add(matrix(rows, embedder.dims, data))
      done += rows
      if (done % PROGRESS_EVERY_IMAGES === 0 || done === pixels.images)
        ctx.progress({ done, total: pixels.images, unit: 'images', note: 'embedding' })
    }
  } finally {
    await out.close()
    await pool.close()
  }
  return sample.quality()
}

async function embedInMemory(
  model: Uint8Array,
  all: Uint8Array,
  size: PixelMatrix,
  signal: AbortSignal,
): Promise<Matrix> {
  const pool = await openSessionPool(model, { threads: THREADS })
  try {
    const parts: Float32Array[] = []
    for await (const { embedding } of mapBatches(pool, slices(all, size), { signal }))
      parts.push(embedding!.data as Float32Array)
    const rows = all.length / (size.height * size.width * 3)
    const out = matrix(rows, parts.reduce((sum, part) => sum + part.length, 0) / rows)
    let at = 0
    for (const part of parts) {
      out.data.set(part, at)
      at += part.length
    }
    return out
  } finally {
    await pool.close()
  }
}

async function* batchesOf(pixels: PixelMatrix): AsyncGenerator<Tensors> {
  for (let start = 0; start < pixels.images; start += IMAGES_PER_READ) {
    const count = Math.min(IMAGES_PER_READ, pixels.images - start)
    yield* slices(await readPixelRows(pixels, { start, count }), pixels)
  }
}

/** Batches with memory of their own, which can be handed to a thread. */
function* slices(all: Uint8Array, { height, width }: PixelMatrix): Generator<Tensors> {
  const step = BATCH_IMAGES * height * width * 3
  for (let start = 0; start < all.length; start += step)
    yield imagesTensor(all.slice(start, start + step), { height, width })
}
