/**
 * Shrinks or enlarges small grey images with a triangle filter, widened when it shrinks so that no pixel is passed
 * over. Only fingerprints use it; what models see is resized by libvips.
 */

interface Taps {
  /** First source index of each target index. */
  readonly first: Int32Array
  /** `count` weights for each target index, summing to 1. */
  readonly weights: Float32Array
  readonly count: number
}

const known = new Map<string, Taps>()
/** Working memory, used again from call to call: [height, side] after the first of the two passes. */
let rows = new Float32Array(0)

/**
 * @param grey - uint8 [height, width].
 * @param side - height and width of the result.
 * @returns uint8 [side, side].
 */
export function resampleGrey(
  grey: Uint8Array,
  { height, width }: { readonly height: number; readonly width: number },
  side: number,
): Uint8Array {
  if (width === side && height === side) return grey.slice(0, side * side)
  const across = tapsFor(width, side)
  const down = tapsFor(height, side)
  if (rows.length < height * side) rows = new Float32Array(height * side)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < side; x++) {
      let sum = 0
      const from = y * width + across.first[x]!
      for (let t = 0; t < across.count; t++) sum += grey[from + t]! * across.weights[x * across.count + t]!
      rows[y * side + x] = sum
    }
  const result = new Uint8Array(side * side)
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      let sum = 0
      const from = down.first[y]! * side + x
      for (let t = 0; t < down.count; t++) sum += rows[from + t * side]! * down.weights[y * down.count + t]!
      result[y * side + x] = Math.min(255, Math.round(sum))
    }
  return result
}

function tapsFor(from: number, to: number): Taps {
  const key = `${from}:${to}`
  let taps = known.get(key)
  if (!taps) known.set(key, (taps = makeTaps(from, to)))
  return taps
}

function makeTaps(from: number, to: number): Taps {
  const scale = from / to
  const reach = Math.max(1, scale)
  const count = Math.min(from, Math.ceil(2 * reach) + 1)
  const first = new Int32Array(to)
  const weights = new Float32Array(to * count)
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * scale - 0.5
    first[i] = Math.max(0, Math.min(from - count, Math.ceil(centre - reach)))
    let sum = 0
    for (let t = 0; t < count; t++)
      sum += weights[i * count + t] = Math.max(0, 1 - Math.abs(first[i]! + t - centre) / reach)
    for (let t = 0; t < count; t++) weights[i * count + t] = weights[i * count + t]! / sum
  }
  return { first, weights, count }
}
