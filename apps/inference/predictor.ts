/** From the images of several requests to their predictions, in one pass through the model. */

import { scoresOf, type ImageTensor, type RunAlgorithm } from '#core/algorithm'
import { PlatformError } from '#core/errors'
import type { InferenceSession } from '#core/inference'
import type { ImageBatch, Predictions } from '#core/serving'

export interface PredictorOptions {
  readonly session: InferenceSession
  readonly inputSize: { readonly height: number; readonly width: number }
  readonly classes: readonly string[]
  /** Images in one run of the model at most. */
  readonly maxBatch: number
  /** File → uint8 [H, W, 3]. */
  readonly decode: (file: Uint8Array, size: { height: number; width: number }) => Promise<Uint8Array>
  /** Makes one JSON text per image; null: the scores are the answer. */
  readonly algorithm: RunAlgorithm | null
}

export class Predictor {
  private readonly options: PredictorOptions
  private readonly imageBytes: number

  constructor(options: PredictorOptions) {
    this.options = options
    this.imageBytes = options.inputSize.height * options.inputSize.width * 3
  }

  /**
   * @returns one entry per request, in order; an `Error` where one of its images cannot be decoded, or where the model or
   *   the algorithm fails on it.
   */
  async predict(requests: readonly ImageBatch[]): Promise<(Predictions | Error)[]> {
    const decoded = await Promise.all(requests.map((request) => this.pixelsOf(request).catch(asError)))
    const good = decoded.filter((pixels) => pixels instanceof Uint8Array)
    const predictions = await this.predictTogether(good)
    return decoded.map((pixels) => (pixels instanceof Error ? pixels : (predictions.shift() ?? new Error('lost'))))
  }

  /** One pass for all; where it fails, one for each, so that the guilty request fails alone. */
  private async predictTogether(requests: readonly Uint8Array[]): Promise<(Predictions | Error)[]> {
    try {
      const all = await this.predictPixels(concatenate(requests))
      let done = 0
      return requests.map((pixels) => {
        const from = done
        done += pixels.length / this.imageBytes
        const width = this.options.classes.length
        return { scores: all.scores.slice(from * width, done * width), results: all.results?.slice(from, done) ?? null }
      })
    } catch (error) {
      if (requests.length === 1) return [asError(error)]
      return Promise.all(requests.map((pixels) => this.predictPixels(pixels).catch(asError)))
    }
  }

  private async predictPixels(pixels: Uint8Array): Promise<Predictions> {
    const { algorithm, classes, inputSize } = this.options
    const count = pixels.length / this.imageBytes
    const scores = await this.run(pixels)
    if (!algorithm || count === 0) return { scores, results: algorithm ? [] : null }
    const model = {
      classes,
      // The platform ran these images already, for the scores beside the results.
      run: async (images: ImageTensor) =>
        scoresOf(images.data === pixels ? scores : await this.run(images.data), classes.length),
    }
    return { scores, results: await algorithm({ data: pixels, count, ...inputSize }, model) }
  }

  /** Runs in chunks of at most `maxBatch`, so that memory stays flat whatever comes. */
  private async run(pixels: Uint8Array): Promise<Float32Array> {
    const { session, inputSize, classes, maxBatch } = this.options
    const count = pixels.length / this.imageBytes
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
