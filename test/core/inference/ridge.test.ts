import { describe, expect, it } from 'vitest'
import { matrix, oneHot, predictRidge, ridge } from '#core/inference'

describe('ridge', () => {
  it('draws the least-squares line through points when the penalty vanishes', async () => {
    const x = matrix(4, 1, Float32Array.of(0, 1, 2, 3))
    const y = matrix(4, 1, Float32Array.of(1, 3, 5, 7))
    const fit = await ridge(x, y, { lambdas: [1e-9] })
    expect(fit.coefficients.data[0]).toBeCloseTo(2, 5)
    expect(fit.bias[0]).toBeCloseTo(1, 5)
    const predicted = await predictRidge(matrix(1, 1, Float32Array.of(10)), fit)
    expect(predicted.data[0]).toBeCloseTo(21, 4)
  })

  it('shrinks the slope by n·variance / (n·variance + penalty): x of variance 1.25, relative penalty 1 halves it', async () => {
    const x = matrix(4, 1, Float32Array.of(0, 1, 2, 3))
    const y = matrix(4, 1, Float32Array.of(1, 3, 5, 7))
    const fit = await ridge(x, y, { lambdas: [1] })
    expect(fit.coefficients.data[0]).toBeCloseTo(1, 5)
  })

  it('predicts each left-out row as a fit without it does', async () => {
    const xs = [0, 1, 2, 3, 4]
    const ys = [1, 2.5, 5.5, 6, 9]
    const whole = await ridge(matrix(5, 1, Float32Array.from(xs)), matrix(5, 1, Float32Array.from(ys)), {
      lambdas: [1e-9],
    })
    for (let left = 0; left < 5; left++) {
      const without = (values: number[]) => Float32Array.from(values.filter((_, i) => i !== left))
      const fit = await ridge(matrix(4, 1, without(xs)), matrix(4, 1, without(ys)), { lambdas: [1e-9] })
      expect(whole.leaveOneOut.data[left]).toBeCloseTo(fit.coefficients.data[0]! * xs[left]! + fit.bias[0]!, 4)
    }
  })

  it('counts a row of weight 2 as two rows', async () => {
    const twice = await ridge(matrix(4, 1, Float32Array.of(0, 1, 2, 2)), matrix(4, 1, Float32Array.of(0, 2, 3, 3)), {
      lambdas: [0.1],
    })
    const weighted = await ridge(matrix(3, 1, Float32Array.of(0, 1, 2)), matrix(3, 1, Float32Array.of(0, 2, 3)), {
      lambdas: [0.1],
      weights: [1, 1, 2],
    })
    expect(weighted.coefficients.data[0]).toBeCloseTo(twice.coefficients.data[0]!, 5)
    expect(weighted.bias[0]).toBeCloseTo(twice.bias[0]!, 5)
  })

  it('chooses a strong penalty for noise and a weak one for a clean signal', async () => {
    const rows = 60
    const features = matrix(rows, 30)
    const signal = matrix(rows, 1)
    const nonsense = matrix(rows, 1)
    for (let i = 0; i < features.data.length; i++) features.data[i] = Math.sin(i * i * 0.7)
    for (let i = 0; i < rows; i++) {
      signal.data[i] = features.data[i * 30]! + features.data[i * 30 + 1]!
      nonsense.data[i] = Math.cos(i * i * 1.3)
    }
    expect((await ridge(features, signal)).lambda).toBe(1e-4)
    expect((await ridge(features, nonsense)).lambda).toBeGreaterThan(0.1)
  })

  it('refuses a single row', async () => {
    await expect(ridge(matrix(1, 1), oneHot([0], 2))).rejects.toMatchObject({ code: 'TOO_FEW_LABELS' })
  })
})
