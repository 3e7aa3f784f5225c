/**
 * Finds the 64-bit codes that differ from a given one in at most 7 bits, without comparing all pairs.
 *
 * Multi-index hashing (Norouzi, Punjani & Fleet, CVPR 2012): a code is cut into four bands of 16 bits; of two codes
 * that differ in at most 7 bits some band differs in at most one, so 4 · 17 look-ups find every such pair.
 */

const BANDS = 4
const BAND_VALUES = 1 << 16
export const LOOK_RADIUS = 7

export class LookIndex {
  readonly #high: number[] = []
  readonly #low: number[] = []
  /** For each band and value the newest entry that has it, or −1; and for each band and entry the one before. */
  readonly #newest = new Int32Array(BANDS * BAND_VALUES).fill(-1)
  readonly #before: number[] = []
  /** The query that last met each entry, so that an entry met through several bands is given once. */
  readonly #met: number[] = []
  #queries = 0

  /** Numbers count from 0 in the order of adding. @param look - 16 hex digits. */
  add(look: string): void {
    const number = this.#high.length
    const [high, low] = halves(look)
    this.#high.push(high)
    this.#low.push(low)
    this.#met.push(0)
    for (let band = 0; band < BANDS; band++) {
      const slot = slotOf(band, high, low)
      this.#before.push(this.#newest[slot]!)
      this.#newest[slot] = number
    }
  }

  /** @returns the numbers of all entries within `LOOK_RADIUS` bits, in no particular order. */
  near(look: string): number[] {
    const [high, low] = halves(look)
    const found: number[] = []
    this.#queries++
    for (let band = 0; band < BANDS; band++) {
      const slot = slotOf(band, high, low)
      this.#gather(band, slot, high, low, found)
      for (let bit = 1; bit < BAND_VALUES; bit <<= 1) this.#gather(band, slot ^ bit, high, low, found)
    }
    return found
  }

  #gather(band: number, slot: number, high: number, low: number, found: number[]): void {
    for (let number = this.#newest[slot]!; number >= 0; number = this.#before[number * BANDS + band]!) {
      if (this.#met[number] === this.#queries) continue
      this.#met[number] = this.#queries
      if (ones(this.#high[number]! ^ high) + ones(this.#low[number]! ^ low) <= LOOK_RADIUS) found.push(number)
    }
  }
}

function halves(look: string): [number, number] {
  return [parseInt(look.slice(0, 8), 16), parseInt(look.slice(8), 16)]
}

function slotOf(band: number, high: number, low: number): number {
  const half = band < 2 ? high : low
  return band * BAND_VALUES + (band % 2 === 0 ? half >>> 16 : half & 0xffff)
}

function ones(word: number): number {
  let v = word - ((word >>> 1) & 0x55555555)
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333)
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
