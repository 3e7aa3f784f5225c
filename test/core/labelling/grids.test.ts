import { describe, expect, it } from 'vitest'
import { layOut } from '../../../core/labelling/grids.ts'

/** Images on a line, image i at position i. */
const line = { data: Float32Array.from({ length: 200 }, (_, i) => i), rows: 200, cols: 1 }
const range = (start: number, end: number): number[] => Array.from({ length: end - start }, (_, i) => start + i)

describe('grids', () => {
  it('100 images of one class make three grids of 33 or 34', () => {
    const grids = layOut(new Map([[0, { images: range(0, 100), gold: [] }]]), line, (image) => -image)
    expect(grids.map((grid) => grid.cells.length)).toEqual([33, 34, 33])
  })

  it('alike lies beside alike, from the most certain image on', () => {
    const grids = layOut(new Map([[0, { images: [9, 2, 7, 3, 8], gold: [] }]]), line, (image) => (image === 7 ? 1 : 0))
    expect(grids[0]!.cells.map((cell) => cell.image)).toEqual([7, 8, 9, 3, 2])
  })

  it('gold is spread over all grids of its class, and no grid exceeds 48', () => {
    const grids = layOut(new Map([[0, { images: range(0, 138), gold: range(150, 156) }]]), line, (image) => -image)
    expect(grids.map((grid) => grid.cells.filter((cell) => cell.gold).length)).toEqual([2, 2, 2])
    expect(grids.every((grid) => grid.cells.length === 48)).toBe(true)
  })

  it('each class has grids of its own, ascending by class', () => {
    const groups = new Map([
      [2, { images: [5], gold: [] }],
      [1, { images: [6, 7], gold: [8] }],
    ])
    const grids = layOut(groups, line, () => 0)
    expect(grids.map(({ proposed, cells }) => [proposed, cells.length])).toEqual([
      [1, 3],
      [2, 1],
    ])
  })
})
