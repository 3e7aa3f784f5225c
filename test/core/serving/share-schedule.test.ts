import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ShareSchedule } from '#core/serving'

const draw = (schedule: ShareSchedule, shares: ReadonlyMap<number, number>, count: number) =>
  Array.from({ length: count }, () => schedule.next(shares))

describe('shares of requests', () => {
  it('are exact in every hundred, and spread', () => {
    const drawn = draw(
      new ShareSchedule(),
      new Map([
        [1, 90],
        [2, 10],
      ]),
      100,
    )
    expect(drawn.filter((revision) => revision === 2)).toHaveLength(10)
    const places = drawn.flatMap((revision, i) => (revision === 2 ? [i] : []))
    expect(places.slice(1).map((place, i) => place - places[i]!)).toEqual(Array(9).fill(10))
  })

  it('are exact for any shares', () => {
    const shares = fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(shares, (values) => {
        const total = values.reduce((sum, value) => sum + value, 0)
        const drawn = draw(new ShareSchedule(), new Map(values.map((value, i) => [i, value])), total)
        expect(values.map((_, i) => drawn.filter((revision) => revision === i).length)).toEqual(values)
      }),
    )
  })

  it('follow a change at once', () => {
    const schedule = new ShareSchedule()
    draw(schedule, new Map([[1, 100]]), 7)
    expect(draw(schedule, new Map([[2, 100]]), 3)).toEqual([2, 2, 2])
  })

  it('leave out a revision with nothing', () => {
    expect(
      draw(
        new ShareSchedule(),
        new Map([
          [1, 0],
          [2, 1],
        ]),
        2,
      ),
    ).toEqual([2, 2])
    expect(new ShareSchedule().next(new Map([[1, 0]]))).toBeNull()
  })
})
