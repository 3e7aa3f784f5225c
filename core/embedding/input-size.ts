import type { PixelSize } from '#core/images'

/** Sides that a fitted embedder works at, in pixels: all can be halved, and the largest still embeds 200 images/s on 2 cores. */
const SIDES = [28, 32, 48, 64] as const

/** The side nearest to that of the median image. Larger images are scaled down, smaller ones up. */
export function inputSizeFor(images: readonly PixelSize[]): PixelSize {
  const sides = images.map(({ height, width }) => Math.sqrt(height * width)).sort((a, b) => a - b)
  const median = sides[Math.floor(sides.length / 2)]!
  const side = SIDES.reduce((best, s) => (Math.abs(s - median) < Math.abs(best - median) ? s : best))
  return { height: side, width: side }
}
