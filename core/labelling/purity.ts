/**
 * How pure a cluster is, by the images of it that people saw, and how a doubtful one is split.
 *
 * With r misfits among n images the share of the cluster's class has the posterior Beta(1 + n − r, 1 + r), from a uniform
 * prior. A cluster is doubtful while the 5 % quantile of that lies under 0.9.
 */

import type { Matrix } from '#core/inference'
import { binomialTail } from './bounds.ts'

/** The share of one class that a cluster must have, and the chance that it has less. */
const PURE = 0.9
const DOUBT = 0.05
const SPLIT_STEPS = 8

/**
 * @param shown - images of the cluster that people judged.
 * @param misfits - those of them that are not of its commonest class.
 * @param chance - of the quantile, 0–1.
 * @returns the share of its commonest class that the cluster falls short of with this chance.
 */
export function purityQuantile(shown: number, misfits: number, chance = DOUBT): number {
  // P(Beta(a, b) ≤ x) = P(Bin(a + b − 1, x) ≥ a) for whole a and b.
  const below = (x: number): number => 1 - binomialTail(shown - misfits, shown + 1, x)
  let [low, high] = [0, 1]
  for (let step = 0; step < 50; step++) {
    const middle = (low + high) / 2
    if (below(middle) < chance) low = middle
    else high = middle
  }
  return low
}

export function isPure(shown: number, misfits: number): boolean {
  return purityQuantile(shown, misfits) >= PURE
}

/**
 * Two halves of a cluster, by 2-means from two images far apart.
 *
 * @param members - rows of `coordinates`, the most typical first.
 * @returns both halves in the order of `members`; the second is empty where all lie at one point.
 */
export function splitInTwo(members: readonly number[], coordinates: Matrix): readonly [number[], number[]] {
  const first = members[0]
  if (first === undefined) return [[], []]
  const one = farthest(members, pointOf(coordinates, first), coordinates)
  const other = farthest(members, pointOf(coordinates, one), coordinates)
  let centres = [pointOf(coordinates, one), pointOf(coordinates, other)] as const
  let halves: readonly [number[], number[]] = [[...members], []]
  for (let step = 0; step < SPLIT_STEPS; step++) {
    const [left, right] = centres
    const isLeft = (image: number): boolean => distance(coordinates, image, left) <= distance(coordinates, image, right)
    halves = [members.filter(isLeft), members.filter((image) => !isLeft(image))]
    if (halves[1].length === 0) break
    centres = [meanOf(coordinates, halves[0]), meanOf(coordinates, halves[1])]
  }
  return halves
}

function farthest(members: readonly number[], from: Float64Array, coordinates: Matrix): number {
  let [found, most] = [members[0]!, -1]
  for (const image of members) {
    const away = distance(coordinates, image, from)
    if (away > most) [found, most] = [image, away]
  }
  return found
}

function pointOf({ data, cols }: Matrix, image: number): Float64Array {
  return Float64Array.from(data.subarray(image * cols, (image + 1) * cols))
}

function meanOf(coordinates: Matrix, members: readonly number[]): Float64Array {
  const mean = new Float64Array(coordinates.cols)
  for (const image of members) {
    const at = image * coordinates.cols
    for (let j = 0; j < mean.length; j++) mean[j]! += coordinates.data[at + j]! / members.length
  }
  return mean
}

function distance({ data, cols }: Matrix, image: number, point: Float64Array): number {
  let sum = 0
  for (let j = 0; j < cols; j++) sum += (data[image * cols + j]! - point[j]!) ** 2
  return sum
}
