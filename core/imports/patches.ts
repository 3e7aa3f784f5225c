/** Tells how alike two small grey pictures are: Pearson's correlation, pixel by pixel. */

const SIDE = 32
const CELL = 4
const CELLS = (SIDE / CELL) ** 2

/** Below this standard deviation (grey levels of 255) an image has no structure that could correlate. */
const FLAT = 1

export interface Patch {
  /** float32 [32, 32], mean 0 and sum of squares 1. */
  readonly values: Float32Array
  /** float32 [8, 8]: means of cells of 4 × 4, scaled to be a projection of `values`. */
  readonly coarse: Float32Array
  /** Length of what the projection leaves out. */
  readonly rest: number
}

/** How an image is held against another one. */
export const VIEWS = ['plain', 'mirrored', 'flipped'] as const
export type View = (typeof VIEWS)[number]

/** @param grey32 - uint8 [32, 32]. @returns null for a flat image: nothing in it could be told to be the same. */
export function patchOf(grey32: Uint8Array, view: View = 'plain'): Patch | null {
  let sum = 0
  let squares = 0
  for (let i = 0; i < grey32.length; i++) {
    const value = grey32[i]!
    sum += value
    squares += value * value
  }
  const mean = sum / grey32.length
  const deviations = squares - sum * mean
  if (deviations < FLAT * FLAT * grey32.length) return null
  const scale = 1 / Math.sqrt(deviations)
  const turn = view === 'mirrored' ? SIDE - 1 : view === 'flipped' ? SIDE * (SIDE - 1) : 0
  const values = new Float32Array(grey32.length)
  for (let i = 0; i < grey32.length; i++) values[i ^ turn] = (grey32[i]! - mean) * scale
  return { values, ...projection(values) }
}

function projection(values: Float32Array): Pick<Patch, 'coarse' | 'rest'> {
  const coarse = new Float32Array(CELLS)
  for (let i = 0; i < values.length; i++) coarse[((i >> 7) << 3) | ((i >> 2) & 7)]! += values[i]! / CELL
  let length = 0
  for (let c = 0; c < CELLS; c++) length += coarse[c]! * coarse[c]!
  return { coarse, rest: Math.sqrt(Math.max(0, 1 - length)) }
}

/** Float32 sums are off by less than this. */
const SLACK = 1e-4

/**
 * @returns the correlation; where it is below `least` some number below `least`, since the projections alone often show
 *   that (Cauchy and Schwarz bound what they leave out).
 */
export function correlation(a: Patch, b: Patch, least: number): number {
  let coarse = 0
  for (let c = 0; c < CELLS; c++) coarse += a.coarse[c]! * b.coarse[c]!
  const most = coarse + a.rest * b.rest + SLACK
  if (most < least) return most
  let r = 0
  for (let i = 0; i < a.values.length; i++) r += a.values[i]! * b.values[i]!
  return r
}
