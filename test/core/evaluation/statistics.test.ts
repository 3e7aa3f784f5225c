import { describe, expect, it } from 'vitest'
import { calibrate, mcNemar, wilsonInterval } from '../../../core/evaluation/statistics.ts'

describe('wilsonInterval', () => {
  it('gives the published bounds of 81 right among 263', () => {
    // Newcombe, Statistics in Medicine 1998, table I, method 3: 0.2553 to 0.3662.
    const [low, high] = wilsonInterval(81, 263)
    expect(low).toBeCloseTo(0.2553, 4)
    expect(high).toBeCloseTo(0.3662, 4)
  })

  it('stays inside 0 and 1 where the normal approximation does not', () => {
    // Newcombe 1998: 0 of 20 gives 0 to 0.1611, 1 of 29 gives 0.0061 to 0.1718.
    expect(wilsonInterval(0, 20)[0]).toBe(0)
    expect(wilsonInterval(0, 20)[1]).toBeCloseTo(0.1611, 4)
    expect(wilsonInterval(1, 29)[0]).toBeCloseTo(0.0061, 4)
    expect(wilsonInterval(1, 29)[1]).toBeCloseTo(0.1718, 4)
    expect(wilsonInterval(20, 20)).toEqual([1 - wilsonInterval(0, 20)[1], 1])
  })

  it('bounds solve the equation that defines them: the observed share lies 1.96 standard errors away', () => {
    for (const bound of wilsonInterval(43, 50))
      expect(Math.abs(43 / 50 - bound) / Math.sqrt((bound * (1 - bound)) / 50)).toBeCloseTo(1.959964, 6)
  })
})

describe('mcNemar', () => {
  it('doubles the binomial tail', () => {
    // Two of ten: (1 + 10 + 45) / 1024 · 2.
    expect(mcNemar(8, 2)).toBeCloseTo(112 / 1024, 12)
    expect(mcNemar(2, 8)).toBeCloseTo(112 / 1024, 12)
  })

  it('finds nothing surprising in a tie or in no difference at all', () => {
    expect(mcNemar(5, 5)).toBe(1)
    expect(mcNemar(0, 0)).toBe(1)
  })

  it('does not underflow for thousands of images', () => {
    expect(mcNemar(2_000, 2_000)).toBe(1)
    expect(mcNemar(2_100, 1_900)).toBeGreaterThan(0.001)
    expect(mcNemar(2_100, 1_900)).toBeLessThan(0.002)
  })
})

describe('calibrate', () => {
  it('weighs the gap of each bin by its images', () => {
    const judged = [
      { score: 0.95, right: true },
      { score: 0.95, right: false },
      { score: 0.55, right: true },
      { score: 1, right: true },
    ]
    const { error, bins } = calibrate(judged)
    // (0.9, 1]: mean score 2.9/3, right 2/3, gap 0.3 over three images; (0.5, 0.6]: gap 0.45 over one.
    expect(error).toBeCloseTo((3 * 0.3 + 1 * 0.45) / 4, 12)
    expect(bins.map(({ images }) => images)).toEqual([0, 0, 0, 0, 0, 1, 0, 0, 0, 3])
  })

  it('is 0 for a model that is as right as it says', () => {
    const judged = Array.from({ length: 10 }, (_, i) => ({ score: 0.7, right: i < 7 }))
    expect(calibrate(judged).error).toBeCloseTo(0, 12)
  })

  it('keeps a score of 0 and a score on a border in one bin each', () => {
    const { bins } = calibrate([
      { score: 0, right: false },
      { score: 0.1, right: false },
      { score: 0.3, right: false },
    ])
    expect(bins.map(({ images }) => images)).toEqual([2, 0, 1, 0, 0, 0, 0, 0, 0, 0])
  })
})
