/** An embedder that Gyre did not fit: a user's ONNX file, or what a step trained. Checked, and given the names that Gyre's graphs use. */

import { readFile } from 'node:fs/promises'
import { isPlatformError, PlatformError } from '#core/errors'
import { joinGraphs, OnnxGraph, openOnnxSession, type InferenceSession, type TensorSignature } from '#core/inference'
import type { PixelSize } from '#core/images'
import type { Embedder as Trained } from '#core/steps'
import { readBlob, type ObjectStore } from '#core/storage'
import { FITTED } from './choice.ts'

export interface Embedder {
  /** ONNX from uint8 [N, H, W, 3] `images` to float32 [N, dims] `embedding`. */
  readonly model: Uint8Array
  readonly size: PixelSize
  readonly dims: number
}

/** @throws {PlatformError} `EMBEDDER_INVALID` when the file is missing, no ONNX, or has another signature. */
export async function loadUserEmbedder(path: string): Promise<Embedder> {
  const model = await readFile(path).catch((cause: unknown) => {
    throw invalid(path, `is none of ${FITTED.join(', ')}, and no file that can be read`, cause)
  })
  return checkEmbedder(path, model)
}

/** @throws {PlatformError} `EMBEDDER_INVALID` when the model is no ONNX, or has another signature; `OBJECT_NOT_FOUND`. */
export async function loadTrainedEmbedder(store: ObjectStore, { name, model }: Trained): Promise<Embedder> {
  return checkEmbedder(name, await readBlob(store, model))
}

/**
 * @param name - what the error calls it.
 * @throws {PlatformError} `EMBEDDER_INVALID` when the model is no ONNX, or has another signature.
 */
export async function checkEmbedder(name: string, model: Uint8Array): Promise<Embedder> {
  const session = await openOnnxSession(model).catch((cause: unknown) => {
    throw invalid(name, isPlatformError(cause) ? cause.message : 'cannot be loaded', cause)
  })
  try {
    return await inspect(name, model, session)
  } finally {
    await session.release()
  }
}

async function inspect(path: string, model: Uint8Array, session: InferenceSession): Promise<Embedder> {
  const { inputs, outputs } = session
  const [input] = inputs
  const [output] = outputs
  if (inputs.length !== 1 || outputs.length !== 1 || !input || !output)
    throw invalid(path, `has ${inputs.length} inputs and ${outputs.length} outputs, not one of each`)
  const [batch, height = -1, width = -1, channels] = input.dims
  if (input.type !== 'uint8' || input.dims.length !== 4 || batch !== -1 || channels !== 3 || height < 1 || width < 1)
    throw invalid(path, `takes ${described(input)}`)
  const pixels = new Uint8Array(2 * height * width * 3)
  const result = await session
    .run({ [input.name]: { type: 'uint8', data: pixels, dims: [2, height, width, 3] } })
    .catch((cause: unknown) => {
      throw invalid(path, 'fails on two black images', cause)
    })
  const embedding = result[output.name]!
  const [rows, dims = 0] = embedding.dims
  if (embedding.type !== 'float32' || embedding.dims.length !== 2 || rows !== 2 || dims < 1)
    throw invalid(path, `gives ${described({ ...output, dims: embedding.dims })} for two images`)
  return { model: withOurNames(model, input, output, dims), size: { height, width }, dims }
}

/** Renames input and output, where they differ, by a node at either end. */
function withOurNames(model: Uint8Array, input: TensorSignature, output: TensorSignature, dims: number): Uint8Array {
  let renamed = new Uint8Array(model)
  if (input.name !== 'images') {
    const front = new OnnxGraph('images', 'gyre/')
    const [, height, width] = input.dims as [number, number, number]
    front.alias(input.name, front.input('images', 'uint8', ['N', height, width, 3]))
    renamed = new Uint8Array(joinGraphs(renamed, front, { replaceInputs: true }))
  }
  if (output.name !== 'embedding') {
    const back = new OnnxGraph('embedding', 'gyre/')
    back.output('embedding', 'float32', ['N', dims], output.name)
    renamed = new Uint8Array(joinGraphs(renamed, back, { replaceOutputs: true }))
  }
  return renamed
}

function described({ type, dims }: TensorSignature): string {
  return `${type} [${dims.map((d) => (d === -1 ? '?' : d)).join(', ')}]`
}

function invalid(path: string, why: string, cause?: unknown): PlatformError {
  return new PlatformError(
    'EMBEDDER_INVALID',
    `embedder ${path} ${why}; it must go from uint8 [N, H, W, 3] to float32 [N, d]`,
    { path },
    { cause },
  )
}
