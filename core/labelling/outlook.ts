/** What the newest model makes of every image, and how far to trust it there. It steers the work; only audits certify. */

import { breathe } from '#core/inference'
import { fitCorrectness, type Evidence } from './correctness.ts'
import type { Neighbours } from './neighbours.ts'
import type { Prediction } from './probe.ts'

export interface Outlook {
  readonly prediction: Prediction
  /** Chance that the predicted class of each image is wrong, [n]. */
  readonly wrong: Float32Array
  /** The same of the out-of-fold predictions, in their order. */
  readonly outOfFoldWrong: Float64Array
}

/** Images between two breaths: people who answer meanwhile are not kept waiting. */
const AT_A_TIME = 4_096

/**
 * @param labels - class of each image, −1 where nobody gave one, [n].
 * @param drawn - images drawn at random.
 * @param factor - how much more often predictions turned out wrong than was expected of them.
 */
export async function outlookOf(
  prediction: Prediction,
  labels: Int32Array,
  {
    neighbours,
    drawn,
    factor,
    signal,
  }: {
    readonly neighbours: Neighbours
    readonly drawn: ReadonlySet<number>
    readonly factor: number
    readonly signal?: AbortSignal | undefined
  },
): Promise<Outlook> {
  const { best, margin, outOfFold } = prediction
  const factsOf = (image: number, predicted: number, lead: number): number[] => [
    lead,
    agreement(neighbours, image, (other) => (labels[other]! >= 0 ? labels[other]! : best[other]!) === predicted),
  ]
  const evidence = Array.from(outOfFold.images, (image, i): Evidence => ({
    facts: factsOf(image, outOfFold.best[i]!, outOfFold.margin[i]!),
    wrong: outOfFold.best[i] !== labels[image],
    drawn: drawn.has(image),
  }))
  const chance = fitCorrectness(evidence)
  const scaled = (facts: readonly number[]): number => Math.min(1, factor * chance(facts))
  const wrong = new Float32Array(labels.length)
  for (let image = 0; image < wrong.length; image++) {
    if (image % AT_A_TIME === 0) await breathe(signal)
    wrong[image] = scaled(factsOf(image, best[image]!, margin[image]!))
  }
  return {
    prediction,
    wrong,
    outOfFoldWrong: Float64Array.from(evidence, ({ facts }) => scaled(facts)),
  }
}

/** Share of an image's neighbours that agree; one half where it has none. */
function agreement({ images, size }: Neighbours, image: number, agrees: (other: number) => boolean): number {
  let [count, agreeing] = [0, 0]
  for (let i = image * size; i < (image + 1) * size && images[i]! >= 0; i++) {
    count += 1
    if (agrees(images[i]!)) agreeing += 1
  }
  return count === 0 ? 0.5 : agreeing / count
}

/** Forgotten by half from round to round, so that the factor follows the model. */
const MEMORY = 0.5
/** Misfits that are taken to have been both expected and found before any were. */
const PRIOR = 5
const MOST = 2

/**
 * How much more often predictions turned out wrong than was expected, round by round: what leave-one-out says of images
 * that were chosen for being hard is darker than the truth, and every round tests it anew.
 *
 * @param rounds - oldest first.
 */
export function surpriseFactor(rounds: readonly { readonly expected: number; readonly found: number }[]): number {
  let [found, expected] = [PRIOR, PRIOR]
  for (const round of rounds) {
    found = MEMORY * found + (1 - MEMORY) * PRIOR + round.found
    expected = MEMORY * expected + (1 - MEMORY) * PRIOR + round.expected
  }
  return Math.min(MOST, found / expected)
}
