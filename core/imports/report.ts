/** The report of an import: what was left out and why, what is the same, and how the classes lie in the splits. */
import type { LabelConflict } from './class-folders.ts'
import type { Added } from './import.ts'
import type { Duplicate, Intake, Rejection } from './intake.ts'
import { NO_GROUPING, THRESHOLDS } from './near-duplicates.ts'
import { balanceOf, type Balance } from './splits.ts'

export interface ImportReport {
  /** Distinct images in the source. */
  readonly images: number
  readonly rejected: readonly Rejection[]
  readonly duplicates: readonly Duplicate[]
  /** Source names of the images of each group of near duplicates in the version, group by group. */
  readonly nearDuplicateGroups: readonly (readonly string[])[]
  /** Correlation at 32 × 32 from which two images count as near duplicates; null where nothing is grouped. */
  readonly threshold: number | null
  /** Why the threshold is not the usual one; null where it is. */
  readonly tightened: string | null
  /** Images whose files lie in folders of different classes; they are left unlabelled. */
  readonly labelConflicts: readonly LabelConflict[]
  /** Images that left the held-out split because a new image joins them with one in the training split. */
  readonly leftTest: readonly string[]
  readonly balance: Balance
}

export function importReport({
  intake,
  conflicts,
  content,
  leftTest,
}: Pick<Added, 'content' | 'leftTest'> & {
  readonly intake: Intake
  readonly conflicts: readonly LabelConflict[]
}): ImportReport {
  const { threshold } = content.rules
  return {
    images: intake.images.length,
    rejected: intake.rejected,
    duplicates: intake.duplicates,
    nearDuplicateGroups: groupsOf(content),
    threshold: threshold === NO_GROUPING ? null : threshold,
    tightened: tightening(threshold),
    labelConflicts: conflicts,
    leftTest,
    balance: balanceOf(content.labels),
  }
}

function groupsOf({ facts }: Added['content']): string[][] {
  const groups = new Map<string, string[]>()
  for (const { group, source } of facts) groups.set(group, [...(groups.get(group) ?? []), source])
  return [...groups.values()].filter((sources) => sources.length > 1).map((sources) => sources.sort())
}

function tightening(threshold: number): string | null {
  const [usual] = THRESHOLDS
  if (threshold === usual) return null
  const nature = `so many images look alike that a correlation of ${usual} would group them by their nature`
  return threshold === NO_GROUPING ? `${nature}; nothing is grouped` : `${nature}; ${threshold} is asked for instead`
}
