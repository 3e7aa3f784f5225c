/**
 * Labels of people that are worth a second look: confident learning (Northcutt et al., JAIR 2021) with out-of-fold
 * predictions, and with what is known of how people err. On a grid they do not name wrong classes, they overlook that the
 * proposed one is wrong. A label that was let stand, though the model without it says otherwise with chance e, is wrong
 * with the chance e·m / (e·m + 1 − e), m being the share of misfits that people overlook.
 */

import type { Prediction } from './probe.ts'

export interface Doubts {
  /** Images with a person's label, the likeliest wrong first. */
  readonly images: readonly number[]
  /** Chance that the label of each of them is wrong, 0–1. */
  readonly chances: readonly number[]
  /** How many of them, from the first on, are worth a second look. */
  readonly doubtful: number
  /** Wrong labels expected among all labels of people. */
  readonly expected: number
}

/** Labels that are wrong with this chance are worth a second look. */
const DOUBTFUL = 0.1

/** Pseudo-counts of the share that people overlook, while little is known: 2 %. */
const MISSED = 0.5
const SHOWN = 25

/**
 * Share of misfits that people overlook, by gold and by what reviews found.
 *
 * @param marked - misfits that they did mark on screens whose labels were reviewed.
 * @param found - wrong labels that reviews found.
 */
export function missRateOf(
  gold: { readonly shown: number; readonly missed: number },
  marked: number,
  found: number,
): number {
  return (gold.missed + found + MISSED) / (gold.shown + marked + found + SHOWN)
}

/**
 * @param labels - class of each image, −1 where nobody gave one, [n].
 * @param wrongChance - how likely each out-of-fold prediction is wrong, in the order of `prediction.outOfFold`.
 * @param isSettled - images that had a second look already: their labels are not doubted any more.
 */
export function doubtsOf(
  { outOfFold }: Prediction,
  labels: Int32Array,
  { wrongChance, missRate }: { readonly wrongChance: ArrayLike<number>; readonly missRate: number },
  isSettled: (image: number) => boolean,
): Doubts {
  const found: { image: number; chance: number }[] = []
  outOfFold.images.forEach((image, i) => {
    if (isSettled(image)) return
    const wrong = wrongChance[i]!
    const other = outOfFold.best[i] === labels[image] ? wrong : 1 - wrong / 2
    const overlooked = other * missRate
    found.push({ image, chance: overlooked / (overlooked + 1 - other) })
  })
  found.sort((a, b) => b.chance - a.chance || a.image - b.image)
  const all = labels.reduce((count, label) => count + (label >= 0 ? 1 : 0), 0)
  const sum = found.reduce((total, { chance }) => total + chance, 0)
  return {
    images: found.map(({ image }) => image),
    chances: found.map(({ chance }) => chance),
    doubtful: found.filter(({ chance }) => chance >= DOUBTFUL).length,
    // Of very many labels only a sample has an out-of-fold prediction.
    expected: outOfFold.images.length === 0 ? 0 : (sum * all) / outOfFold.images.length,
  }
}
