/** From the images of several requests to their predictions, in one pass through the model. */

import { PlatformError } from '#core/errors'
import type { InferenceSession } from '#core/inference'
import { imageCount, type ImageBatch, type Predictions } from '#core/serving'

export interface PredictorOptions {
  readonly session: InferenceSession
  readonly inputSize: { readonly height: number; readonly width: number }
  readonly classes: readonly string[]
  /** Images in one run of the model at most. */
  readonly maxBatch: number
  /** File → uint8 [H, W, 3]. */
  readonly decode: (file: Uint8Array, size: { height: number; width: number }) => Promise<Uint8Array>
  /** Makes one JSON text per image of the pixels, with the model at hand; null: the scores are the answer. */
  readonly algorithm: ((pixels: Uint8Array, count: number, run: RunModel) => Promise<readonly string[]>) | null
}

/** pixels uint8 [count, H, W, 3] → scores float32 [count, C]. */
export type RunModel = (pixels: Uint8Array, count: number) => Promise<Float32Array>

export class Predictor {
  private readonly options: PredictorOptions
  private readonly imageBytes: number

  constructor(options: PredictorOptions) {
    this.options = options
    this.imageBytes = options.inputSize.height * options.inputSize.width * 3
  }

  /** @returns one entry per request, in order; an `Error` where one of its images cannot be decoded. */
  async predict(requests: readonly ImageBatch[]): Promise<(Predictions | Error)[]> {
    const decoded = await Promise.all(requests.map((request) => this.pixelsOf(request).catch(asError)))
    const good = decoded.filter((pixels) => pixels instanceof Uint8Array)
    const pixels = concatenate(good)
    const total = pixels.length / this.imageBytes
    const scores = await this.run(pixels, total)
    const results = this.options.algorithm ? await this.options.algorithm(pixels, total, this.run) : null
    let done = 0
    return requests.map((request, i) => {
      const own = decoded[i]
      if (own instanceof Error) return own
      const from = done
      done += imageCount(request)
      const width = this.options.classes.length
      return { scores: scores.slice(from * width, done * width), results: results?.slice(from, done) ?? null }
    })
  }

  /** Runs in chunks of at most `maxBatch`, so that memory stays flat whatever comes. */
  private readonly run: RunModel = async (pixels, count) => {
    const { session, inputSize, classes, maxBatch } = this.options
    const scores = new Float32Array(count * classes.length)
    for (let from = 0; from < count; from += maxBatch) {
      const n = Math.min(maxBatch, count - from)
      const data = pixels.subarray(from * this.imageBytes, (from + n) * this.imageBytes)
      const outputs = await session.run({
        images: { type: 'uint8', data, dims: [n, inputSize.height, inputSize.width, 3] },
      })
      scores.set(outputs['scores']?.data as Float32Array, from * classes.length)
    }
    return scores
  }

  private async pixelsOf(request: ImageBatch): Promise<Uint8Array> {
    if (request.kind === 'pixels') return request.pixels
    const { decode, inputSize } = this.options
    const several = request.files.length > 1
    return concatenate(
      await Promise.all(
        request.files.map((file, i) =>
          decode(file, inputSize).catch((error: unknown) => {
            throw several ? atPosition(error, i) : error
          }),
        ),
      ),
    )
  }
}

function atPosition(error: unknown, index: number): unknown {
  return error instanceof PlatformError
    ? new PlatformError(error.code, `element ${index}: ${error.message}`, error.details, { cause: error })
    : error
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts
  if (parts.length === 1 && only) return only
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
