/** Lays out what a self-supervised training reads, as blobs that its job gets as files. */

import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { openVersion, pixelMatrix } from '#core/datasets'
import { inputSizeFor } from '#core/embedding'
import { PlatformError } from '#core/errors'
import type { StepContext } from '#core/execution'
import type { StepInput, trainEmbedder as step } from '#core/steps'
import { canonicalJson, putBlob, putBlobFile } from '#core/storage'
import { INPUT, type TrainerManifest } from './manifest.ts'

/** File name → digest of a blob. */
export interface TrainingLayout {
  readonly inputs: Readonly<Record<string, string>>
}

type Input = StepInput<typeof step> & { readonly gpus: number }

const PIXELS = 'pixels.u8'
const ROWS = 'rows.u32'
/** Fewer fill no batch whose numbers could vary. */
const LEAST_IMAGES = 32

/**
 * The matrix of pixels that embedding and serving read, too, so that the network learns from the very pixels it will
 * see; and which of its rows belong to the training split. Held-out images teach nothing.
 *
 * @throws {PlatformError} `EMBEDDER_TOO_FEW_IMAGES`; `DATASET_NOT_FOUND`.
 */
export async function layOutTraining(input: Input, ctx: StepContext): Promise<TrainingLayout> {
  const reader = await openVersion(ctx.store, input.version)
  const labels = await reader.labels()
  const rows = labels.flatMap(({ split, excluded }, row) => (split === 'train' && !excluded ? [row] : []))
  if (rows.length < LEAST_IMAGES)
    throw new PlatformError(
      'EMBEDDER_TOO_FEW_IMAGES',
      `${input.version.dataset} has ${rows.length} training images, and a network needs ${LEAST_IMAGES} to learn from; add images, or use a fitted embedder`,
      { dataset: input.version.dataset, images: rows.length, needed: LEAST_IMAGES },
    )
  const pixels = await pixelMatrix(ctx, input.version, inputSizeFor(await reader.facts()))
  const [file, rowsFile] = [pixels.file, path.join(ctx.scratchDir, ROWS)]
  await writeFile(rowsFile, littleEndian(rows))
  const manifest: TrainerManifest = {
    schema: 1,
    trainer: input.trainer,
    seed: input.seed,
    images: { file: PIXELS, count: pixels.images, height: pixels.height, width: pixels.width },
    training: { file: ROWS, count: rows.length },
    network: input.network,
    epochs: input.epochs,
    batchImages: input.batchImages,
    mirror: input.mirror,
    colour: input.colour,
    device: input.gpus > 0 ? 'cuda' : 'auto',
    compile: input.compile,
  }
  const [matrixBlob, rowsBlob, manifestBlob] = [
    await putBlobFile(ctx.store, file),
    await putBlobFile(ctx.store, rowsFile),
    await putBlob(ctx.store, Buffer.from(canonicalJson(manifest))),
  ]
  return { inputs: { [PIXELS]: matrixBlob.sha256, [ROWS]: rowsBlob.sha256, [INPUT]: manifestBlob.sha256 } }
}

function littleEndian(numbers: readonly number[]): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(4 * numbers.length))
  numbers.forEach((number, i) => bytes.setUint32(4 * i, number, true))
  return new Uint8Array(bytes.buffer)
}
