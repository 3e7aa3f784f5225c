import { describe, expect, it } from 'vitest'
import { seededRandom } from '#core/clustering'
import { effectiveRank } from '#core/embedding'
import { matrix, rowsOf, type Matrix } from '#core/inference'
import { QualitySample } from '../../../core/embedding/quality.ts'

/** ± each axis times its length: as many equal or unequal directions as lengths. */
function cross(lengths: readonly number[]): Matrix {
  const d = lengths.length
  const m = matrix(2 * d, d)
  lengths.forEach((length, i) => {
    m.data[2 * i * d + i] = length
    m.data[(2 * i + 1) * d + i] = -length
  })
  return m
}

describe('the effective rank', () => {
  it('is the number of directions where all are equally long', async () => {
    expect(await effectiveRank(cross([2, 2, 2, 2]))).toBeCloseTo(4, 5)
  })

  it('is exp of the entropy of their shares where they are not', async () => {
    const expected = Math.exp(-(0.75 * Math.log(0.75) + 0.25 * Math.log(0.25)))
    expect(await effectiveRank(cross([3, 1]))).toBeCloseTo(expected, 5)
  })

  it('is 1 where all rows are equal, and where they lie on one line', async () => {
    expect(await effectiveRank(matrix(5, 3, new Float32Array(15).fill(7)))).toBe(1)
    expect(await effectiveRank(matrix(4, 2, Float32Array.of(1, 1, 2, 2, 3, 3, 4, 4)))).toBeCloseTo(1, 4)
  })

  it('does not change when all rows are moved, or stretched alike', async () => {
    const random = seededRandom(3)
    const m = matrix(30, 6, Float32Array.from({ length: 180 }, random))
    const moved = matrix(
      30,
      6,
      m.data.map((x) => 5 * x + 3),
    )
    expect(await effectiveRank(moved)).toBeCloseTo(await effectiveRank(m), 3)
  })

  it('of few long rows is that of the same rows with empty columns left out', async () => {
    const m = cross([3, 1])
    const wide = matrix(4, 9)
    for (let i = 0; i < 4; i++) wide.data.set(m.data.subarray(2 * i, 2 * i + 2), 9 * i)
    expect(await effectiveRank(wide)).toBeCloseTo(await effectiveRank(m), 4)
  })
})

it('quality is measured on evenly spaced rows, however they arrive', async () => {
  const random = seededRandom(9)
  const m = matrix(1_500, 5, Float32Array.from({ length: 7_500 }, random))
  const measured = async (step: number) => {
    const sample = new QualitySample(m.rows)
    for (let start = 0; start < m.rows; start += step) sample.add(rowsOf(m, start, Math.min(m.rows, start + step)))
    return sample.quality()
  }
  const whole = await measured(1_500)
  expect(whole.images).toBe(512)
  expect(await measured(7)).toEqual(whole)
})
