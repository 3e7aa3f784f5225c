/**
 * The contract between Gyre and a trainer in any language: an input manifest (JSON) and an empty output folder go in;
 * `model.onnx`, `model.json` and `metrics.json` come out. All paths are absolute; matrices are raw, little-endian, row-major.
 */

import { z } from 'zod'

export const inputManifest = z.object({
  schema: z.literal(1),
  trainer: z.enum(['head']),
  seed: z.int(),
  /** ONNX from uint8 [N, H, W, 3] `images` to float32 [N, d] `embedding`. */
  embedder: z.string(),
  /** float32 [rows, cols], one row per image of the version. */
  embeddings: z.object({ file: z.string(), rows: z.int().positive(), cols: z.int().positive() }),
  /** Ascending; a label is an index into this list. */
  classes: z.array(z.string()).min(2),
  /** Rows of `embeddings` to learn from, ascending, and their labels. */
  training: z.object({ rows: z.array(z.int().nonnegative()), labels: z.array(z.int().nonnegative()) }),
  /** uint8 [images, height, width, 3]: held-out images whose scores the model carries as its proof. */
  golden: z.object({ file: z.string(), images: z.int().positive() }),
  preprocessing: z.object({
    height: z.int().positive(),
    width: z.int().positive(),
    channels: z.literal(3),
    resize: z.literal('stretch'),
    decoder: z.string(),
  }),
  /** Digests of what was learnt from; copied into `model.json`. */
  inputs: z.record(z.string(), z.string()),
})
export type InputManifest = z.infer<typeof inputManifest>

const signature = z.object({ name: z.string(), type: z.string(), dims: z.array(z.int()) })

/** `model.json`: all that a server or an evaluation must know beside the weights. */
export const modelDescription = z.object({
  schema: z.literal(1),
  trainer: z.string(),
  classes: z.array(z.string()).min(2),
  preprocessing: inputManifest.shape.preprocessing,
  signature: z.object({ inputs: z.array(signature), outputs: z.array(signature) }),
  seeds: z.record(z.string(), z.int()),
  inputs: z.record(z.string(), z.string()),
  /** What the model must answer for a few images, to be checked before it serves. */
  golden: z.object({
    images: z.int().positive(),
    /** SHA-256 of the pixels, uint8 [images, height, width, 3]: a blob of the store. */
    pixels: z.string(),
    /** [images][classes]. */
    scores: z.array(z.array(z.number())),
  }),
})
export type ModelDescription = z.infer<typeof modelDescription>

/** `metrics.json` of the head trainer. */
export interface HeadMetrics {
  readonly labels: number
  readonly labelsPerClass: Readonly<Record<string, number>>
  /** The penalty, relative to the mean variance of the features. */
  readonly lambda: number
  /** Ridge scores are multiplied by this before the softmax. */
  readonly sharpness: number
  /** Of predictions by fits without the image itself; training labels, so no substitute for an evaluation. */
  readonly leaveOneOut: { readonly images: number; readonly accuracy: number; readonly logLoss: number }
}

export interface TrainerProgress {
  readonly done: number
  readonly total: number
  readonly unit: string
  readonly note: string
}
