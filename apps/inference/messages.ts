/** What passes between the HTTP thread and the model threads of a replica. */

import type { ErrorCode } from '#core/errors'
import type { ImageBatch, Predictions, RevisionRecord } from '#core/serving'

/** What a model thread is started with. */
export interface ModelThreadData {
  readonly store: { readonly uri: string; readonly project: string }
  /** Blob of the ONNX file. */
  readonly onnx: string
  readonly classes: readonly string[]
  readonly inputSize: { readonly height: number; readonly width: number }
  readonly maxBatch: number
  readonly algorithm: RevisionRecord['algorithm']
}

export type ToModelThread =
  | { readonly kind: 'predict'; readonly id: number; readonly requests: readonly ImageBatch[] }
  /** Finish what runs, release the session, end. */
  | { readonly kind: 'close' }

export interface PassedError {
  readonly code: ErrorCode
  readonly message: string
}

export type FromModelThread =
  /** Loaded and warmed: milliseconds of one run by number of images. */
  | { readonly kind: 'ready'; readonly warmUp: readonly { readonly images: number; readonly ms: number }[] }
  | { readonly kind: 'fatal'; readonly error: PassedError }
  | {
      readonly kind: 'predicted'
      readonly id: number
      readonly results: readonly (Predictions | { readonly error: PassedError })[]
    }
  | { readonly kind: 'failed'; readonly id: number; readonly error: PassedError }
