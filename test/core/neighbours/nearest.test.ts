import { writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { matrix, type Matrix, type SessionPool } from '#core/inference'
import { layOut } from '../../../core/neighbours/layout.ts'
import { nearestRows, openNearest } from '../../../core/neighbours/nearest.ts'
import { randomNumbers } from '../../support/images.ts'
import { temporaryFolder } from '../imports/support.ts'

const folder = temporaryFolder()
let pool: SessionPool
beforeAll(async () => void (pool = await openNearest()))
afterAll(() => pool.close())

/** Unit-length rows near one of a few directions. */
function looks(rows: number, dims: number, groups: number): Matrix {
  const draw = randomNumbers(5)
  const m = matrix(rows, dims)
  for (let i = 0; i < rows; i++) {
    const row = m.data.subarray(i * dims, (i + 1) * dims)
    for (let j = 0; j < dims; j++) row[j] = (j % groups === i % groups ? 1 : 0) + (draw() - 0.5) / 4
    const length = Math.hypot(...row)
    for (let j = 0; j < dims; j++) row[j]! /= length
  }
  return m
}

async function stored(name: string, m: Matrix): Promise<{ file: string; rows: number; dims: number }> {
  await writeFile(folder(name), new Uint8Array(m.data.buffer))
  return { file: folder(name), rows: m.rows, dims: m.cols }
}

it('the nearest rows are those that comparing with every row finds, over all blocks of the file', async () => {
  const m = looks(70_000, 8, 4)
  const file = await stored('many.f32', m)
  const query = matrix(1, 8, m.data.slice(69_000 * 8, 69_001 * 8))
  const [found] = await nearestRows(pool, file, query, 10)
  const all = Array.from({ length: m.rows }, (_, row) => {
    let similarity = 0
    for (let j = 0; j < 8; j++) similarity += m.data[row * 8 + j]! * query.data[j]!
    return { row, similarity }
  })
  const wanted = all.sort((a, b) => b.similarity - a.similarity || a.row - b.row).slice(0, 10)
  expect(found!.map(({ row }) => row)).toEqual(wanted.map(({ row }) => row))
  expect(found![0]).toEqual({ row: 69_000, similarity: expect.closeTo(1, 5) as number })
})

it('fewer rows than asked for are all given', async () => {
  const m = looks(3, 4, 2)
  const [found] = await nearestRows(pool, await stored('few.f32', m), matrix(1, 4, m.data.slice(0, 4)), 10)
  expect(found!.map(({ row }) => row).sort()).toEqual([0, 1, 2])
})

const hooks = { signal: new AbortController().signal, onProgress: () => undefined }

it('on a map each image lies beside images of its own group, also those that are no landmarks', async () => {
  const groups = 4
  const m = looks(900, 16, groups)
  const map = await layOut(pool, await stored('groups.f32', m), { ...hooks, landmarks: 300 })
  expect(map).toHaveLength(1_800)
  expect(Math.max(...map.map(Math.abs))).toBe(1)
  let together = 0
  for (let i = 0; i < 200; i++) {
    let [nearest, least] = [-1, Infinity]
    for (let j = 0; j < m.rows; j++) {
      const far = (map[2 * i]! - map[2 * j]!) ** 2 + (map[2 * i + 1]! - map[2 * j + 1]!) ** 2
      if (j !== i && far < least) [nearest, least] = [j, far]
    }
    if (nearest % groups === i % groups) together++
  }
  expect(together).toBe(200)
})

it('equal vectors give an equal map', async () => {
  const file = await stored('again.f32', looks(60, 8, 3))
  expect(await layOut(pool, file, hooks)).toEqual(await layOut(pool, file, hooks))
})

it.each([1, 2, 3])('a map of %i images is a map', async (rows) => {
  const map = await layOut(pool, await stored(`${rows}.f32`, looks(rows, 4, 2)), hooks)
  expect(map).toHaveLength(rows * 2)
  expect([...map].every((value) => Math.abs(value) <= 1)).toBe(true)
})

it('a signal ends it', async () => {
  const stopped = { ...hooks, signal: AbortSignal.abort(new Error('enough')) }
  await expect(layOut(pool, await stored('stop.f32', looks(60, 8, 3)), stopped)).rejects.toThrow('enough')
})
