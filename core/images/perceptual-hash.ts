/**
 * A short code that stays nearly the same when an image is scaled, compressed or lightened a little: near duplicates
 * are looked for among images whose codes differ in few bits. A hit is only a candidate; pixels decide.
 *
 * Signs of the lowest cosine frequencies about their median (Zauner, "Implementation and Benchmarking of Perceptual
 * Image Hash Functions", 2010). An image without any structure has the code 0.
 */

const SIDE = 32
const KEPT = 8

/** [KEPT, SIDE]: cosine frequencies 1 … 8; the mean (frequency 0) says nothing about the look. */
const cosines = Float32Array.from({ length: KEPT * SIDE }, (_, i) =>
  Math.cos((Math.PI * (Math.floor(i / SIDE) + 1) * (2 * (i % SIDE) + 1)) / (2 * SIDE)),
)

/**
 * @param grey32 - uint8 [32, 32].
 * @returns 64 bits as 16 hex digits.
 */
export function perceptualHash(grey32: Uint8Array): string {
  const frequencies = lowFrequencies(grey32)
  const sorted = frequencies.slice().sort()
  const median = (sorted[31]! + sorted[32]!) / 2
  let code = ''
  for (let i = 0; i < 64; i += 4) {
    let digit = 0
    for (let j = 0; j < 4; j++) digit = digit * 2 + (frequencies[i + j]! > median ? 1 : 0)
    code += digit.toString(16)
  }
  return code
}

/** @returns float32 [8, 8]: the two-dimensional cosine transform at frequencies 1 … 8. */
function lowFrequencies(grey32: Uint8Array): Float32Array {
  const rows = new Float32Array(SIDE * KEPT)
  for (let y = 0; y < SIDE; y++)
    for (let u = 0; u < KEPT; u++) {
      let sum = 0
      for (let x = 0; x < SIDE; x++) sum += grey32[y * SIDE + x]! * cosines[u * SIDE + x]!
      rows[y * KEPT + u] = sum
    }
  const result = new Float32Array(KEPT * KEPT)
  for (let v = 0; v < KEPT; v++)
    for (let u = 0; u < KEPT; u++) {
      let sum = 0
      for (let y = 0; y < SIDE; y++) sum += rows[y * KEPT + u]! * cosines[v * SIDE + y]!
      result[v * KEPT + u] = sum
    }
  return result
}
