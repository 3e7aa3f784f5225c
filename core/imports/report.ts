/** The report of an import: what was left out and why, what is the same, and how the classes lie in the splits. */
import { openTables, type Split } from '#core/datasets'
import type { ObjectStore } from '#core/storage'
import type { Added } from './addition.ts'
import type { Gathering } from './gathering.ts'
import type { IntakeCounts } from './intake.ts'
import { NO_GROUPING, THRESHOLDS, type Likeness } from './near-duplicates.ts'
import { balanceOf, type Balance } from './splits.ts'

/** Of a long list the report holds so many; `counts` say how many there are. */
const MOST_LISTED = 10_000

export interface Rejection {
  readonly path: string
  readonly reason: string
}

export interface Duplicate {
  readonly path: string
  /** The path that stands for all files with these bytes: the first in ascending order. */
  readonly sameAs: string
  readonly digest: string
}

export interface LabelConflict {
  readonly digest: string
  /** What the files with the same bytes are called. */
  readonly classes: readonly string[]
}

export interface GroupMember {
  readonly digest: string
  readonly source: string
  readonly split: Split
  readonly label: string | null
}

export interface ImportReport {
  /** Distinct images in the source. */
  readonly images: number
  readonly counts: IntakeCounts
  /** Ascending by path, as are the duplicates. */
  readonly rejected: readonly Rejection[]
  readonly duplicates: readonly Duplicate[]
  /** Source names of the images of each group of near duplicates in the version, group by group. */
  readonly nearDuplicateGroups: readonly (readonly string[])[]
  /** The same groups, with what is known of each image. */
  readonly groups: readonly (readonly GroupMember[])[]
  /** What made new images join a group. */
  readonly likenesses: readonly Likeness[]
  /** Correlation at 32 × 32 from which two images count as near duplicates; null where nothing is grouped. */
  readonly threshold: number | null
  /** Why the threshold is not the usual one; null where it is. */
  readonly tightened: string | null
  /** Images whose files are called by different classes; they are left unlabelled. */
  readonly labelConflicts: readonly LabelConflict[]
  /** Images that left the held-out split because a new image joins them with one in the training split. */
  readonly leftTest: readonly string[]
  readonly balance: Balance
  /** What was found in the source and not understood, one sentence each. */
  readonly notes: readonly string[]
}

/** @param directory - a local folder for copies of tables. */
export async function importReport(
  store: ObjectStore,
  { version, rules, leftTest, likenesses }: Added,
  { session }: Gathering,
  { counts, notes, directory }: { counts: IntakeCounts; notes: readonly string[]; directory: string },
): Promise<ImportReport> {
  const most = `LIMIT ${MOST_LISTED}`
  const inVersion = await versionPart(store, version, directory)
  return {
    images: counts.files - counts.duplicates - counts.rejected,
    counts,
    rejected: await session.query(`SELECT path, reason FROM files WHERE reason IS NOT NULL ORDER BY path ${most}`),
    duplicates: await session.query(
      `SELECT path, source AS "sameAs", digest FROM files JOIN said USING (digest) WHERE path <> source ORDER BY path ${most}`,
    ),
    ...inVersion,
    nearDuplicateGroups: inVersion.groups.map((group) => group.map(({ source }) => source)),
    likenesses: likenesses.slice(0, MOST_LISTED),
    threshold: rules.threshold === NO_GROUPING ? null : rules.threshold,
    tightened: tightening(rules.threshold),
    labelConflicts: await session.query(
      `SELECT digest, classes FROM said WHERE len(classes) > 1 ORDER BY digest ${most}`,
    ),
    leftTest: leftTest.slice(0, MOST_LISTED),
    notes,
  }
}

async function versionPart(
  store: ObjectStore,
  version: Added['version'],
  directory: string,
): Promise<Pick<ImportReport, 'groups' | 'balance'>> {
  const tables = await openTables(store, version, { scratchDir: directory })
  try {
    const counts = await tables.query<{ label: string | null; split: Split; images: number }>(
      'SELECT label, split, count(*) AS images FROM labels GROUP BY label, split',
    )
    const members = await tables.query<GroupMember & { group: string }>(
      `SELECT digest, source, split, label, "group" FROM facts JOIN labels USING (digest)
       WHERE "group" IN (SELECT "group" FROM facts GROUP BY "group" HAVING count(*) > 1 ORDER BY "group" LIMIT ${MOST_LISTED})
       ORDER BY "group", source, digest`,
    )
    const groups = new Map<string, GroupMember[]>()
    for (const { group, ...member } of members) groups.set(group, [...(groups.get(group) ?? []), member])
    return { groups: [...groups.values()], balance: balanceOf(counts) }
  } finally {
    tables.close()
  }
}

function tightening(threshold: number): string | null {
  const [usual] = THRESHOLDS
  if (threshold === usual) return null
  const nature = `so many images look alike that a correlation of ${usual} would group them by their nature`
  return threshold === NO_GROUPING ? `${nature}; nothing is grouped` : `${nature}; ${threshold} is asked for instead`
}
