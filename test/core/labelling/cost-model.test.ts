import { describe, expect, it } from 'vitest'
import { addWork, humanSeconds, labellingStats, NO_WORK, speedUp } from '../../../core/labelling/cost-model.ts'

const images = (n: number): string[] => Array.from({ length: n }, (_, i) => `image-${i}`)
const misfits = (n: number) => images(n).map((image) => ({ image, class: 'other' }))
const none = { audits: 0, gold: 0 }

describe('the keyboard cost model', () => {
  it('a full grid without misfits costs 1.35 + 0.28 + 48 · 0.20 seconds', () => {
    const tally = addWork(NO_WORK, { kind: 'verify', images: images(48) }, { misfits: [] }, none)
    expect(humanSeconds(tally)).toBeCloseTo(11.23, 10)
  })

  it('each misfit costs 0.60 + 1.09 seconds more', () => {
    const tally = addWork(NO_WORK, { kind: 'cluster', images: images(10) }, { misfits: misfits(3) }, none)
    expect(humanSeconds(tally)).toBeCloseTo(1.63 + 2 + 3 * 1.69, 10)
  })

  it('a single image costs 1.93 seconds, whatever is said of it', () => {
    const tally = addWork(NO_WORK, { kind: 'single', images: images(1) }, { misfits: misfits(1) }, none)
    expect(tally).toMatchObject({ screens: 0, singles: 1, misfits: 0, shown: 1 })
    expect(humanSeconds(tally)).toBeCloseTo(1.93, 10)
  })

  it('audits and gold are counted, and cost what any other image of a grid costs', () => {
    const grid = { kind: 'verify', images: images(20) } as const
    const plain = addWork(NO_WORK, grid, { misfits: misfits(2) }, none)
    const audit = addWork(NO_WORK, grid, { misfits: misfits(2) }, { audits: 18, gold: 2 })
    expect(audit).toMatchObject({ audits: 18, gold: 2 })
    expect(humanSeconds(audit)).toBe(humanSeconds(plain))
  })

  it('speed-up is one-by-one seconds over the seconds worked', () => {
    expect(speedUp(48, 11.23)).toBeCloseTo((48 * 1.93) / 11.23, 10)
    expect(speedUp(0, 0)).toBe(1)
    const tally = addWork(NO_WORK, { kind: 'verify', images: images(48) }, { misfits: [] }, none)
    expect(labellingStats(tally, 480).speedUp).toBeCloseTo((480 * 1.93) / 11.23, 10)
  })
})
