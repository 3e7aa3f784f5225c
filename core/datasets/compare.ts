/**
 * Two versions side by side in SQL. Versions of one line share most of their shards, so that what may differ is found in
 * their deltas and in the shards that only one of them has; nothing else is read.
 */
import type { ObjectStore } from '#core/storage'
import type { TableFiles, TableSession } from '#core/tables'
import type { Manifest, Table } from './manifest.ts'
import { columnsOf, tableFiles, tableOf, TABLE_NAMES, type TableName } from './tables.ts'

/** Names of the tables of one side. */
export type Side = Readonly<Record<TableName, string>>

/** Views that `showSides` builds on, to be given to the session when it is opened. */
export async function sharedViews(
  store: ObjectStore,
  [a, b]: readonly [Manifest | null, Manifest],
  directory: string,
): Promise<Record<string, TableFiles>> {
  const views: Record<string, TableFiles> = {}
  for (const name of TABLE_NAMES) {
    const [left, right] = [tableOf(a, name), tableOf(b, name)]
    const shared = sharedShards(left, right)
    const own = ({ base, deltas, rows }: Table): Table => ({
      base: base.filter(({ blob }) => !shared.has(blob.sha256)),
      deltas,
      rows,
    })
    const both: Table = { base: left.base.filter(({ blob }) => shared.has(blob.sha256)), deltas: [], rows: 0 }
    views[`a_${name}`] = await tableFiles(store, own(left), { name, directory })
    views[`b_${name}`] = await tableFiles(store, own(right), { name, directory })
    views[`both_${name}`] = await tableFiles(store, both, { name, directory })
  }
  return views
}

function sharedShards(left: Table, right: Table): ReadonlySet<string> {
  const held = new Set(left.base.map(({ prefix, blob }) => `${prefix}:${blob.sha256}`))
  return new Set(
    right.base.filter(({ prefix, blob }) => held.has(`${prefix}:${blob.sha256}`)).map(({ blob }) => blob.sha256),
  )
}

/**
 * Makes views of all rows that may differ: `was_facts` … and `is_facts` …. An image that is in neither is alike in both.
 *
 * @param session - opened with the views of `sharedViews`.
 */
export async function showSides(session: TableSession): Promise<{ readonly was: Side; readonly is: Side }> {
  for (const name of TABLE_NAMES)
    for (const [side, own, other] of [
      ['was', 'a', 'b'],
      ['is', 'b', 'a'],
    ] as const)
      await session.run(
        `CREATE VIEW ${side}_${name} AS
         SELECT ${columnsOf(name)} FROM ${own}_${name}
         UNION ALL
         SELECT ${columnsOf(name)} FROM both_${name} SEMI JOIN ${other}_${name}_last USING (digest)
         ANTI JOIN ${own}_${name}_last USING (digest)`,
      )
  return { was: sideOf('was'), is: sideOf('is') }
}

export function sideOf(name: string): Side {
  return { facts: `${name}_facts`, labels: `${name}_labels`, boxes: `${name}_boxes` }
}

/** All that may be said of one image that is in both versions. */
export const CHANGES = [
  'relabelled',
  'resplit',
  'excluded',
  'included',
  'judged',
  'tagged',
  'described',
  'boxed',
  'regrouped',
] as const
export const DIFFERENCES = ['added', 'removed', ...CHANGES] as const
export type DifferenceKind = (typeof DIFFERENCES)[number]

/**
 * Makes the table `differences`: one row per image that differs, a truth value per kind, and what was and is said of it.
 */
export async function findDifferences(session: TableSession, was: Side, is: Side): Promise<void> {
  const differ = (column: string): string => `(a."${column}" IS DISTINCT FROM b."${column}")`
  const said = ['split', 'label', 'tags', 'attributes', 'origin', 'humanSeen', 'randomDraw', 'excluded']
  const lists = (table: string): string =>
    `(SELECT digest, list((${columnsOf('boxes')}) ORDER BY number) AS listed FROM ${table} GROUP BY digest)`
  await session.run(`
    CREATE TABLE differences AS
    WITH labels AS (
      SELECT digest, a.digest IS NULL AS added, b.digest IS NULL AS removed,
        ${said.map((column) => `a."${column}" AS "${column}Was", b."${column}" AS "${column}Is"`).join(', ')}
      FROM ${was.labels} a FULL JOIN ${is.labels} b USING (digest)
      WHERE ${said.map(differ).join(' OR ')}
    ), boxed AS (
      SELECT digest FROM ${lists(was.boxes)} a FULL JOIN ${lists(is.boxes)} b USING (digest) WHERE ${differ('listed')}
    ), regrouped AS (
      SELECT a.digest FROM ${was.facts} a JOIN ${is.facts} b USING (digest) WHERE a."group" <> b."group"
    )
    SELECT digest, coalesce(added, false) AS added, coalesce(removed, false) AS removed,
      NOT (coalesce(added, false) OR coalesce(removed, false)) AS stays,
      stays AND "labelWas" IS DISTINCT FROM "labelIs" AS relabelled,
      stays AND "splitWas" IS DISTINCT FROM "splitIs" AS resplit,
      stays AND "excludedWas" IS NULL AND "excludedIs" IS NOT NULL AS excluded,
      stays AND "excludedWas" IS NOT NULL AND "excludedIs" IS NULL AS included,
      stays AND NOT relabelled
        AND ("originWas", "humanSeenWas", "randomDrawWas") IS DISTINCT FROM ("originIs", "humanSeenIs", "randomDrawIs") AS judged,
      stays AND "tagsWas" IS DISTINCT FROM "tagsIs" AS tagged,
      stays AND "attributesWas" IS DISTINCT FROM "attributesIs" AS described,
      stays AND boxed.digest IS NOT NULL AS boxed,
      stays AND regrouped.digest IS NOT NULL AS regrouped,
      ${said.flatMap((column) => [`"${column}Was"`, `"${column}Is"`]).join(', ')}
    FROM labels FULL JOIN boxed USING (digest) FULL JOIN regrouped USING (digest)`)
}

/** The same table where there was nothing before: every image of `new_labels` came. */
export async function findFirst(session: TableSession): Promise<void> {
  const kinds = DIFFERENCES.map((kind) => `${kind === 'added'} AS ${kind}`).join(', ')
  await session.run(
    `CREATE VIEW differences AS SELECT digest, ${kinds}, NULL AS "labelWas", label AS "labelIs" FROM new_labels`,
  )
}
