/** Lays images out on screens: one proposed class each, alike beside alike, the least certain last, gold among them. */

import type { Matrix } from '#core/inference'
import { GRID } from './rounds.ts'

/** Images shown under one class, and gold misfits to hide among them. */
export interface Group {
  readonly images: number[]
  readonly gold: number[]
}

export interface Cell {
  readonly image: number
  readonly gold: boolean
}

/**
 * @param groups - by proposed class.
 * @param certainty - of an image's prediction, any scale.
 * @returns grids of at most 48 cells, as equal in size as can be.
 */
export function layOut(
  groups: ReadonlyMap<number, Group>,
  coordinates: Matrix,
  certainty: (image: number) => number,
): { readonly proposed: number; readonly cells: readonly Cell[] }[] {
  const grids: { proposed: number; cells: Cell[] }[] = []
  for (const [proposed, group] of [...groups].sort(([a], [b]) => a - b)) {
    const gold = new Set(group.gold)
    const ordered = chain([...group.images, ...group.gold], coordinates, certainty)
    const count = Math.ceil(ordered.length / GRID)
    for (let i = 0; i < count; i++) {
      const [start, end] = [i, i + 1].map((edge) => Math.round((edge * ordered.length) / count))
      const cells = ordered.slice(start, end).map((image) => ({ image, gold: gold.has(image) }))
      grids.push({ proposed, cells })
    }
  }
  return grids
}

/** From the most certain image on, each time the likest of those left; above 1,000 images by certainty alone. */
function chain(images: readonly number[], coordinates: Matrix, certainty: (image: number) => number): number[] {
  const left = [...images].sort((a, b) => certainty(b) - certainty(a) || a - b)
  if (left.length > 1_000) return left
  const ordered: number[] = []
  let next = 0
  while (left.length > 0) {
    const image = left.splice(next, 1)[0]!
    ordered.push(image)
    next = 0
    let least = Infinity
    left.forEach((other, at) => {
      const distance = squaredDistance(coordinates, image, other)
      if (distance < least) [least, next] = [distance, at]
    })
  }
  return ordered
}

export function squaredDistance({ data, cols }: Matrix, a: number, b: number): number {
  let sum = 0
  for (let j = 0; j < cols; j++) sum += (data[a * cols + j]! - data[b * cols + j]!) ** 2
  return sum
}
