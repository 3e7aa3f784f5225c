/**
 * A short code that stays nearly the same when an image is scaled, compressed or lightened a little: near duplicates
 * are looked for among images whose codes differ in few bits. A hit is only a candidate; pixels decide.
 *
 * Signs of the lowest cosine frequencies about their median (Zauner, "Implementation and Benchmarking of Perceptual
 * Image Hash Functions", 2010). An image without any structure has the code 0.
 */

const SIDE = 32
const KEPT = 8

const HALF = SIDE / 2

/** [KEPT, HALF]: cosine frequencies 1 … 8 over the first half of a row; the mean (frequency 0) says nothing about the look. */
const cosines = Float64Array.from({ length: KEPT * HALF }, (_, i) =>
  Math.cos((Math.PI * (Math.floor(i / HALF) + 1) * (2 * (i % HALF) + 1)) / (2 * SIDE)),
)

/**
 * @param grey32 - uint8 [32, 32].
 * @returns 64 bits as 16 hex digits.
 */
export function perceptualHash(grey32: Uint8Array): string {
  return codeOf(lowFrequencies(grey32))
}

export interface LookCodes {
  readonly look: string
  /** Of the image seen in a mirror: left and right exchanged. */
  readonly mirrored: string
  /** Upside down: top and bottom exchanged. */
  readonly flipped: string
}

/** `perceptualHash` of an image and of its mirror images, which differ in the signs of the odd frequencies alone. */
export function lookCodes(grey32: Uint8Array): LookCodes {
  const frequencies = lowFrequencies(grey32)
  const turned = (odd: (i: number) => boolean): Float32Array => frequencies.map((value, i) => (odd(i) ? -value : value))
  return {
    look: codeOf(frequencies),
    mirrored: codeOf(turned((i) => i % 2 === 0)), // Column u stands for frequency u + 1.
    flipped: codeOf(turned((i) => (i >> 3) % 2 === 0)),
  }
}

const HEX = '0123456789abcdef'
const sorted = new Float32Array(KEPT * KEPT)

function codeOf(frequencies: Float32Array): string {
  sorted.set(frequencies)
  sorted.sort()
  const median = (sorted[31]! + sorted[32]!) / 2
  let code = ''
  for (let i = 0; i < 64; i += 4) {
    let digit = 0
    for (let j = 0; j < 4; j++) digit = digit * 2 + (frequencies[i + j]! > median ? 1 : 0)
    code += HEX[digit]!
  }
  return code
}

/** Working memory, used again from call to call. */
const sums = new Float64Array(HALF)
const differences = new Float64Array(HALF)
const rows = new Float32Array(KEPT * SIDE)

/** @returns float32 [8, 8]: the two-dimensional cosine transform at frequencies 1 … 8. */
function lowFrequencies(grey32: Uint8Array): Float32Array {
  for (let y = 0; y < SIDE; y++) transform(grey32, y * SIDE, rows, y, SIDE)
  const result = new Float32Array(KEPT * KEPT)
  for (let u = 0; u < KEPT; u++) transform(rows, u * SIDE, result, u, KEPT)
  return result
}

/** One row: the right half mirrors the left one in even frequencies, and negates it in odd ones. */
function transform(from: Uint8Array | Float32Array, at: number, into: Float32Array, to: number, stepTo: number): void {
  for (let i = 0; i < HALF; i++) {
    const left = from[at + i]!
    const right = from[at + SIDE - 1 - i]!
    sums[i] = left + right
    differences[i] = left - right
  }
  for (let u = 0; u < KEPT; u++) {
    const folded = u % 2 === 0 ? differences : sums
    let total = 0
    for (let i = 0; i < HALF; i++) total += folded[i]! * cosines[u * HALF + i]!
    into[to + u * stepTo] = total
  }
}
