/** Which images train and which are held out: decided by the group of near duplicates alone, once and for good. */
import { createHash } from 'node:crypto'
import type { ImageLabel, Split, SplitRule } from '#core/datasets'

/** The same group and rule always give the same split, whatever else is in the dataset. */
export function splitOf(group: string, { heldOutShare, seed }: SplitRule): Split {
  const draw = createHash('sha256').update(`${group}:${seed}`).digest().readUIntBE(0, 6) / 2 ** 48
  return draw < heldOutShare ? 'test' : 'train'
}

export interface Balance {
  readonly train: number
  readonly test: number
  /** Images per class and split; unlabelled ones are in no class. */
  readonly classes: Readonly<Record<string, { readonly train: number; readonly test: number }>>
  /** Classes without an image in one of the splits, in words. */
  readonly warnings: readonly string[]
}

export function balanceOf(labels: readonly ImageLabel[]): Balance {
  const totals = { train: 0, test: 0 }
  const classes = new Map<string, { train: number; test: number }>()
  for (const { label, split } of labels) {
    totals[split]++
    if (label === null) continue
    const counts = classes.get(label) ?? { train: 0, test: 0 }
    counts[split]++
    classes.set(label, counts)
  }
  const sorted = [...classes].sort(([a], [b]) => (a < b ? -1 : 1))
  const warnings = sorted.flatMap(([name, { train, test }]) =>
    train === 0
      ? [`class ${name} has no image to train on`]
      : test === 0
        ? [`class ${name} has no held-out image`]
        : [],
  )
  return { ...totals, classes: Object.fromEntries(sorted), warnings }
}
