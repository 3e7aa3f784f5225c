/** Why the engine thinks what it thinks of an image: told when somebody asks, never before. */

import type { Matrix } from '#core/inference'
import type { Outlook } from './outlook.ts'
import type { LabellingProblem } from './rounds.ts'
import type { Reasons } from './types.ts'

const NEIGHBOURS = 8

/** @param labels - class of each image that people gave, −1 for none, [n]. */
export function reasonsFor(
  image: number,
  outlook: Outlook | null,
  {
    problem,
    labels,
    coordinates,
  }: {
    readonly problem: LabellingProblem
    readonly labels: Int32Array
    readonly coordinates: Matrix
  },
): Reasons {
  const { digests, classes, assignment } = problem
  const prediction = outlook?.prediction
  return {
    chance: outlook ? 1 - outlook.wrong[image]! : null,
    predicted: classes[prediction?.best[image] ?? -1] ?? null,
    margin: prediction?.margin[image] ?? null,
    cluster: assignment[image] ?? null,
    neighbours: likest(image, labels, coordinates).map(({ other, similarity }) => ({
      digest: digests[other]!,
      class: classes[labels[other]!]!,
      similarity,
    })),
  }
}

/** The labelled images whose directions are closest, the likest first: the cosine of the angle between them. */
function likest(image: number, labels: Int32Array, m: Matrix): { other: number; similarity: number }[] {
  const own = Math.sqrt(product(m, image, image))
  const found: { other: number; similarity: number }[] = []
  for (let other = 0; other < labels.length; other++) {
    if (labels[other]! < 0 || other === image) continue
    const length = own * Math.sqrt(product(m, other, other))
    const similarity = length > 0 ? product(m, image, other) / length : 0
    if (found.length === NEIGHBOURS && similarity <= found[NEIGHBOURS - 1]!.similarity) continue
    const place = found.findIndex((one) => one.similarity < similarity)
    found.splice(place < 0 ? found.length : place, 0, { other, similarity })
    found.length = Math.min(found.length, NEIGHBOURS)
  }
  return found
}

function product({ data, cols }: Matrix, a: number, b: number): number {
  let sum = 0
  for (let j = 0; j < cols; j++) sum += data[a * cols + j]! * data[b * cols + j]!
  return sum
}
