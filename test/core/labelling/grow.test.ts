import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isClean, nextPage, pagesVouched, type GrowPage } from '../../../core/labelling/grow.ts'

/** Runs to the end, where pages before `boundary` are clean and the others are not. */
function run(pages: number, boundary: number): { shown: number[]; vouched: number } {
  const judged: GrowPage[] = []
  for (;;) {
    const page = nextPage(judged, pages)
    if (page === null) break
    judged.push({ page, clean: page < boundary })
  }
  return { shown: judged.map(({ page }) => page), vouched: pagesVouched(judged, pages) }
}

describe('growing by galloping bisection', () => {
  it('doubles its jumps while pages are clean, then goes back', () => {
    expect(run(100, 20).shown).toEqual([0, 2, 6, 14, 30, 18, 24, 19, 21, 20])
  })

  it('vouches for exactly the pages before the boundary, in about twice the logarithm of screens', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.nat(500), (pages, some) => {
        const boundary = Math.min(pages, some)
        const { shown, vouched } = run(pages, boundary)
        expect(vouched).toBe(boundary)
        expect(new Set(shown).size).toBe(shown.length)
        expect(shown.length).toBeLessThanOrEqual(5 + 3 * Math.log2(pages + 1))
      }),
      { seed: 1 },
    )
  })

  it('stops at the first page that is not clean, whatever lies beyond', () => {
    const judged = [
      { page: 0, clean: true },
      { page: 1, clean: false },
      { page: 2, clean: true },
    ]
    expect(pagesVouched(judged, 9)).toBe(1)
    expect(nextPage(judged, 9)).toBeNull()
  })

  it('calls a page clean while it has no more misfits than the target lets pass', () => {
    expect([isClean(48, 0, 0.99), isClean(48, 1, 0.99), isClean(48, 2, 0.95), isClean(48, 3, 0.95)]).toEqual([
      true,
      false,
      true,
      false,
    ])
  })
})
