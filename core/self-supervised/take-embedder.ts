/** Takes what a self-supervised training made: the model proves itself in ONNX Runtime before anybody uses it. */

import { openVersion, pixelMatrix, readPixelRows } from '#core/datasets'
import { checkEmbedder } from '#core/embedding'
import { PlatformError } from '#core/errors'
import type { StepContext } from '#core/execution'
import { openOnnxSession } from '#core/inference'
import type { BlobRef, Embedder, StepInput, trainEmbedder as step } from '#core/steps'
import { readBlob } from '#core/storage'
import { embedderDescription, type OUTPUTS } from './manifest.ts'

/** What the trainer left, as blobs. */
export type TrainerFiles = Readonly<Record<(typeof OUTPUTS)[number], BlobRef>>

type Input = StepInput<typeof step> & { readonly made: TrainerFiles }

/** How far one number of an embedding, which has variance 1, may lie from what the trainer's own framework computes. */
const TOLERANCE = 0.01

/** @throws {PlatformError} `EMBEDDER_INVALID` when ONNX Runtime computes something else than the trainer did. */
export async function takeEmbedder({ version, made }: Input, ctx: StepContext): Promise<Embedder> {
  const { dims, preprocessing, golden, trainer } = embedderDescription.parse(await json(ctx, made['model.json']))
  const { size, ...embedder } = await checkEmbedder(trainer, await readBlob(ctx.store, made['model.onnx']))
  const { height, width } = preprocessing
  if (embedder.dims !== dims || size.height !== height || size.width !== width)
    throw invalid(`has ${embedder.dims} dimensions for ${size.height} × ${size.width} pixels, not ${dims}`, { trainer })
  const reader = await openVersion(ctx.store, version)
  const pixels = await readPixelRows(await pixelMatrix(ctx, reader.version, size), golden.rows)
  await checkGolden(embedder.model, { trainer, golden, pixels, size })
  ctx.log.info({ metrics: await json(ctx, made['metrics.json']) }, 'trained')
  return { kind: 'embedder', name: trainer, dims, model: made['model.onnx'] }
}

interface Golden {
  readonly trainer: string
  readonly golden: { readonly rows: readonly number[]; readonly embedding: readonly (readonly number[])[] }
  readonly pixels: Uint8Array
  readonly size: { readonly height: number; readonly width: number }
}

async function checkGolden(model: Uint8Array, { trainer, golden, pixels, size }: Golden): Promise<void> {
  const session = await openOnnxSession(model)
  try {
    const dims = [golden.rows.length, size.height, size.width, 3]
    const { embedding } = await session.run({ images: { type: 'uint8', data: pixels, dims } })
    const expected = golden.embedding.flat()
    const furthest = expected.reduce((most, x, i) => Math.max(most, Math.abs(x - Number(embedding!.data[i]))), 0)
    // NaN is not within the tolerance either.
    if (!(furthest <= TOLERANCE))
      throw invalid(`differs by ${furthest.toPrecision(2)} from what its trainer computes`, { trainer, furthest })
  } finally {
    await session.release()
  }
}

function invalid(why: string, details: Record<string, string | number>): PlatformError {
  return new PlatformError(
    'EMBEDDER_INVALID',
    `the model of trainer ${details['trainer']} ${why}; train it again`,
    details,
  )
}

async function json({ store }: StepContext, blob: BlobRef): Promise<unknown> {
  return JSON.parse(Buffer.from(await readBlob(store, blob)).toString())
}
