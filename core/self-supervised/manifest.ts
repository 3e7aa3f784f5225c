/** What goes into the self-supervised trainer (`apps/trainer/self_supervised.py`) and what comes out of it. */

import { z } from 'zod'

export const INPUT = 'input.json'
/** In $GYRE_CHECKPOINTS, as `apps/trainer/gyre_trainer.py` has it. */
export const CHECKPOINT = 'checkpoint'
export const OUTPUTS = ['model.onnx', 'model.json', 'metrics.json'] as const

/** `input.json`. Files are names in $GYRE_INPUT. */
export interface TrainerManifest {
  readonly schema: 1
  readonly trainer: 'vicreg'
  readonly seed: number
  /** uint8 [count, height, width, 3], rows in ascending order of image digest. */
  readonly images: { readonly file: string; readonly count: number; readonly height: number; readonly width: number }
  /** uint32 [count], little-endian: the rows to learn from. */
  readonly training: { readonly file: string; readonly count: number }
  readonly network: 'small' | 'large'
  readonly epochs: number
  readonly batchImages: number
  readonly mirror: boolean
  /** How far colours vary, 0–1. */
  readonly colour: number
  /** `cuda` fails where there is no GPU. */
  readonly device: 'auto' | 'cuda'
  readonly compile: boolean
}

/** `model.json`. */
export const embedderDescription = z.object({
  schema: z.literal(1),
  trainer: z.string(),
  dims: z.int().positive(),
  preprocessing: z.object({ height: z.int().positive(), width: z.int().positive(), channels: z.literal(3) }),
  seeds: z.object({ training: z.int() }),
  /** Rows of the matrix of pixels, and what the trainer's own framework makes of them: [rows][dims]. */
  golden: z.object({
    rows: z.array(z.int().nonnegative()).min(1),
    embedding: z.array(z.array(z.number())).min(1),
  }),
})
