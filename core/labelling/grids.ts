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
 * @param certainty - how sure it is that an image has its proposed class, on any scale.
 * @returns grids of at most 48 cells, as equal in size as can be, with the gold spread over all grids of its class.
 */
export function layOut(
  groups: ReadonlyMap<number, Group>,
  coordinates: Matrix,
  certainty: (image: number, proposed: number) => number,
): { readonly proposed: number; readonly cells: readonly Cell[] }[] {
  return [...groups]
    .sort(([a], [b]) => a - b)
    .flatMap(([proposed, { images, gold }]) => {
      const inChain = (some: readonly number[]): number[] =>
        chain(some, coordinates, (image) => certainty(image, proposed))
      const grids = cut(inChain(images), Math.ceil((images.length + gold.length) / GRID))
      for (const image of gold) smallest(grids).push(image)
      const hidden = new Set(gold)
      return grids.map((grid) => ({
        proposed,
        cells: inChain(grid).map((image) => ({ image, gold: hidden.has(image) })),
      }))
    })
}

/** Into `count` runs of nearly equal length. */
function cut(images: readonly number[], count: number): number[][] {
  const edge = (i: number): number => Math.round((i * images.length) / count)
  return Array.from({ length: count }, (_, i) => images.slice(edge(i), edge(i + 1)))
}

function smallest(grids: readonly number[][]): number[] {
  return grids.reduce((least, grid) => (grid.length < least.length ? grid : least))
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
