/** Small squares of images, evened out in brightness and contrast: what a fitted embedder learns its filters from. */

import type { Random } from '#core/clustering'
import { matrix, type Matrix } from '#core/inference'
import type { PixelSize } from '#core/images'

/** Float32 [channels, height, width] with values 0–255. */
export interface Planes extends PixelSize {
  readonly channels: number
  readonly data: Float32Array
}

/** Added to the variance of a patch (in squared grey levels), so that flat patches stay flat. */
export const CONTRAST_FLOOR = 10

/** One image as planes: three for colour, their mean for grey. */
export function toPlanes(pixels: Uint8Array, { height, width }: PixelSize, channels: 1 | 3): Planes {
  const area = height * width
  const data = new Float32Array(channels * area)
  for (let i = 0; i < area; i++) {
    const [red, green, blue] = [pixels[3 * i]!, pixels[3 * i + 1]!, pixels[3 * i + 2]!]
    if (channels === 1) data[i] = (red + green + blue) / 3
    else {
      data[i] = red
      data[area + i] = green
      data[2 * area + i] = blue
    }
  }
  return { channels, height, width, data }
}

/** One `by`-th of the size, each pixel the mean of a square; what is left over at the far edges falls away. */
export function shrink({ channels, height, width, data }: Planes, by: number): Planes {
  const [h, w] = [Math.floor(height / by), Math.floor(width / by)]
  const out = new Float32Array(channels * h * w)
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < h; y++)
      for (let x = 0; x < w; x++) {
        let sum = 0
        for (let dy = 0; dy < by; dy++)
          for (let dx = 0; dx < by; dx++) sum += data[(c * height + by * y + dy) * width + by * x + dx]!
        out[(c * h + y) * w + x] = sum / by ** 2
      }
  return { channels, height: h, width: w, data: out }
}

/**
 * Patches at random places of random images, each with mean 0 and divided by its contrast.
 *
 * @param images - all of the same shape.
 * @returns [count, channels·side·side], channel by channel, row by row: the order of a convolution's weights.
 */
export function samplePatches(images: readonly Planes[], side: number, count: number, random: Random): Matrix {
  const { channels, height, width } = images[0]!
  const patches = matrix(count, channels * side * side)
  for (let i = 0; i < count; i++) {
    const image = images[Math.floor(random() * images.length)]!
    const top = Math.floor(random() * (height - side + 1))
    const left = Math.floor(random() * (width - side + 1))
    const patch = patches.data.subarray(i * patches.cols, (i + 1) * patches.cols)
    let next = 0
    for (let c = 0; c < channels; c++)
      for (let y = top; y < top + side; y++)
        for (let x = left; x < left + side; x++) patch[next++] = image.data[(c * height + y) * width + x]!
    evenOut(patch)
  }
  return patches
}

function evenOut(patch: Float32Array): void {
  const mean = patch.reduce((sum, x) => sum + x, 0) / patch.length
  const variance = patch.reduce((sum, x) => sum + (x - mean) ** 2, 0) / patch.length
  const contrast = Math.sqrt(variance + CONTRAST_FLOOR)
  for (let i = 0; i < patch.length; i++) patch[i] = (patch[i]! - mean) / contrast
}
