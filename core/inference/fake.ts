/** A session without a runtime, for tests of what stands around one: a function of the images, with a chosen delay. */

import { PlatformError } from '#core/errors'
import type { InferenceSession, Tensor } from './session.ts'

export interface FakeModel {
  readonly height: number
  readonly width: number
  readonly classes: number
  /** Scores of one image, [classes], from its pixels uint8 [height, width, 3]. */
  readonly score: (pixels: Uint8Array) => readonly number[]
  /** Awaited before each answer, so that a test decides when runs end. */
  readonly gate?: () => Promise<void>
}

/** A classifier with the signature of Gyre's models: uint8 [N, H, W, 3] `images` → float32 [N, C] `scores`. */
export function fakeSession({ height, width, classes, score, gate }: FakeModel): InferenceSession {
  const size = height * width * 3
  return {
    inputs: [{ name: 'images', type: 'uint8', dims: [-1, height, width, 3] }],
    outputs: [{ name: 'scores', type: 'float32', dims: [-1, classes] }],
    async run({ images }) {
      if (images?.type !== 'uint8' || images.data.length % size !== 0)
        throw new PlatformError('INVALID_INPUT', `the model wants uint8 [N, ${height}, ${width}, 3] as "images"`)
      await gate?.()
      const pixels = images.data as Uint8Array
      const count = pixels.length / size
      const scores = Float32Array.from(
        Array.from({ length: count }, (_, i) => score(pixels.subarray(i * size, (i + 1) * size))).flat(),
      )
      return { scores: { type: 'float32', data: scores, dims: [count, classes] } satisfies Tensor }
    },
    release: async () => {},
  }
}
