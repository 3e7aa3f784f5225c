import { describe, expect, it } from 'vitest'
import { seededRandom } from '#core/clustering'
import { symmetricEigen, symmetricEigenvalues, type Matrix64 } from '#core/inference'

const square = (rows: number, data: readonly number[]): Matrix64 => ({
  data: Float64Array.from(data),
  rows,
  cols: rows,
})

function randomSymmetric(n: number, seed: number): Matrix64 {
  const random = seededRandom(seed)
  const data = new Float64Array(n * n)
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) data[i * n + j] = data[j * n + i] = random() - 0.5
  return { data, rows: n, cols: n }
}

describe('eigenvalues of a symmetric matrix', () => {
  it('are 3 and 1 of [[2, 1], [1, 2]], in descending order', () => {
    const [high, low] = symmetricEigenvalues(square(2, [2, 1, 1, 2]))
    expect(high).toBeCloseTo(3, 12)
    expect(low).toBeCloseTo(1, 12)
  })

  it('are 2 and 2 ± √2 of the second differences of three points', () => {
    const values = symmetricEigenvalues(square(3, [2, -1, 0, -1, 2, -1, 0, -1, 2]))
    const expected = [2 + Math.SQRT2, 2, 2 - Math.SQRT2]
    expected.forEach((value, i) => expect(values[i]).toBeCloseTo(value, 12))
  })

  it.each([1, 2, 7, 40])('are those that rotations find, for %i rows', (n) => {
    const a = randomSymmetric(n, n)
    const values = symmetricEigenvalues(a)
    symmetricEigen(a).values.forEach((value, i) => expect(values[i]).toBeCloseTo(value, 9))
  })

  it('are the diagonal of a diagonal matrix, repeated ones as often as they stand there', () => {
    expect([...symmetricEigenvalues(square(4, [1, 0, 0, 0, 0, 5, 0, 0, 0, 0, 1, 0, 0, 0, 0, -2]))]).toEqual([
      5, 1, 1, -2,
    ])
  })

  it('of a matrix of rank one are its trace and zeros', () => {
    const v = [1, -2, 3, 0.5, 2]
    const values = symmetricEigenvalues(
      square(
        5,
        v.flatMap((x) => v.map((y) => x * y)),
      ),
    )
    expect(values[0]).toBeCloseTo(18.25, 12)
    for (const value of values.slice(1)) expect(value).toBeCloseTo(0, 12)
  })

  it('leave the matrix as it was', () => {
    const a = randomSymmetric(6, 3)
    const before = a.data.slice()
    symmetricEigenvalues(a)
    expect(a.data).toEqual(before)
  })
})
