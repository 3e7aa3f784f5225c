/** The body of `train-classifier`: lays out what a trainer needs, runs it, and stores what it made under one digest. */

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { openVersion, pixelMatrix, readPixelRows, type DatasetReader, type ImageLabel } from '#core/datasets'
import { PlatformError } from '#core/errors'
import type { StepContext } from '#core/execution'
import { DECODER_VERSION } from '#core/images'
import { evenlySpaced } from '#core/inference'
import { requireCertificate } from '#core/labelling'
import type { Embeddings, StepInput, trainClassifier as step, TrainedModel } from '#core/steps'
import { blobFile, digestJson, putBlob, putBlobFile } from '#core/storage'
import { modelDescription, type InputManifest, type ModelDescription } from './manifest.ts'
import { runTrainer, type TrainerRun } from './run-trainer.ts'

const GOLDEN_IMAGES = 8

type Input = StepInput<typeof step>

/** Carries out one training: in this thread, or in a process or Pod of its own. */
export type Trainer = (run: TrainerRun) => Promise<void>

/**
 * Trains in this thread.
 *
 * @throws {PlatformError} `TOO_FEW_LABELS`, `DATASET_ONE_CLASS`; `INVALID_INPUT` when the embeddings are of other images;
 *   `CERTIFICATE_REQUIRED`, `CERTIFICATE_INVALID` where the labels must be certified and are not.
 */
export function trainClassifier(input: Input, ctx: StepContext): Promise<TrainedModel> {
  return trainWith(runTrainer, input, ctx)
}

/** As `trainClassifier`, wherever the trainer runs. */
export async function trainWith(trainer: Trainer, input: Input, ctx: StepContext): Promise<TrainedModel> {
  if (input.requireCertificate !== undefined)
    await requireCertificate(ctx.store, input.version, input.requireCertificate)
  const outputDir = path.join(ctx.scratchDir, 'output')
  await mkdir(outputDir)
  const inputManifestPath = path.join(ctx.scratchDir, 'input.json')
  const { manifest, goldenFile } = await layOut(input, ctx)
  await writeFile(inputManifestPath, JSON.stringify(manifest))
  await trainer({ inputManifestPath, outputDir, signal: ctx.signal, onProgress: ctx.progress })

  const description = modelDescription.parse(JSON.parse(await readFile(path.join(outputDir, 'model.json'), 'utf8')))
  await putBlobFile(ctx.store, goldenFile)
  const onnx = await putBlobFile(ctx.store, path.join(outputDir, 'model.onnx'))
  const metrics = JSON.parse(await readFile(path.join(outputDir, 'metrics.json'), 'utf8')) as unknown
  ctx.log.info({ metrics }, 'trained')
  return {
    kind: 'trained-model',
    digest: modelDigest(onnx.sha256, description),
    onnx,
    description: await putBlob(ctx.store, await readFile(path.join(outputDir, 'model.json'))),
    trainer: description.trainer,
    classes: description.classes,
    inputSize: { height: description.preprocessing.height, width: description.preprocessing.width },
  }
}

/** Covers content alone: weights, classes, preprocessing, signature, inputs and seeds; not the run, the time or the host. */
export function modelDigest(onnxSha256: string, description: ModelDescription): string {
  const { classes, preprocessing, signature, trainer, seeds, inputs } = description
  return digestJson({ onnx: onnxSha256, classes, preprocessing, signature, trainer, seeds, inputs })
}

/** Brings what the trainer reads into the scratch folder and describes it. */
async function layOut(
  { version, embeddings, trainer, seed }: Input,
  ctx: StepContext,
): Promise<{ manifest: InputManifest; goldenFile: string }> {
  const reader = await openVersion(ctx.store, version)
  const labels = await reader.labels()
  const rowOf = await rowsByDigest(reader, embeddings, ctx)
  const training = labels.filter(takesPartInTraining)
  const classes = [...new Set(training.map(({ label }) => label!))].sort()
  checkClasses(training, classes, version.dataset)
  const goldenFile = path.join(ctx.scratchDir, 'golden.u8')
  const golden = await writeGolden(goldenFile, { input: { version, embeddings }, labels, ctx })
  const manifest: InputManifest = {
    schema: 1,
    trainer,
    seed,
    embedder: await blobFile(ctx.store, embeddings.embedder, ctx.scratchDir),
    embeddings: {
      file: await blobFile(ctx.store, embeddings.matrix, ctx.scratchDir),
      rows: embeddings.images,
      cols: embeddings.dims,
    },
    classes,
    training: {
      rows: training.map(({ digest }) => rowOf(digest)),
      labels: training.map(({ label }) => classes.indexOf(label!)),
    },
    golden: { file: goldenFile, images: golden },
    preprocessing: { ...embeddings.inputSize, channels: 3, resize: 'stretch', decoder: DECODER_VERSION },
    inputs: { version: version.version, embedder: embeddings.embedder.sha256 },
  }
  return { manifest, goldenFile }
}

function takesPartInTraining({ split, label, excluded }: ImageLabel): boolean {
  return split === 'train' && label !== null && excluded === null
}

/** Said here, before anything is computed, with the name of the dataset. */
function checkClasses(training: readonly ImageLabel[], classes: readonly string[], dataset: string): void {
  if (training.length === 0)
    throw new PlatformError('TOO_FEW_LABELS', `no training image of ${dataset} has a label; label some first`, {
      dataset,
    })
  if (classes.length < 2)
    throw new PlatformError(
      'DATASET_ONE_CLASS',
      `all ${training.length} labelled training images of ${dataset} are "${classes[0]}"; label images of a second class`,
      { dataset, labels: training.length },
    )
}

/** Where an image's embedding is: the version with the labels may have been made from the one that was embedded. */
async function rowsByDigest(
  reader: DatasetReader,
  embeddings: Embeddings,
  { store }: StepContext,
): Promise<(digest: string) => number> {
  const same = reader.version.version === embeddings.dataset.version
  const embedded = same ? reader : await openVersion(store, embeddings.dataset)
  const rows = new Map((await embedded.labels()).map(({ digest }, row) => [digest, row]))
  return (digest) => {
    const row = rows.get(digest)
    if (row !== undefined) return row
    throw new PlatformError(
      'INVALID_INPUT',
      `image ${digest} of ${reader.version.dataset} has no embedding; embed this version of the dataset`,
      { digest, version: reader.version.version, embedded: embeddings.dataset.version },
    )
  }
}

/** A few held-out images, evenly spaced by digest; training images where nothing is held out. */
async function writeGolden(
  file: string,
  {
    input: { version, embeddings },
    labels,
    ctx,
  }: { input: Pick<Input, 'version' | 'embeddings'>; labels: readonly ImageLabel[]; ctx: StepContext },
): Promise<number> {
  const heldOut = labels.flatMap(({ split }, row) => (split === 'test' ? [row] : []))
  const candidates = heldOut.length > 0 ? heldOut : labels.map((_, row) => row)
  const rows = Array.from(evenlySpaced(candidates.length, GOLDEN_IMAGES), (i) => candidates[i]!)
  const pixels = await pixelMatrix(ctx, version, embeddings.inputSize)
  await writeFile(file, await readPixelRows(pixels, rows))
  return rows.length
}
