import { describe, expect, it } from 'vitest'
import { matrix } from '#core/inference'
import { argMax, calibrate, logLoss } from '../../../core/training/calibration.ts'

/** Four rows that all prefer the first class by 1; three are right. */
const scores = matrix(4, 2, Float32Array.of(1, 0, 1, 0, 1, 0, 1, 0))
const labels = [0, 0, 0, 1]

describe('calibration', () => {
  it('makes a preference that is right three times of four a probability of 0.75: e^s / (e^s + 1) at s = ln 3', () => {
    const { sharpness, logLoss: loss } = calibrate(scores, labels)
    expect(sharpness).toBeCloseTo(Math.log(3), 4)
    expect(loss).toBeCloseTo(-(3 * Math.log(0.75) + Math.log(0.25)) / 4, 6)
  })

  it('measures even odds as ln 2', () => {
    expect(logLoss(matrix(1, 2), [0], 5)).toBeCloseTo(Math.LN2, 12)
  })

  it('does not overflow on large scores', () => {
    expect(logLoss(matrix(1, 2, Float32Array.of(1e6, 0)), [1], 100)).toBeCloseTo(1e8, 0)
  })
})

it('the first of equal scores wins', () => {
  expect([...argMax(matrix(2, 3, Float32Array.of(1, 5, 5, -1, -3, -2)))]).toEqual([1, 0])
})
