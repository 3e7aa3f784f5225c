/** A model's proof of itself: a few images and the scores it gives them, which the registry asks for again. */

import { PlatformError } from '#core/errors'
import type { InferenceSession } from '#core/inference'
import type { PixelSize } from '#core/images'

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
