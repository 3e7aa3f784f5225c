import { describe, expect, it } from 'vitest'
import { chooseMove, showing } from '../../../core/labelling/moves.ts'

describe('the next move', () => {
  it('is the one that certifies most images per second, and says so', () => {
    const moves = [
      showing({ purpose: 'learn', what: 'verify 96 uncertain images', shown: 96, wrong: 2 }, 0.99),
      showing({ purpose: 'review', what: 'look again at 48 labels', shown: 48, wrong: 24 }, 0.99),
    ]
    const chosen = chooseMove(moves)!
    expect(chosen.move.purpose).toBe('review')
    // 48 + 24/0.01 images in 48·(0.2 + 1.63/48) + 24·1.69 s; 96 + 200 in 96·0.234 + 3.38 s.
    expect(chosen.because).toBe(
      'Look again at 48 labels: 47 images certified a second, against 11 for verify 96 uncertain images.',
    )
  })

  it('counts images that come along unseen', () => {
    const work = { purpose: 'grow', what: 'grow', shown: 48, wrong: 0 } as const
    expect(showing({ ...work, unseen: 500 }, 0.99).images - showing(work, 0.99).images).toBeCloseTo(500, 9)
  })

  it('is none where there is none', () => {
    expect(chooseMove([])).toBeNull()
  })
})
