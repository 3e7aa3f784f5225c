/** A trained model at work on many images: pixels in, one answer per image out. Evaluation and batch tasks share it. */

import { availableParallelism } from 'node:os'
import { mapBatches, openSessionPool, type SessionPool } from '#core/inference'
import { bestClass } from '#core/serving'
import type { TrainedModel } from '#core/steps'
import { readBlob, type ObjectStore } from '#core/storage'

/** The likeliest class and its probability; of equal ones the first, as an endpoint answers. */
export interface Verdict {
  readonly class: string
  readonly score: number
}

export interface Classifier {
  /**
   * Answers batch after batch, in order, while the next ones are being made.
   *
   * @param batches - uint8 [n, H, W, 3] of the model's input size, n ≥ 1; their memory is handed over.
   */
  classify(
    batches: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options?: { signal?: AbortSignal },
  ): AsyncGenerator<readonly Verdict[]>
  close(): Promise<void>
}

/** Fewer images than this are not worth another thread with its own copy of the model. */
const IMAGES_PER_THREAD = 128
const MAX_THREADS = 4

/**
 * A trained model in as many threads as that number of images is worth.
 *
 * @throws {PlatformError} `OBJECT_NOT_FOUND`, or `INVALID_INPUT` when the model does not load.
 */
export async function openModelPool(
  store: ObjectStore,
  { onnx }: Pick<TrainedModel, 'onnx'>,
  images: number,
): Promise<SessionPool> {
  const threads = Math.min(MAX_THREADS, availableParallelism(), Math.ceil(images / IMAGES_PER_THREAD) || 1)
  return openSessionPool(await readBlob(store, onnx), { threads })
}

/**
 * @param images - about how many there will be.
 * @throws {PlatformError} as `openModelPool`.
 */
export async function openClassifier(
  store: ObjectStore,
  model: Pick<TrainedModel, 'onnx' | 'classes' | 'inputSize'>,
  images: number,
): Promise<Classifier> {
  const {
    classes,
    inputSize: { height, width },
  } = model
  const pool = await openModelPool(store, model, images)
  async function* tensors(batches: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
    for await (const data of batches) {
      const dims = [data.length / (height * width * 3), height, width, 3]
      yield { images: { type: 'uint8' as const, data, dims } }
    }
  }
  return {
    async *classify(batches, options = {}) {
      for await (const { scores } of mapBatches(pool, tensors(batches), options))
        yield verdicts(scores!.data as Float32Array, classes)
    },
    close: () => pool.close(),
  }
}

function verdicts(scores: Float32Array, classes: readonly string[]): Verdict[] {
  return Array.from({ length: scores.length / classes.length }, (_, i) => {
    const row = scores.subarray(i * classes.length, (i + 1) * classes.length)
    const best = bestClass(row)
    return { class: classes[best]!, score: row[best]! }
  })
}
