/** Which images train and which are held out: decided by the group of near duplicates alone, once and for good. */
import { createHash } from 'node:crypto'
import type { Split, SplitRule } from '#core/datasets'

/** The same group and rule always give the same split, whatever else is in the dataset. */
export function splitOf(group: string, { heldOutShare, seed }: SplitRule): Split {
  const draw = createHash('sha256').update(`${group}:${seed}`).digest().readUIntBE(0, 6) / 2 ** 48
  return draw < heldOutShare ? 'test' : 'train'
}

export interface StandingSplit {
  readonly digest: string
  readonly group: string
  readonly split: Split
}

export interface WishedSplit {
  readonly digest: string
  /** What the source says; null where it says nothing. */
  readonly wish: Split | null
}

export interface SettledSplits {
  /** Of each group with a fresh image or a standing one. */
  readonly splitOfGroup: ReadonlyMap<string, Split>
  /** Standing images that go from `test` to `train`. */
  readonly leftTest: readonly string[]
}

/**
 * One split for each group. A group that has a split keeps it; one that has both goes to train, for nothing ever moves
 * from train to test. New groups get what the source wishes, `train` where it wishes both, else what is drawn.
 */
export function settleSplits(
  fresh: readonly (WishedSplit & { readonly group: string })[],
  standing: readonly StandingSplit[],
  rule: SplitRule,
): SettledSplits {
  const splitOfGroup = new Map<string, Split>()
  const give = (group: string, split: Split): void => {
    if (split === 'train' || !splitOfGroup.has(group)) splitOfGroup.set(group, split)
  }
  for (const { group, split } of standing) give(group, split)
  const old = new Set(splitOfGroup.keys())
  for (const { group, wish } of fresh) if (wish && !old.has(group)) give(group, wish)
  for (const { group } of fresh) if (!splitOfGroup.has(group)) splitOfGroup.set(group, splitOf(group, rule))
  const leftTest = standing
    .filter(({ group, split }) => split === 'test' && splitOfGroup.get(group) === 'train')
    .map(({ digest }) => digest)
  return { splitOfGroup, leftTest }
}

export interface Balance {
  readonly train: number
  readonly test: number
  /** Images per class and split; unlabelled ones are in no class. */
  readonly classes: Readonly<Record<string, { readonly train: number; readonly test: number }>>
  /** Classes without an image in one of the splits, in words. */
  readonly warnings: readonly string[]
}

/** @param counts - images of each label (null: none) and split. */
export function balanceOf(
  counts: Iterable<{ readonly label: string | null; readonly split: Split; readonly images: number }>,
): Balance {
  const totals = { train: 0, test: 0 }
  const classes = new Map<string, { train: number; test: number }>()
  for (const { label, split, images } of counts) {
    totals[split] += images
    if (label === null) continue
    const ofClass = classes.get(label) ?? { train: 0, test: 0 }
    ofClass[split] += images
    classes.set(label, ofClass)
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
