import { describe, expect, it } from 'vitest'
import {
  binomialQuantile,
  binomialTail,
  errorsBound,
  foundTail,
  logGamma,
  missRateBound,
} from '../../../core/labelling/bounds.ts'
import { uniforms } from './blobs.ts'

function choose(n: number, k: number): number {
  let result = k < 0 || k > n ? 0 : 1
  for (let i = 0; i < k && result > 0; i++) result = (result * (n - i)) / (i + 1)
  return result
}

/** The same tail by plain enumeration of how many are drawn and how many of those are noticed. */
function foundTailByHand(population: number, sample: number, found: number, missRate: number, errors: number): number {
  let total = 0
  for (let drawn = 0; drawn <= Math.min(sample, errors); drawn++) {
    const chance = (choose(errors, drawn) * choose(population - errors, sample - drawn)) / choose(population, sample)
    for (let noticed = 0; noticed <= Math.min(found, drawn); noticed++)
      total += chance * choose(drawn, noticed) * (1 - missRate) ** noticed * missRate ** (drawn - noticed)
  }
  return total
}

describe('bounds', () => {
  it('ln Γ of whole numbers is the logarithm of a factorial', () => {
    expect(logGamma(1)).toBeCloseTo(0, 12)
    expect(logGamma(5)).toBeCloseTo(Math.log(24), 12)
    expect(logGamma(0.5)).toBeCloseTo(Math.log(Math.sqrt(Math.PI)), 12)
  })

  it('the binomial tail and its quantile agree with hand-computed values', () => {
    expect(binomialTail(1, 3, 0.5)).toBeCloseTo(0.5, 12)
    expect(binomialTail(0, 4, 0.1)).toBeCloseTo(0.6561, 12)
    expect(binomialQuantile(0.49, 3, 0.5)).toBe(1)
    expect(binomialQuantile(0.65, 4, 0.1)).toBe(0)
    expect(binomialQuantile(0.66, 4, 0.1)).toBe(1)
    expect(binomialQuantile(0.9, 10, 0)).toBe(0)
  })

  it('no miss among n gold misfits bounds the miss rate by 1 − α^(1/n)', () => {
    expect(missRateBound(0, 60, 0.05)).toBeCloseTo(1 - 0.05 ** (1 / 60), 9)
    expect(missRateBound(0, 0, 0.05)).toBe(1)
    expect(missRateBound(3, 3, 0.05)).toBe(1)
  })

  it('one miss in three gold misfits bounds the miss rate m where (1 − m)² (1 + 2m) is α', () => {
    const m = missRateBound(1, 3, 0.05)
    expect((1 - m) ** 2 * (1 + 2 * m)).toBeCloseTo(0.05, 9)
  })

  it('a count of misses that is not one below its mean rules nothing out: unequal chances can have a heavier tail', () => {
    expect(missRateBound(1, 2, 0.05)).toBe(1)
    // Chances of 1 and 0.9: one miss at most with 0.1; of two equal chances of their mean, 0.95, with less.
    expect(binomialTail(1, 2, 0.95)).toBeLessThan(0.1)
  })

  it('a drawn sample of 2 of 4 with one wrong label finds none with chance 1/2, and with misses more often', () => {
    expect(foundTail({ population: 4, sample: 2, found: 0, missRate: 0 }, 1)).toBeCloseTo(0.5, 12)
    expect(foundTail({ population: 4, sample: 2, found: 0, missRate: 0.2 }, 1)).toBeCloseTo(0.6, 12)
  })

  it('the tail equals plain enumeration', () => {
    for (const [population, sample, found, missRate, errors] of [
      [20, 8, 1, 0, 5],
      [20, 8, 1, 0.2, 5],
      [20, 20, 2, 0.3, 6],
      [20, 18, 2, 0.1, 10],
      [50, 30, 3, 0.1, 12],
    ] as const)
      expect(foundTail({ population, sample, found, missRate }, errors)).toBeCloseTo(
        foundTailByHand(population, sample, found, missRate, errors),
        10,
      )
  })

  it('samples of 299, 473, 628, 773 and 1,693 with 0, 1, 2, 3 and 10 errors bound 1 % of a huge set', () => {
    const population = 10_000_000
    const cases = [
      [299, 0],
      [473, 1],
      [628, 2],
      [773, 3],
      [1_693, 10],
    ] as const
    for (const [sample, found] of cases) {
      expect(errorsBound({ population, sample, found, missRate: 0 }, 0.05)).toBeLessThanOrEqual(100_000)
      expect(errorsBound({ population, sample: sample - 1, found, missRate: 0 }, 0.05)).toBeGreaterThan(100_000)
    }
  })

  it('a sample of everything that misses nothing leaves no doubt', () => {
    expect(errorsBound({ population: 120, sample: 120, found: 2, missRate: 0 }, 0.05)).toBe(2)
  })

  it('a sample of everything that misses half may have missed a few more', () => {
    // All of D wrong labels are overlooked with chance 2^−D: 4 is the last above 5 %.
    expect(errorsBound({ population: 120, sample: 120, found: 0, missRate: 0.5 }, 0.05)).toBe(4)
  })

  it('no sample bounds nothing', () => {
    expect(errorsBound({ population: 50, sample: 0, found: 0, missRate: 0 }, 0.05)).toBe(50)
  })

  it.each([0, 1, 7])('people who may overlook everything bound nothing by finding %i', (found) => {
    expect(errorsBound({ population: 300, sample: 125, found, missRate: 1 }, 0.02)).toBe(300)
  })

  it('the bound holds in at least 95 % of simulated audits with a tenth of the errors overlooked', () => {
    const chance = uniforms(3)
    const [population, errors, sample, missRate, trials] = [400, 12, 120, 0.1, 2_000]
    let held = 0
    for (let trial = 0; trial < trials; trial++) {
      let found = 0
      let left = errors
      for (let drawn = 0; drawn < sample; drawn++)
        if (chance() < left / (population - drawn)) {
          left -= 1
          if (chance() >= missRate) found += 1
        }
      if (errorsBound({ population, sample, found, missRate }, 0.05) >= errors) held += 1
    }
    expect(held / trials).toBeGreaterThan(0.945)
    expect(held / trials).toBeLessThan(0.999)
  })
})
