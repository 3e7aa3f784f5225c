/**
 * Tells whether one image is a piece of another: pieces of 80 % and more of its height and width are tried as they lie
 * on a grid, by their perceptual hash, and one that looks alike is moved and scaled until it fits best.
 *
 * Costs about a millisecond per image: worth it where decoding costs as much, and pointless where images are tiny.
 */
import { perceptualHash } from '#core/images'
import { correlation, patchOf, type Patch } from './patches.ts'

const SIDE = 32

/** A square of an image, in shares of its width and height. */
export interface Window {
  readonly x: number
  readonly y: number
  readonly size: number
}

/** How large a piece is → how many positions are tried along each side. */
const GRID: readonly (readonly [size: number, positions: number])[] = [
  [0.95, 2],
  [0.9, 3],
  [0.85, 4],
  [0.8, 5],
]

const windows: readonly Window[] = GRID.flatMap(([size, positions]) =>
  Array.from({ length: positions ** 2 }, (_, i) => ({
    x: ((i % positions) * (1 - size)) / (positions - 1),
    y: (Math.floor(i / positions) * (1 - size)) / (positions - 1),
    size,
  })),
)

/** @returns the codes of the pieces of an image. @param grey32 - uint8 [32, 32]. */
export function cropCodes(grey32: Uint8Array): readonly { readonly window: Window; readonly look: string }[] {
  return windows.map((window) => ({ window, look: perceptualHash(cut(grey32, window)) }))
}

/** Moves that are tried: right, left, down, up, and larger or smaller about the centre. */
const MOVES: readonly (readonly [x: number, y: number, size: number])[] = [
  [1, 0, 0],
  [-1, 0, 0],
  [0, 1, 0],
  [0, -1, 0],
  [-0.5, -0.5, 1],
  [0.5, 0.5, -1],
]
const MOST_TRIES = 60

/** @returns the highest correlation found of a piece near `window` with the whole other image. */
export function alignedCorrelation(grey32: Uint8Array, other: Patch, window: Window): number {
  const fit = (at: Window): number => {
    const patch = patchOf(cut(grey32, at))
    return patch ? correlation(patch, other, -1) : 0
  }
  let best = fit(window)
  let tries = 1
  for (let step = 1 / SIDE; step >= 1 / (4 * SIDE); step /= 2)
    for (let isBetter = true; isBetter && tries < MOST_TRIES;) {
      isBetter = false
      for (const [x, y, size] of MOVES) {
        const moved = { x: window.x + x * step, y: window.y + y * step, size: window.size + size * step }
        if (!isInside(moved)) continue
        const r = fit(moved)
        tries++
        if (r <= best) continue
        best = r
        window = moved
        isBetter = true
      }
    }
  return best
}

const MARGIN = 0.02

function isInside({ x, y, size }: Window): boolean {
  return x >= -MARGIN && y >= -MARGIN && x + size <= 1 + MARGIN && y + size <= 1 + MARGIN
}

/** @returns uint8 [32, 32]: the window at the size of the whole, bilinear. */
function cut(grey32: Uint8Array, { x, y, size }: Window): Uint8Array {
  const pixels = new Uint8Array(SIDE * SIDE)
  for (let row = 0; row < SIDE; row++) {
    const down = placeOf(row, y, size)
    const top = Math.min(SIDE - 2, down | 0)
    for (let column = 0; column < SIDE; column++) {
      const right = placeOf(column, x, size)
      const left = Math.min(SIDE - 2, right | 0)
      const at = top * SIDE + left
      const upper = grey32[at]! + (grey32[at + 1]! - grey32[at]!) * (right - left)
      const lower = grey32[at + SIDE]! + (grey32[at + SIDE + 1]! - grey32[at + SIDE]!) * (right - left)
      pixels[row * SIDE + column] = upper + (lower - upper) * (down - top) + 0.5
    }
  }
  return pixels
}

function placeOf(index: number, start: number, size: number): number {
  const place = (start + ((index + 0.5) / SIDE) * size) * SIDE - 0.5
  return place < 0 ? 0 : place > SIDE - 1 ? SIDE - 1 : place
}
