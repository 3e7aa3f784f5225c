import { describe, expect, it } from 'vitest'
import { fitCorrectness, type Evidence } from '../../../core/labelling/correctness.ts'
import { outlookOf, surpriseFactor } from '../../../core/labelling/outlook.ts'
import { uniforms } from './blobs.ts'

/** Predictions of which 1 / (1 + exp(4·(x − ½))) are wrong; those chosen are twice as often wrong as odds go. */
function evidence(count: number, drawn: (i: number) => boolean): Evidence[] {
  const random = uniforms(3)
  return Array.from({ length: count }, (_, i) => {
    const x = random()
    const chosen = drawn(i) ? 0 : Math.log(2)
    return { facts: [x], wrong: random() < 1 / (1 + Math.exp(4 * (x - 0.5) - chosen)), drawn: drawn(i) }
  })
}

describe('the chance that a prediction is wrong', () => {
  it('is learnt from predictions of which it is known', () => {
    const chance = fitCorrectness(evidence(20_000, () => true))
    expect(chance([0.5])).toBeCloseTo(0.5, 1)
    expect(chance([0])).toBeCloseTo(1 / (1 + Math.exp(-2)), 1)
    expect(chance([1])).toBeCloseTo(1 / (1 + Math.exp(2)), 1)
  })

  it('is not made darker by images that were chosen for being hard', () => {
    const some = evidence(20_000, (i) => i % 4 === 0)
    const blind = fitCorrectness(some.map((one) => ({ ...one, drawn: true })))
    const knowing = fitCorrectness(some)
    expect(knowing([0.5])).toBeLessThan(blind([0.5]) - 0.05)
    expect(knowing([0.5])).toBeCloseTo(0.5, 1)
  })

  it('stays between none and all, however little there is to go by', () => {
    const one = fitCorrectness([{ facts: [0.2, 1], wrong: false, drawn: true }])([0.2, 1])
    expect(one).toBeGreaterThan(0)
    expect(one).toBeLessThan(0.6)
    expect(fitCorrectness([])([])).toBeCloseTo(0.5, 9)
  })

  it('follows what the learning rounds found', () => {
    expect(surpriseFactor([])).toBe(1)
    expect(surpriseFactor([{ expected: 15, found: 5 }])).toBeCloseTo(10 / 20, 9)
    const twice = { expected: 20, found: 40 }
    expect(surpriseFactor([twice, twice, twice])).toBeGreaterThan(1.5)
    expect(surpriseFactor(Array.from({ length: 9 }, () => ({ expected: 1, found: 99 })))).toBe(2)
  })

  it('is greater where the neighbours do not agree', async () => {
    // Ten images labelled, two not; neighbours of image 10 are of its predicted class, those of image 11 are not.
    const labels = Int32Array.from([0, 0, 0, 0, 0, 1, 1, 1, 1, 1, -1, -1])
    const best = Int32Array.from([0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0])
    const margin = new Float32Array(12).fill(0.3)
    const images = Int32Array.from([1, 2, 2, 3, 3, 4, 4, 0, 0, 1, 6, 0, 7, 1, 8, 2, 9, 3, 5, 4, 1, 2, 6, 7])
    const prediction = {
      ...{ best, margin, second: best.map((name) => 1 - name), errorChance: margin, lambda: 1 },
      outOfFold: {
        images: Int32Array.from(labels.keys()).slice(0, 10),
        // What the fit without them says is wrong of those whose neighbours disagree.
        best: Int32Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        margin: new Float32Array(10).fill(0.3),
      },
    }
    const { wrong } = await outlookOf(prediction, labels, {
      neighbours: { images, size: 2 },
      drawn: new Set(labels.keys()),
      factor: 1,
    })
    expect(wrong[11]).toBeGreaterThan(wrong[10]!)
  })
})
