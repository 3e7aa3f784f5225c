/**
 * In which order a stream gives the samples of an epoch: shuffled well, read in large pieces, and known in advance.
 *
 * Samples lie in packs in the order of their import, often class by class. They are cut into *blocks* that are read at
 * once; the blocks are shuffled, `windowBlocks` neighbours among the shuffled ones make a *window*, and the samples of a
 * window are shuffled together. So a window mixes samples from that many random places, and only one window of blocks is in memory.
 *
 * O1  The order is a function of the index, seed, epoch and `windowBlocks` alone: not of ranks, threads or machines.
 * O2  Every sample has exactly one position in it. Ranks read neighbouring positions, so each block has one reader,
 *     but for those of the windows in which one rank ends and the next begins.
 *
 * `apps/trainer/gyre_data.py` computes the same; a test compares them.
 */
import { createHash } from 'node:crypto'

/** Sorting keys are drawn from SHAKE-256, which every language has, at several hundred megabytes a second. */
const KEY_BYTES = 4
const MOST_PACKED = 2 ** 21

export interface OrderOptions {
  readonly seed: number
  readonly epoch: number
  /** Blocks that are mixed with each other, and kept in memory. */
  readonly windowBlocks: number
  /** False gives the order of the packs. */
  readonly shuffle: boolean
}

/** Positions [from, to) of the order of an epoch. */
export type Span = readonly [from: number, to: number]

export class EpochOrder {
  readonly #blocks: Uint32Array
  /** Position at which each window begins, and the end of the last. */
  readonly #windowStarts: Float64Array

  /** @param blockStarts - the first sample of each block, and the number of samples. */
  constructor(
    private readonly blockStarts: Uint32Array,
    private readonly options: OrderOptions,
  ) {
    const blocks = blockStarts.length - 1
    const { shuffle, seed, epoch, windowBlocks } = options
    this.#blocks = shuffle ? permutation(blocks, `${seed}/${epoch}/blocks`) : numbersBelow(blocks)
    this.#windowStarts = new Float64Array(Math.ceil(blocks / windowBlocks) + 1)
    this.#blocks.forEach((block, place) => {
      this.#windowStarts[Math.floor(place / windowBlocks) + 1]! += blockStarts[block + 1]! - blockStarts[block]!
    })
    for (let window = 1; window < this.#windowStarts.length; window++)
      this.#windowStarts[window]! += this.#windowStarts[window - 1]!
  }

  /** The samples at these positions, in order, at most one window at a time. */
  *windows(spans: Iterable<Span>): Generator<Uint32Array> {
    for (const span of spans) yield* this.#windowsOf(span)
  }

  *#windowsOf([from, to]: Span): Generator<Uint32Array> {
    for (let window = this.#windowAt(from); from < to; window++) {
      const start = this.#windowStarts[window]!
      const end = Math.min(to, this.#windowStarts[window + 1]!)
      yield this.#window(window).subarray(from - start, end - start)
      from = end
    }
  }

  #windowAt(position: number): number {
    let [low, high] = [0, this.#windowStarts.length - 1]
    while (low < high - 1) {
      const middle = (low + high) >> 1
      if (this.#windowStarts[middle]! <= position) low = middle
      else high = middle
    }
    return low
  }

  #window(window: number): Uint32Array {
    const { shuffle, seed, epoch, windowBlocks } = this.options
    const samples: number[] = []
    for (const block of this.#blocks.subarray(window * windowBlocks, (window + 1) * windowBlocks))
      for (let sample = this.blockStarts[block]!; sample < this.blockStarts[block + 1]!; sample++) samples.push(sample)
    if (!shuffle) return Uint32Array.from(samples)
    return permutation(samples.length, `${seed}/${epoch}/window/${window}`).map((place) => samples[place]!)
  }
}

/** The numbers below `count`, sorted by keys that `name` determines; equal keys keep their order. */
export function permutation(count: number, name: string): Uint32Array {
  if (count === 0) return new Uint32Array()
  const keys = createHash('shake256', { outputLength: count * KEY_BYTES })
    .update(`gyre-stream-1/${name}`)
    .digest()
  // Key and number in one float64 sort ten times as fast as by a comparison; beyond 2^21 they no longer fit.
  if (count <= MOST_PACKED) {
    const packed = Float64Array.from({ length: count }, (_, i) => keys.readUInt32LE(i * KEY_BYTES) * MOST_PACKED + i)
    return Uint32Array.from(packed.sort(), (key) => key % MOST_PACKED)
  }
  const keyOf = (i: number): number => keys.readUInt32LE(i * KEY_BYTES)
  return numbersBelow(count).sort((a, b) => keyOf(a) - keyOf(b) || a - b)
}

function numbersBelow(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, i) => i)
}

/** How the positions that are left of an epoch are shared among ranks. */
export interface Sharing {
  /** This process among all that train together, from 0. */
  readonly rank: number
  readonly world: number
  /** Ranks get equally many: `pad` gives some samples twice, `drop` leaves some out, fewer than there are ranks. */
  readonly uneven: 'pad' | 'drop'
}

export function countOf(spans: readonly Span[]): number {
  return spans.reduce((sum, [from, to]) => sum + to - from, 0)
}

/** Samples that each rank gets of `total`. */
export function shareOf(total: number, { world, uneven }: Omit<Sharing, 'rank'>): number {
  return uneven === 'pad' ? Math.ceil(total / world) : Math.floor(total / world)
}

/** Of what is left, the part of one rank, after the first `taken` that it had already. */
export function spansOfRank(rest: readonly Span[], sharing: Sharing, taken = 0): Span[] {
  const total = countOf(rest)
  const share = shareOf(total, sharing)
  const from = sharing.rank * share + taken
  const to = (sharing.rank + 1) * share
  const own = sliceOf(rest, Math.min(from, total), Math.min(to, total))
  // Padding begins again at the front; with more ranks than samples it goes round more than once.
  for (let padded = Math.max(from, total); padded < to && total > 0;) {
    const start = padded % total
    const end = Math.min(total, start + to - padded)
    own.push(...sliceOf(rest, start, end))
    padded += end - start
  }
  return own
}

/** What is left for all ranks together when each has had its first `taken` samples. */
export function restAfter(rest: readonly Span[], sharing: Omit<Sharing, 'rank'>, taken: number): Span[] {
  const total = countOf(rest)
  const share = shareOf(total, sharing)
  const left: Span[] = []
  for (let rank = 0; rank < sharing.world; rank++)
    left.push(...sliceOf(rest, Math.min(total, rank * share + taken), Math.min(total, (rank + 1) * share)))
  return joined(left)
}

/** Elements [from, to) of all spans taken as one list. */
function sliceOf(spans: readonly Span[], from: number, to: number): Span[] {
  const slice: Span[] = []
  let before = 0
  for (const [start, end] of spans) {
    const first = Math.max(from - before, 0)
    const last = Math.min(to - before, end - start)
    if (first < last) slice.push([start + first, start + last])
    before += end - start
  }
  return slice
}

/** Spans that touch become one. */
function joined(spans: readonly Span[]): Span[] {
  const all: [number, number][] = []
  for (const [from, to] of spans) {
    const last = all.at(-1)
    if (last && last[1] === from) last[1] = to
    else all.push([from, to])
  }
  return all
}
