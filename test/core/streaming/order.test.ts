import { expect, it } from 'vitest'
import { EpochOrder, permutation, restAfter, spansOfRank, type Span } from '../../../core/streaming/order.ts'
import { randomNumbers } from '../../support/images.ts'

/** 40 blocks of 1–9 samples. */
const STARTS = (() => {
  const draw = randomNumbers(1)
  const starts = [0]
  for (let block = 0; block < 40; block++) starts.push(starts.at(-1)! + 1 + Math.floor(draw() * 9))
  return Uint32Array.from(starts)
})()
const SAMPLES = STARTS.at(-1)!

function orderOf(options: Partial<ConstructorParameters<typeof EpochOrder>[1]> = {}): EpochOrder {
  return new EpochOrder(STARTS, { seed: 7, epoch: 0, windowBlocks: 8, shuffle: true, ...options })
}

function listed(order: EpochOrder, spans: readonly Span[]): number[] {
  return [...order.windows(spans)].flatMap((window) => [...window])
}

const WHOLE: readonly Span[] = [[0, SAMPLES]]
const ascending = (samples: readonly number[]): number[] => [...samples].sort((a, b) => a - b)
const EVERY = Array.from({ length: SAMPLES }, (_, i) => i)

it('a permutation is that of its name, on every machine', () => {
  // By Python: keys = array("I", shake_256(b"gyre-stream-1/7/0/blocks").digest(40)); sorted(range(10), key=keys.__getitem__)
  expect([...permutation(10, '7/0/blocks')]).toEqual([9, 7, 6, 2, 3, 4, 8, 1, 0, 5])
  expect([...permutation(0, 'x')]).toEqual([])
})

it('an epoch gives every sample once, in another order for each seed and epoch, and in that of the packs unshuffled', () => {
  const orders = [orderOf(), orderOf({ epoch: 1 }), orderOf({ seed: 8 }), orderOf({ windowBlocks: 3 })]
  const lists = orders.map((order) => listed(order, WHOLE))
  for (const list of lists) expect(ascending(list)).toEqual(EVERY)
  expect(new Set(lists.map(String)).size).toBe(4)
  expect(listed(orderOf({ shuffle: false }), WHOLE)).toEqual(EVERY)
  expect(listed(orderOf(), WHOLE)).toEqual(lists[0])
})

it('any span of positions is that part of the whole order', () => {
  const order = orderOf()
  const whole = listed(order, WHOLE)
  const draw = randomNumbers(2)
  for (let trial = 0; trial < 200; trial++) {
    const from = Math.floor(draw() * SAMPLES)
    const to = from + Math.floor(draw() * (SAMPLES - from + 1))
    expect(listed(order, [[from, to]])).toEqual(whole.slice(from, to))
  }
})

it('a window mixes samples from as many random blocks as it has, and no block lies in two windows', () => {
  const windowOfBlock = new Map<number, number>()
  for (const [number, window] of [...orderOf().windows(WHOLE)].entries())
    for (const sample of window) {
      const block = STARTS.findLastIndex((start) => start <= sample)
      expect(windowOfBlock.get(block) ?? number).toBe(number)
      windowOfBlock.set(block, number)
    }
  expect([...windowOfBlock.values()].filter((window) => window === 0)).toHaveLength(8)
})

it('ranks that stop anywhere and go on in other numbers give every sample of the epoch exactly once', () => {
  const draw = randomNumbers(3)
  for (let trial = 0; trial < 60; trial++) {
    const order = orderOf({ epoch: trial })
    const seen: number[] = []
    let rest: readonly Span[] = WHOLE
    while (rest.length > 0) {
      const world = 1 + Math.floor(draw() * 7)
      const sharing = { world, uneven: 'pad' as const }
      const total = rest.reduce((sum, [from, to]) => sum + to - from, 0)
      const share = Math.ceil(total / world)
      const taken = 1 + Math.floor(draw() * share)
      const after = restAfter(rest, sharing, taken)
      // Padding repeats samples of the rest; what is left afterwards says which were given for the first time.
      const left = new Set(listed(order, after))
      for (let rank = 0; rank < world; rank++) {
        const own = listed(order, spansOfRank(rest, { ...sharing, rank }))
        expect(own).toHaveLength(share)
        const first = listed(order, rest).slice(rank * share, Math.min(total, rank * share + taken))
        expect(own.slice(0, first.length)).toEqual(first)
        expect(first.some((sample) => left.has(sample))).toBe(false)
        seen.push(...first)
      }
      rest = after
    }
    expect(ascending(seen)).toEqual(EVERY)
  }
})

it('ranks get equally many: padded with samples from the front, or without the last few', () => {
  const order = orderOf()
  const whole = listed(order, WHOLE)
  const shares = (world: number, uneven: 'pad' | 'drop'): number[][] =>
    Array.from({ length: world }, (_, rank) => listed(order, spansOfRank(WHOLE, { rank, world, uneven })))
  const world = SAMPLES - 1
  const padded = shares(world, 'pad').flat()
  expect(padded).toHaveLength(2 * world)
  expect(padded).toEqual([...whole, ...whole].slice(0, 2 * world))
  expect(shares(world, 'drop').flat()).toEqual(whole.slice(0, world))
  expect(shares(3 * SAMPLES, 'pad').every((share) => share.length === 1)).toBe(true)
})
