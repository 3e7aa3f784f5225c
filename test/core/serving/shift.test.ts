import { describe, expect, it } from 'vitest'
import { canaryShares, formerShares, promotedShares } from '#core/serving'

describe('a canary', () => {
  it('takes its share from the revision that has most', () => {
    expect(canaryShares({ 1: 100 }, 2, 10)).toEqual({ 1: 90, 2: 10 })
    expect(canaryShares({ 1: 20, 2: 80 }, 3, 5)).toEqual({ 2: 95, 3: 5 })
  })

  it('grows at the cost of the same one', () => {
    expect(canaryShares({ 1: 90, 2: 10 }, 2, 50)).toEqual({ 1: 50, 2: 50 })
  })

  it('gets everything where there is nobody to share with', () => {
    expect(canaryShares({}, 1, 10)).toEqual({ 1: 100 })
    expect(canaryShares({ 1: 100 }, 1, 10)).toEqual({ 1: 100 })
    expect(canaryShares({ 1: 0, 2: 100 }, 2, 10)).toEqual({ 2: 100 })
  })
})

describe('promoting', () => {
  it('gives the newest revision with a share everything', () => {
    expect(promotedShares('e', { 1: 90, 2: 10 })).toEqual({ 2: 100 })
    expect(promotedShares('e', { 1: 60, 2: 40, 3: 0 })).toEqual({ 2: 100 })
  })

  it.each([[{ 2: 100 }], [{}]])('is refused where there is no canary: %o', (now) => {
    expect(() => promotedShares('e', now)).toThrow(expect.objectContaining({ code: 'ENDPOINT_CONFLICT' }))
  })
})

describe('moving back', () => {
  const history = (...states: Record<number, number>[]) => states.map((value) => ({ value }))

  it('from a canary returns what it took', () => {
    expect(formerShares('e', history({ 1: 100 }, { 1: 90, 2: 10 }))).toEqual({ 1: 100 })
  })

  it('from a promoted canary goes to the revision before, not to the divided traffic', () => {
    expect(formerShares('e', history({ 1: 100 }, { 1: 90, 2: 10 }, { 2: 100 }))).toEqual({ 1: 100 })
  })

  it('twice returns to where it began', () => {
    expect(formerShares('e', history({ 1: 100 }, { 2: 100 }, { 1: 100 }))).toEqual({ 2: 100 })
  })

  it('is refused where no other revision ever had everything', () => {
    for (const states of [history(), history({ 1: 100 }), history({}, { 1: 100 })])
      expect(() => formerShares('e', states)).toThrow(expect.objectContaining({ code: 'ENDPOINT_CONFLICT' }))
  })
})
