/**
 * The built-in trainers under the trainer contract: reads the input manifest, fits, writes `model.onnx`, `model.json`
 * and `metrics.json`. A process that hosts this maps errors to exit codes and progress to JSON lines.
 */

import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { PlatformError } from '#core/errors'
import { openOnnxSession, readMatrixFile, type InferenceSession } from '#core/inference'
import { canonicalJson, sha256Hex } from '#core/storage'
import { goldenSet } from './golden.ts'
import {
  inputManifest,
  type HeadMetrics,
  type InputManifest,
  type ModelDescription,
  type TrainerProgress,
} from './manifest.ts'
import { trainHead } from './train-head.ts'

export interface TrainerRun {
  readonly inputManifestPath: string
  /** Exists and is empty. */
  readonly outputDir: string
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: TrainerProgress) => void
}

/** @throws {PlatformError} `INVALID_INPUT` for a manifest that does not fit; what the trainer throws. */
export async function runTrainer({ inputManifestPath, outputDir, signal, onProgress }: TrainerRun): Promise<void> {
  const manifest = await readManifest(inputManifestPath)
  const { model, description, metrics } = await trainHeadJob(manifest, {
    ...(signal ? { signal } : {}),
    ...(onProgress ? { onProgress } : {}),
  })
  await writeFile(path.join(outputDir, 'model.onnx'), model)
  await writeFile(path.join(outputDir, 'model.json'), canonicalJson(description))
  await writeFile(path.join(outputDir, 'metrics.json'), canonicalJson(metrics))
}

/** One training of a head: a function of the manifest and the files that it names. */
export async function trainHeadJob(
  manifest: InputManifest,
  { signal, onProgress }: Pick<TrainerRun, 'signal' | 'onProgress'> = {},
): Promise<{ model: Uint8Array; description: ModelDescription; metrics: HeadMetrics }> {
  const { rows, labels } = manifest.training
  const { file, ...shape } = manifest.embeddings
  const { model, metrics } = await trainHead({
    embedder: await readFile(manifest.embedder),
    features: await readMatrixFile(file, { ...shape, only: rows }),
    labels,
    classes: manifest.classes,
    ...(signal ? { signal } : {}),
    ...(onProgress ? { onProgress } : {}),
  })
  const session = await openOnnxSession(model)
  try {
    return { model, description: await describeModel(manifest, session), metrics }
  } finally {
    await session.release()
  }
}

async function describeModel(manifest: InputManifest, session: InferenceSession): Promise<ModelDescription> {
  const pixels = await readFile(manifest.golden.file)
  return {
    schema: 1,
    trainer: manifest.trainer,
    classes: manifest.classes,
    preprocessing: manifest.preprocessing,
    signature: {
      inputs: session.inputs.map((s) => ({ ...s, dims: [...s.dims] })),
      outputs: session.outputs.map((s) => ({ ...s, dims: [...s.dims] })),
    },
    seeds: { training: manifest.seed },
    inputs: manifest.inputs,
    golden: {
      images: manifest.golden.images,
      pixels: sha256Hex(pixels),
      scores: await goldenSet(session, pixels, manifest.preprocessing),
    },
  }
}

async function readManifest(file: string): Promise<InputManifest> {
  const parsed = inputManifest.safeParse(JSON.parse(await readFile(file, 'utf8')))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]!
  throw new PlatformError('INVALID_INPUT', `input manifest ${file}, ${issue.path.join('.')}: ${issue.message}`)
}
