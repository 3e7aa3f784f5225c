/** A model's proof of itself: a few images and the scores it gives them, checked wherever the model is about to serve. */

import { PlatformError } from '#core/errors'
import type { InferenceSession } from '#core/inference'
import type { PixelSize } from '#core/images'

/** Scores may differ in the last bits between processor types. */
const TOLERANCE = 1e-3

/**
 * What the model answers, image by image.
 *
 * @param pixels - uint8 [n, height, width, 3].
 * @returns [n][classes].
 */
export async function goldenSet(
  session: InferenceSession,
  pixels: Uint8Array,
  { height, width }: PixelSize,
): Promise<number[][]> {
  const size = height * width * 3
  const rows: number[][] = []
  for (let start = 0; start < pixels.length; start += size) {
    const data = pixels.slice(start, start + size)
    const { scores } = await session.run({ images: { type: 'uint8', data, dims: [1, height, width, 3] } })
    if (!scores) throw new PlatformError('MODEL_REFUSED', 'the model has no output "scores"; train or export it again')
    rows.push(Array.from(scores.data as Float32Array))
  }
  return rows
}

/**
 * Runs the golden images again and compares.
 *
 * @throws {PlatformError} `MODEL_REFUSED` when a score differs by more than 0.001.
 */
export async function checkGolden(
  session: InferenceSession,
  pixels: Uint8Array,
  size: PixelSize,
  expected: readonly (readonly number[])[],
): Promise<void> {
  const actual = await goldenSet(session, pixels, size)
  if (actual.length !== expected.length)
    throw new PlatformError(
      'MODEL_REFUSED',
      `the model has ${expected.length} golden scores for ${actual.length} images`,
    )
  actual.forEach((scores, image) => {
    scores.forEach((score, c) => {
      const wanted = expected[image]![c] ?? NaN
      if (!(Math.abs(score - wanted) <= TOLERANCE))
        throw new PlatformError(
          'MODEL_REFUSED',
          `golden image ${image} scores ${score.toFixed(4)} for class ${c} instead of ${wanted.toFixed(4)} (± ${TOLERANCE}); train or export the model again`,
          { image, class: c, score, wanted },
        )
    })
  })
}
