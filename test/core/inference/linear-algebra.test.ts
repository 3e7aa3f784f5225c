import { describe, expect, it } from 'vitest'
import {
  covarianceOf,
  gram,
  inverseCholesky,
  matMul,
  matMulTransposed,
  matrix,
  pca,
  product,
  project,
  solveWith,
  symmetricEigen,
  type Matrix,
  type Matrix64,
} from '#core/inference'

/** A fixed pseudo-random matrix with entries in [−1, 1). */
function noise(rows: number, cols: number, seed = 1): Matrix {
  let state = seed
  return matrix(
    rows,
    cols,
    Float32Array.from({ length: rows * cols }, () => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0
      return state / 2 ** 31 - 1
    }),
  )
}

const matrix64 = (rows: number, cols: number, values: number[]): Matrix64 => ({
  data: Float64Array.from(values),
  rows,
  cols,
})

describe('products', () => {
  it('are the sums of products that school teaches', async () => {
    const a = matrix(2, 3, Float32Array.of(1, 2, 3, 4, 5, 6))
    const b = matrix(3, 2, Float32Array.of(7, 8, 9, 10, 11, 12))
    expect([...(await matMul(a, b)).data]).toEqual([58, 64, 139, 154])
    expect([...(await matMulTransposed(a, a)).data]).toEqual([14, 32, 32, 77])
    expect([...(await gram(a)).data]).toEqual([17, 22, 27, 22, 29, 36, 27, 36, 45])
  })

  it('of many blocks of rows equal the plain triple loop', async () => {
    const a = noise(5000, 7)
    const b = noise(5000, 3, 2)
    const fast = await gram(a, b)
    const slow = new Float64Array(21)
    for (let r = 0; r < 5000; r++)
      for (let i = 0; i < 7; i++)
        for (let j = 0; j < 3; j++) slow[i * 3 + j]! += a.data[r * 7 + i]! * b.data[r * 3 + j]!
    slow.forEach((value, i) => expect(fast.data[i]).toBeCloseTo(value, 3))
  })

  it('stop with the reason of an aborted signal', async () => {
    const stop = new AbortController()
    stop.abort(new Error('enough'))
    await expect(gram(noise(10, 2), undefined, { signal: stop.signal })).rejects.toThrow('enough')
  })
})

describe('Cholesky', () => {
  it('inverts the factor of a two by two matrix: [[4, 2], [2, 5]] = [[2, 0], [1, 2]] times its transpose', async () => {
    const inverse = await inverseCholesky(matrix64(2, 2, [4, 2, 2, 5]))
    expect([...inverse.data]).toEqual([0.5, 0, -0.25, 0.5])
  })

  it('solves systems larger than its blocks', async () => {
    const g = await gram(noise(700, 300))
    for (let i = 0; i < 300; i++) g.data[i * 300 + i]! += 1
    const truth = matrix64(
      300,
      2,
      Array.from({ length: 600 }, (_, i) => Math.sin(i)),
    )
    const solution = await solveWith(await inverseCholesky(g), await product('nn', g, truth))
    solution.data.forEach((value, i) => expect(value).toBeCloseTo(truth.data[i]!, 9))
  })

  it('refuses a matrix that is not positive definite', async () => {
    await expect(inverseCholesky(matrix64(2, 2, [1, 2, 2, 1]))).rejects.toThrow('not positive definite')
  })
})

describe('eigenvectors', () => {
  it('of [[2, 1], [1, 2]] are the diagonals, with values 3 and 1', () => {
    const { values, vectors } = symmetricEigen(matrix64(2, 2, [2, 1, 1, 2]))
    expect(values[0]).toBeCloseTo(3, 12)
    expect(values[1]).toBeCloseTo(1, 12)
    expect(Math.abs(vectors.data[0]!)).toBeCloseTo(Math.SQRT1_2, 12)
    expect(vectors.data[0]! * vectors.data[2]!).toBeCloseTo(0.5, 12)
  })
})

describe('principal components', () => {
  it('find the one line that points lie on', async () => {
    const points = matrix(4, 2, Float32Array.of(1, 2, 2, 4, 3, 6, 4, 8))
    const found = await pca(points, 1)
    expect([...found.mean]).toEqual([2.5, 5])
    expect(found.components.data[0]).toBeCloseTo(1 / Math.sqrt(5), 5)
    expect(found.components.data[1]).toBeCloseTo(2 / Math.sqrt(5), 5)
    expect(found.variances[0]).toBeCloseTo(6.25, 5)
    const line = await project(points, found)
    expect(line.data[3]! - line.data[0]!).toBeCloseTo(3 * Math.sqrt(5), 4)
  })

  it('agree with the full eigendecomposition of the covariance', async () => {
    const points = noise(400, 40, 3)
    for (let i = 0; i < points.data.length; i++) points.data[i]! *= 1 + (i % 40)
    const found = await pca(points, 5)
    const { values } = symmetricEigen((await covarianceOf(points)).covariance)
    for (let i = 0; i < 5; i++) expect(found.variances[i]! / values[i]!).toBeCloseTo(1, 3)
  })

  it('have the same bits each time', async () => {
    const points = noise(200, 64, 5)
    expect((await pca(points, 8)).components.data).toEqual((await pca(points, 8)).components.data)
  })

  it('survive columns that never vary', async () => {
    const points = matrix(50, 30)
    for (let i = 0; i < 50; i++) points.data[i * 30] = i
    const { variances } = await pca(points, 4)
    expect(variances[0]).toBeCloseTo((50 * 50 - 1) / 12, 2)
    expect(variances[1]).toBeCloseTo(0, 6)
  })
})
