import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isPure, purityQuantile, splitInTwo } from '../../../core/labelling/purity.ts'
import { LargeClusters } from '../../../core/labelling/units.ts'

describe('the purity of a cluster', () => {
  it('is bounded by the Beta posterior of what people saw', () => {
    // Without misfits the posterior is Beta(n + 1, 1), whose quantile is q^(1/(n + 1)).
    expect(purityQuantile(12, 0)).toBeCloseTo(0.05 ** (1 / 13), 9)
    // Beta(1, 1) is uniform.
    expect(purityQuantile(0, 0)).toBeCloseTo(0.05, 9)
    // Beta(1, 2) after one misfit alone: 1 − (1 − x)² = 0.05.
    expect(purityQuantile(1, 1)).toBeCloseTo(1 - Math.sqrt(0.95), 9)
  })

  it('takes 28 images without a misfit to call a cluster pure', () => {
    expect([isPure(27, 0), isPure(28, 0), isPure(28, 1), isPure(46, 1)]).toEqual([false, true, false, true])
  })

  it('falls with every misfit and rises with every image that fits', () => {
    fc.assert(
      fc.property(fc.nat(60), fc.nat(60), (fits, misfits) => {
        const here = purityQuantile(fits + misfits, misfits)
        expect(purityQuantile(fits + misfits + 1, misfits)).toBeGreaterThan(here)
        expect(purityQuantile(fits + misfits + 1, misfits + 1)).toBeLessThan(here)
      }),
      { seed: 1 },
    )
  })
})

const line = (values: readonly number[]) => ({ data: Float32Array.from(values), rows: values.length, cols: 1 })

describe('splitting a cluster', () => {
  it('separates two heaps', () => {
    expect(splitInTwo([0, 1, 2, 3, 4], line([0, 10, 0.5, 10.5, 0.2]))).toEqual([
      [1, 3],
      [0, 2, 4],
    ])
  })

  it('leaves images at one point together', () => {
    expect(splitInTwo([0, 1, 2], line([3, 3, 3]))).toEqual([[0, 1, 2], []])
    expect(splitInTwo([], line([]))).toEqual([[], []])
  })
})

describe('large clusters', () => {
  const members = Array.from({ length: 400 }, (_, i) => i)
  const coordinates = line(members.map((i) => (i % 2 === 0 ? 0 : 5) + i / 1e4))
  const labelsOf = (classOf: (image: number) => number) =>
    Int32Array.from(members, (image) => (image < 40 ? classOf(image) : -1))

  it('fall into halves where people found them mixed, each image into one', () => {
    const units = new LargeClusters([members], coordinates).units(labelsOf((image) => image % 2))
    expect(units.map(({ key }) => key).sort()).toEqual(['0.0', '0.1'])
    expect(units.flatMap((unit) => unit.members).sort((a, b) => a - b)).toEqual(members)
    for (const unit of units) expect([unit.judged, unit.misfits]).toEqual([20, 0])
  })

  it('stay whole where all are of one class, and are pure', () => {
    const [unit, ...others] = new LargeClusters([members], coordinates).units(labelsOf(() => 1))
    expect(others).toEqual([])
    expect(unit).toMatchObject({ key: '0', judged: 40, misfits: 0, class: 1, pure: true })
  })

  it('are those of more than two screens', () => {
    expect(new LargeClusters([members.slice(0, 95)], coordinates).units(labelsOf(() => 0))).toEqual([])
  })
})
