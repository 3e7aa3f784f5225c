import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { joinPanes, pairUp } from '../../../core/labelling/pair-grids.ts'

const many = Array.from({ length: 40 }, (_, i) => i)
const best = Int32Array.from(many, (i) => (i < 20 ? 3 : 1))
const second = Int32Array.from(many, (i) => (i < 20 ? 1 : 3))

describe('screens of two panes', () => {
  it('are for classes that the model confuses, either way round', () => {
    const { pairs, rest } = pairUp(many, { best, second }, () => 0.4)
    expect(pairs).toEqual([{ classes: [1, 3], images: many }])
    expect(rest).toEqual([])
  })

  it('are not for images that the model is sure of, nor for a few, nor for one class', () => {
    expect(pairUp(many, { best, second }, () => 0.1).pairs).toEqual([])
    expect(pairUp(many.slice(15, 25), { best, second }, () => 0.4).pairs).toEqual([])
    expect(pairUp(many.slice(0, 20), { best, second }, () => 0.4).pairs).toEqual([])
    expect(pairUp(many.slice(0, 22), { best, second }, () => 0.4).rest).toEqual(many.slice(0, 22))
  })

  it('hold every image once, each beside its own class, at most 48', () => {
    fc.assert(
      fc.property(fc.nat(130), fc.nat(130), (left, right) => {
        const cells = (count: number, from: number) =>
          Array.from({ length: count }, (_, i) => ({ image: from + i, gold: false }))
        const panes = [cells(left, 0), cells(right, 1_000)] as const
        const screens = joinPanes(panes, [1, 3])
        expect(screens.flatMap((screen) => screen.cells.map(({ image }) => image)).sort((a, b) => a - b)).toEqual(
          [...panes[0], ...panes[1]].map(({ image }) => image),
        )
        for (const { cells: shown, proposals } of screens) {
          expect(shown.length).toBeLessThanOrEqual(48)
          expect(proposals).toEqual(shown.map(({ image }) => (image < 1_000 ? 1 : 3)))
        }
      }),
      { seed: 1 },
    )
  })
})
