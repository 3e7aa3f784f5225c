/**
 * Finds the 64-bit codes that differ from a given one in at most 7 bits, without comparing all pairs.
 *
 * Multi-index hashing (Norouzi, Punjani & Fleet, CVPR 2012): a code is cut into four bands of 16 bits; of two codes
 * that differ in at most 7 bits some band differs in at most one, so 4 · 17 look-ups find every such pair.
 */

const BANDS = 4
const BAND_VALUES = 1 << 16
export const LOOK_RADIUS = 7

/** An entry is six numbers side by side, for the sake of the processor's cache: two halves, then a link per band. */
const ENTRY = 2 + BANDS

export class LookIndex {
  #entries = new Int32Array(1024 * ENTRY)
  #count = 0
  /** For each entry the look-up that saw it last, so that no look-up gives one twice. */
  #seen = new Uint32Array(1024)
  #lookups = 0
  /** For each band and value the newest entry that has it, or −1; an entry links to the one before it. */
  readonly #newest = new Int32Array(BANDS * BAND_VALUES).fill(-1)

  /** Numbers count from 0 in the order of adding. @param look - 16 hex digits. */
  add(look: string): void {
    const [high, low] = halves(look)
    const at = this.#count * ENTRY
    if (at === this.#entries.length) {
      const larger = new Int32Array(2 * this.#entries.length)
      larger.set(this.#entries)
      this.#entries = larger
      const seen = new Uint32Array(2 * this.#seen.length)
      seen.set(this.#seen)
      this.#seen = seen
    }
    this.#entries[at] = high
    this.#entries[at + 1] = low
    for (let band = 0; band < BANDS; band++) {
      const slot = slotOf(band, high, low)
      this.#entries[at + 2 + band] = this.#newest[slot]!
      this.#newest[slot] = this.#count
    }
    this.#count++
  }

  /** @returns the numbers of all entries within `LOOK_RADIUS` bits, each once, in no particular order. */
  near(look: string): number[] {
    const [high, low] = halves(look)
    const found: number[] = []
    this.#lookups++
    for (let band = 0; band < BANDS; band++) {
      const slot = slotOf(band, high, low)
      this.#gather(band, slot, high, low, found)
      for (let bit = 1; bit < BAND_VALUES; bit <<= 1) this.#gather(band, slot ^ bit, high, low, found)
    }
    return found
  }

  #gather(band: number, slot: number, high: number, low: number, found: number[]): void {
    const entries = this.#entries
    for (let number = this.#newest[slot]!; number >= 0; number = entries[number * ENTRY + 2 + band]!) {
      const at = number * ENTRY
      if (ones(entries[at]! ^ high) + ones(entries[at + 1]! ^ low) > LOOK_RADIUS) continue
      if (this.#seen[number] === this.#lookups) continue
      this.#seen[number] = this.#lookups
      found.push(number)
    }
  }
}

function halves(look: string): [number, number] {
  return [parseInt(look.slice(0, 8), 16) | 0, parseInt(look.slice(8), 16) | 0]
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
