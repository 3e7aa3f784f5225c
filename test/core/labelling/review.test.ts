import { describe, expect, it } from 'vitest'
import type { Prediction } from '../../../core/labelling/probe.ts'
import { doubtsOf, missRateOf } from '../../../core/labelling/review.ts'

const labels = Int32Array.from([0, 0, 1, -1])
const prediction = {
  outOfFold: {
    images: Int32Array.from([0, 1, 2]),
    best: Int32Array.from([0, 1, 1]),
    margin: new Float32Array(3),
  },
} as unknown as Prediction

describe('labels worth a second look', () => {
  it('are those that the model without them contradicts, as often as people overlook a misfit', () => {
    const doubts = doubtsOf(prediction, labels, { wrongChance: [0.02, 0.1, 0.5], missRate: 0.05 }, () => false)
    // e is 0.02, 1 − 0.1/2 and 0.5; e·m / (e·m + 1 − e).
    const [first, second, third] = [0.95 * 0.05, 0.5 * 0.05, 0.02 * 0.05]
    expect(doubts.images).toEqual([1, 2, 0])
    expect(doubts.chances[0]).toBeCloseTo(first / (first + 0.05), 9)
    expect(doubts.chances[1]).toBeCloseTo(second / (second + 0.5), 9)
    expect(doubts.chances[2]).toBeCloseTo(third / (third + 0.98), 9)
    expect(doubts.doubtful).toBe(1)
    expect(doubts.expected).toBeCloseTo(
      doubts.chances.reduce((a, b) => a + b),
      9,
    )
  })

  it('are doubted once', () => {
    const doubts = doubtsOf(prediction, labels, { wrongChance: [0, 0, 0], missRate: 0.05 }, (image) => image === 1)
    expect(doubts.images).not.toContain(1)
  })

  it('are few where gold and reviews show that people overlook little', () => {
    expect(missRateOf({ shown: 0, missed: 0 }, 0, 0)).toBeCloseTo(0.02, 9)
    expect(missRateOf({ shown: 24, missed: 0 }, 200, 0)).toBeLessThan(0.003)
    expect(missRateOf({ shown: 24, missed: 2 }, 200, 10)).toBeCloseTo(12.5 / 259, 9)
  })
})
