/**
 * Keeps what belongs together at several thresholds at once: one forest of disjoint sets for each (Tarjan, "Efficiency
 * of a Good But Not Linear Set Union Algorithm", 1975). A pair joins its sets in every forest whose threshold it
 * reaches, so no pair has to be kept, and the threshold is chosen when all pairs are known.
 */

export interface Bounds {
  /** A set grown larger than so many images and than `largestShare` of all is too large. */
  readonly least: number
  readonly largestShare: number
  /** More images than `least` and than this share of all in sets of two or more are too many. */
  readonly groupedShare: number
}

export class Families {
  readonly #thresholds: readonly number[]
  readonly #bounds: Bounds
  readonly #images: number
  readonly #forests: readonly Forest[]
  #lowest = 0

  /**
   * @param thresholds - ascending.
   * @param sizes - images that each node stands for.
   */
  constructor(thresholds: readonly number[], sizes: Int32Array, bounds: Bounds) {
    this.#thresholds = thresholds
    this.#bounds = bounds
    this.#images = sizes.reduce((sum, size) => sum + size, 0)
    this.#forests = thresholds.map(() => new Forest(sizes))
  }

  /** What a pair must reach to matter: sets at lower thresholds are too large already, and only ever grow. */
  get lowest(): number {
    return this.#thresholds[this.#lowest] ?? Infinity
  }

  /** Whether nothing can be learnt about the two any more. */
  areJoined(a: number, b: number): boolean {
    const strictest = this.#forests.at(-1)
    return a === b || (strictest !== undefined && strictest.root(a) === strictest.root(b))
  }

  join(a: number, b: number, likeness: number): void {
    for (let level = this.#lowest; level < this.#thresholds.length && likeness >= this.#thresholds[level]!; level++)
      this.#forests[level]!.join(a, b)
    while (this.#forests[this.#lowest] && this.#isOvergrown(this.#forests[this.#lowest]!)) this.#lowest++
  }

  /** @returns the lowest threshold at which no bound is exceeded, and the root of each node there; null where none is. */
  settle(): { readonly threshold: number; rootOf(node: number): number } | null {
    const forest = this.#forests[this.#lowest]
    return forest ? { threshold: this.lowest, rootOf: (node) => forest.root(node) } : null
  }

  #isOvergrown({ largest, grouped }: Forest): boolean {
    const { least, largestShare, groupedShare } = this.#bounds
    return (
      largest > Math.max(least, this.#images * largestShare) || grouped > Math.max(least, this.#images * groupedShare)
    )
  }
}

class Forest {
  readonly #parents: Int32Array
  readonly #sizes: Int32Array
  /** Images in the largest set that was joined here; images in all sets of two or more. */
  largest = 0
  grouped = 0

  constructor(sizes: Int32Array) {
    this.#parents = Int32Array.from(sizes, (_, i) => i)
    this.#sizes = Int32Array.from(sizes)
    for (const size of sizes) if (size > 1) this.grouped += size
  }

  root(node: number): number {
    const parents = this.#parents
    let current = node
    while (parents[current] !== current) current = parents[current] = parents[parents[current]!]!
    return current
  }

  join(a: number, b: number): void {
    const [one, two] = [this.root(a), this.root(b)]
    if (one === two) return
    const sizes = this.#sizes
    const [large, small] = sizes[one]! >= sizes[two]! ? [one, two] : [two, one]
    this.grouped += (sizes[large] === 1 ? 1 : 0) + (sizes[small] === 1 ? 1 : 0)
    this.#parents[small] = large
    sizes[large]! += sizes[small]!
    this.largest = Math.max(this.largest, sizes[large]!)
  }
}
