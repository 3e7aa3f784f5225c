/** What the pages of a dataset compute by themselves: conditions of an address, long scroll bars, points of a map. */

import { describe, expect, test } from 'vitest'
import { checkCondition } from '#core/catalog'
import {
  conditionOf,
  filterOf,
  isPicked,
  onlyWhere,
  pickText,
  setWhere,
  toggle,
} from '../../apps/web/src/datasets/filter.ts'
import {
  fit,
  nearest,
  paint,
  readPoints,
  simplified,
  toMap,
  toPixel,
  within,
  zoomAt,
  type Paint,
  type Points,
} from '../../apps/web/src/datasets/map-view.ts'
import { barAt, contentAt, moveContent, railHeight, RAIL_LIMIT } from '../../apps/web/src/datasets/rail.ts'
import { extended, NOTHING, sizeOf, toggled } from '../../apps/web/src/datasets/selection.ts'

describe('a filter in the address', () => {
  const of = (address: string) => filterOf(new URLSearchParams(address))

  test('becomes one condition that the query language takes', async () => {
    const filter = of(
      "where=blur > 0.4 or label = 'x'&is.label=it's&is.label=&is.humanSeen=true&is.tags=night&in.width=10..20&in.blur=0.9..=1",
    )
    const condition = conditionOf(filter)
    expect(condition).toBe(
      "(blur > 0.4 or label = 'x') and (label is null or label in ('it''s')) and humanSeen in (true)" +
        " and list_contains(tags, 'night') and width >= 10 and width < 20 and blur >= 0.9 and blur <= 1",
    )
    await checkCondition(condition)
    expect(conditionOf(filter, 'label')).not.toContain('it')
    expect(conditionOf(of(''))).toBe('')
    expect(conditionOf(of('where=blur > 0.4'))).toBe('blur > 0.4')
  })

  test('what is no range is not taken for one', () => {
    expect(of('in.blur=abc..1&in.width=5').picks).toEqual([])
  })

  test('a value is picked and put back, a range is widened and keeps its end', () => {
    const value = { value: null, images: 3 }
    const picked = toggle(new URLSearchParams('at=500'), 'label', value)
    expect(picked.toString()).toBe('is.label=')
    expect(isPicked(filterOf(picked), 'label', value)).toBe(true)
    expect(toggle(picked, 'label', value).toString()).toBe('')
    const last = { from: 0.9, to: 1, isLast: true, images: 1 }
    const wide = toggle(toggle(new URLSearchParams(), 'blur', last), 'blur', { from: 0.7, to: 0.8, images: 1 }, true)
    expect(wide.get('in.blur')).toBe('0.7..=1')
    expect(isPicked(filterOf(wide), 'blur', last)).toBe(true)
    expect(pickText(filterOf(wide).picks[0]!)).toBe('Blur: 0.7–1')
  })

  test('a view replaces what was picked and keeps the rest of the address', () => {
    const address = new URLSearchParams('is.label=a&in.blur=0..1&order=-blur&at=9')
    expect(onlyWhere(address, 'width > 5').toString()).toBe('order=-blur&where=width+%3E+5')
    expect(setWhere(new URLSearchParams('where=x'), ' ').toString()).toBe('')
  })
})

describe('a long scroll bar', () => {
  const short = { content: 50_000, view: 800 }
  const long = { content: 120_000_000, view: 800 }

  test('is as long as the content while a browser can lay it out', () => {
    expect(railHeight(short)).toBe(50_000)
    expect(moveContent(short, 100, 100, 40_000)).toBe(40_000)
    expect(railHeight(long)).toBe(RAIL_LIMIT)
  })

  test('beyond that small moves are exact, both ends are reached, and a drag goes proportionally', () => {
    expect(moveContent(long, 60_000_000, 4_000_000, 4_000_120)).toBe(60_000_120)
    expect(moveContent(long, 5_000, 100, 0)).toBe(0)
    expect(moveContent(long, 0, 0, RAIL_LIMIT - 800)).toBe(120_000_000 - 800)
    expect(moveContent(long, 0, 0, 4_000_000) / long.content).toBeCloseTo(0.5, 3)
  })

  test('the bar put where the content stands leads back to it', () => {
    for (const at of [0, 1, 59_999_999, 119_999_200]) expect(contentAt(long, barAt(long, at))).toBeCloseTo(at, 3)
    expect(barAt({ content: 300, view: 800 }, 0)).toBe(0)
  })
})

