/**
 * Screens of two panes for classes that the model confuses: each image lies in the pane of its likelier class, and one
 * that belongs to the other goes there by one key, without a class being chosen.
 */

import type { Cell } from './grids.ts'
import type { Prediction } from './probe.ts'
import { GRID } from './rounds.ts'

/** Images that the model could have put in either pane. */
export interface Pair {
  readonly classes: readonly [number, number]
  readonly images: readonly number[]
}

/** Predictions less sure than this are worth two panes, and so many of one pair a screen. */
const UNSURE = 0.2
const LEAST = 12
/** Of the smaller pane, at least: else it is a grid of one class. */
const LEAST_PANE = 3

/**
 * @param chance - that the prediction of an image is wrong.
 * @returns the pairs, ascending by class, and the images left for grids of one class, in their order.
 */
export function pairUp(
  images: readonly number[],
  { best, second }: Pick<Prediction, 'best' | 'second'>,
  chance: (image: number) => number,
): { readonly pairs: readonly Pair[]; readonly rest: readonly number[] } {
  const groups = new Map<string, { classes: readonly [number, number]; images: number[] }>()
  for (const image of images) {
    if (chance(image) < UNSURE || second[image]! < 0) continue
    const classes = [Math.min(best[image]!, second[image]!), Math.max(best[image]!, second[image]!)] as const
    const key = classes.join(' ')
    const group = groups.get(key) ?? { classes, images: [] }
    group.images.push(image)
    groups.set(key, group)
  }
  const pairs = [...groups.values()].filter((pair) => {
    const left = pair.images.filter((image) => best[image] === pair.classes[0]).length
    return pair.images.length >= LEAST && Math.min(left, pair.images.length - left) >= LEAST_PANE
  })
  pairs.sort((a, b) => a.classes[0] - b.classes[0] || a.classes[1] - b.classes[1])
  const paired = new Set(pairs.flatMap((pair) => pair.images))
  return { pairs, rest: images.filter((image) => !paired.has(image)) }
}

/**
 * Joins the grids of both panes, laid out by themselves, into screens.
 *
 * @returns cells of each screen with the class of their pane, at most 48.
 */
export function joinPanes(
  panes: readonly [readonly Cell[], readonly Cell[]],
  classes: readonly [number, number],
): { readonly cells: readonly Cell[]; readonly proposals: readonly number[] }[] {
  const total = panes[0].length + panes[1].length
  const count = Math.ceil(total / GRID)
  // Both panes are cut at the same share, so that no screen gets more than its part of all.
  const edge = (i: number): number => Math.floor((i * total) / count)
  const leftEdge = (i: number): number => Math.round((edge(i) * panes[0].length) / Math.max(1, total))
  return Array.from({ length: count }, (_, i) => {
    const left = panes[0].slice(leftEdge(i), leftEdge(i + 1))
    const right = panes[1].slice(edge(i) - leftEdge(i), edge(i + 1) - leftEdge(i + 1))
    return { cells: [...left, ...right], proposals: [...left.map(() => classes[0]), ...right.map(() => classes[1])] }
  })
}