describe('a selection', () => {
  test('of all means as many as fit; a mark then begins anew', () => {
    expect(sizeOf({ all: true }, 12_345)).toBe(12_345)
    expect(toggled({ all: true }, 'a')).toEqual({ all: false, digests: new Set(['a']) })
    expect(toggled(toggled(NOTHING, 'a'), 'a')).toEqual(NOTHING)
    expect(sizeOf(extended(toggled(NOTHING, 'a'), ['a', 'b']), 9)).toBe(2)
  })
})

describe('a map', () => {
  const points = (...xy: number[]): Points => ({ count: xy.length / 2, xy: Float32Array.from(xy) })
  const size = { width: 200, height: 100 }
  const how: Paint = {
    ...{ colours: Uint32Array.of(1, 2), codes: null, marked: null, quiet: 8, accent: 9, only: null },
  }

  test('is read as the API sends it', () => {
    const bytes = Buffer.alloc(20)
    bytes.writeUInt32LE(2)
    for (const [at, value] of [0.5, -1, 3, 4].entries()) bytes.writeFloatLE(value, 4 + at * 4)
    const read = readPoints(new Uint8Array(bytes).buffer)
    expect(read.count).toBe(2)
    expect([...read.xy]).toEqual([0.5, -1, 3, 4])
  })

  test('fits the window, and the place under the hand stays while it zooms', () => {
    const square = points(-1, -1, 1, 1, -1, 1, 1, -1)
    const view = fit(square, size)
    expect(view).toMatchObject({ x: 0, y: 0 })
    expect(view.scale).toBeCloseTo(47)
    const nearer = zoomAt(view, size, 150, 20, 3)
    expect(toMap(nearer, size, 150, 20)).toEqual(
      toMap(view, size, 150, 20).map((one) => expect.closeTo(one, 9) as number),
    )
    expect(toPixel(nearer, size, ...toMap(nearer, size, 13, 77))).toEqual([
      expect.closeTo(13, 9),
      expect.closeTo(77, 9),
    ])
    expect(fit(points(), size).scale).toBe(1)
  })

  test('each point is drawn where it stands; those that are marked cover the others', () => {
    const view = { x: 0, y: 0, scale: 10 }
    const pixels = new Uint32Array(200 * 100)
    const three = points(0, 0, 0, 0, 2, 3, 900, 900)
    paint(pixels, three, view, size, 0.5, { ...how, codes: Uint8Array.of(0, 1, 1, 0) })
    expect(pixels[50 * 200 + 100]).toBe(2)
    expect(pixels[80 * 200 + 120]).toBe(2)
    expect(pixels.filter((pixel) => pixel !== 0)).toHaveLength(2)
    paint(pixels, three, view, size, 0.5, { ...how, marked: Uint8Array.of(1, 0, 0, 0) })
    expect([pixels[50 * 200 + 100], pixels[80 * 200 + 120]]).toEqual([9, 8])
    paint(pixels, three, view, size, 0.5, { ...how, codes: Uint8Array.of(0, 0, 1, 0), only: 1 })
    expect([pixels[50 * 200 + 100], pixels[80 * 200 + 120]]).toEqual([8, 2])
  })

  test('what lies within a lasso is found, also where it bends inwards', () => {
    // A square whose upper side bends down to its middle.
    const bent = [0, 0, 1.5, 1.5, 3, 0, 3, 3, 0, 3]
    expect(within(points(1.5, 0.5, 1.5, 1.9, 2.8, 1, 9, 9), bent)).toEqual([1, 2])
    const long = Array.from({ length: 1_000 }, (_, at) => [Math.cos(at / 159), Math.sin(at / 159)]).flat()
    expect(simplified(long).length).toBeLessThanOrEqual(128)
    expect(within(points(0, 0, 2, 0), simplified(long))).toEqual([0])
  })

  test('the nearest point is found within reach, or none', () => {
    const view = { x: 0, y: 0, scale: 10 }
    expect(nearest(points(0, 0, 1, 0), view, size, 108, 51, 12)).toBe(1)
    expect(nearest(points(0, 0, 1, 0), view, size, 180, 51, 12)).toBe(-1)
  })
})
