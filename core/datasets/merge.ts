/**
 * Three-way merge of versions, image by image and field by field: what one side changed wins, what both changed alike
 * stands, and the rest are conflicts, settled by decisions, then by policies in their order.
 *
 * G1  Nothing of an image on which both sides agree, or that one side alone changed, is asked or lost.
 * G2  An image that is in `train` on one side is in `train`, and so is all of its group: nothing leaks, nothing moves to
 *     `test`. Groups that either side joined are joined.
 *
 * Only what `theirs` changed is looked at, so that a merge costs what the smaller branch changed. `ours` is what a ref
 * points to, `theirs` what comes in.
 */
import type { DatasetVersion } from '#core/steps'
import { canonicalJson, type ObjectStore } from '#core/storage'
import type { TableSession } from '#core/tables'
import { openChange, writeChanged, type Written } from './change.ts'
import { findDifferences, sharedViews, showSides } from './compare.ts'
import { Ancestry, recordHistory } from './history.ts'
import { readManifest, toDatasetVersion, type Manifest } from './manifest.ts'
import { notFound, publish, readRef } from './refs.ts'
import { withScratch } from './scratch.ts'
import { columnsOf, viewsOf } from './tables.ts'

/** `people`: a person's judgement beats a model's. `clear`: unlabelled, to be asked again; an image stays. */
export type MergePolicy = 'ours' | 'theirs' | 'people' | 'clear'
export const MERGE_POLICIES: readonly MergePolicy[] = ['ours', 'theirs', 'people', 'clear']

/** `presence`: one side removed the image, the other changed it. Of attributes each is a field of its own. */
export type MergeField = 'presence' | 'label' | 'tags' | 'excluded' | 'boxes' | 'schema' | `attributes.${string}`

export interface Conflict {
  /** Null of the schema. */
  readonly digest: string | null
  readonly field: MergeField
  readonly base: unknown
  readonly ours: unknown
  readonly theirs: unknown
}

export interface Decision {
  readonly digest: string | null
  readonly field: MergeField
  readonly take: 'ours' | 'theirs' | 'clear'
}

export interface MergeRules {
  /** Tried one after the other on what no decision settles; none: every conflict is told. */
  readonly policies: readonly MergePolicy[]
  readonly decisions?: readonly Decision[]
}

export interface Conflicts {
  /** The first 1,000, ascending by digest. */
  readonly conflicts: readonly Conflict[]
  readonly total: number
}

const MOST_TOLD = 1_000

export interface MergeSides {
  readonly base: Manifest | null
  readonly ours: Manifest
  readonly theirs: Manifest
}

/** Writes the merge of two versions; where conflicts are left, tells them and writes nothing. */
export async function mergeManifests(
  store: ObjectStore,
  { base, ours, theirs }: MergeSides,
  { policies, decisions = [] }: MergeRules,
  directory: string,
): Promise<Written | Conflicts> {
  const session = await openChange(store, ours, directory, {
    ...(await sharedViews(store, [base, theirs], directory)),
    ...(await viewsOf(store, base, directory, 'base_')),
    ...(await viewsOf(store, theirs, directory, 'theirs_')),
  })
  try {
    const { was, is } = await showSides(session)
    await findDifferences(session, was, is)
    await session.run(bringTogether)
    await listConflicts(session)
    await mergeAttributes(session)
    const schema = await mergedSchema(session, { base, ours, theirs })
    await settle(session, policies, decisions)
    const left = await leftOpen(session)
    if (left.total > 0) return left
    await mergeAttributes(session)
    await fillChange(session)
    await joinGroups(session)
    await session.run('DROP TABLE differences')
    const rules = same(base?.rules, ours.rules) ? theirs.rules : ours.rules
    return await writeChanged(store, session, {
      dataset: ours.dataset,
      base: ours,
      schema: await schema(),
      rules,
      directory,
    })
  } finally {
    session.close()
  }
}

export interface MergeOf {
  readonly ours: Manifest
  readonly theirs: Manifest
  readonly by: string
  readonly note: string
}

/** Keeps that a version is a merge, unless it is one of the two. */
export async function recordMerge(
  store: ObjectStore,
  { manifest, changes }: Written,
  { ours, theirs, by, note }: MergeOf,
): Promise<void> {
  if (manifest.version === ours.version || manifest.version === theirs.version) return
  const parents = [ours.version, theirs.version]
  await recordHistory(store, manifest, { parents, by, note, cause: { kind: 'merge' }, changes })
}

export interface MergeRequest {
  readonly dataset: string
  /** What comes in. */
  readonly theirs: string
  /** What it comes into, where no ref is moved. */
  readonly ours?: string
  /** Found in the history of both by default; null where nothing is common. */
  readonly base?: string | null
}

export interface MergeOptions extends MergeRules {
  /** The ref to merge into and to move, `latest` by default; null moves none. */
  readonly ref?: string | null
  readonly by: string
  readonly note: string
  readonly scratchDir?: string
}

/**
 * Merges a version into what a ref points to, and moves the ref. Where one of the two came from the other, the ref goes to
 * the later one.
 *
 * @returns the version that the ref points to now, or the conflicts that nothing settles: then nothing was written.
 * @throws {PlatformError} `DATASET_NOT_FOUND`.
 */
export async function mergeVersions(
  store: ObjectStore,
  { dataset, theirs, ours, base }: MergeRequest,
  { ref = 'latest', by, note, scratchDir, ...rules }: MergeOptions,
): Promise<{ readonly version: DatasetVersion } | Conflicts> {
  const incoming = await readManifest(store, dataset, theirs)
  const into = async (current: string, directory: string): Promise<Manifest> => {
    const found = base === undefined ? await new Ancestry(store, dataset).commonBase(current, theirs) : base
    if (found === theirs) return readManifest(store, dataset, current)
    if (found === current) return incoming
    const sides = { base: found === null ? null : await readManifest(store, dataset, found), theirs: incoming }
    const mine = await readManifest(store, dataset, current)
    const merged = await mergeManifests(store, { ...sides, ours: mine }, rules, directory)
    if (!('manifest' in merged)) throw new Unsettled(merged)
    await recordMerge(store, merged, { ours: mine, theirs: incoming, by, note })
    return merged.manifest
  }
  try {
    const version = await withScratch(async (directory) => {
      if (ref === null) return into(ours ?? theirs, directory)
      if (!(await readRef(store, dataset, ref))) throw notFound(dataset, ref)
      return publish(store, dataset, (current) => into(current ?? theirs, directory), { by, note, ref })
    }, scratchDir)
    return { version: toDatasetVersion(version) }
  } catch (error) {
    if (error instanceof Unsettled) return error.left
    throw error
  }
}

/** Ends the work of `publish` where a person has to decide first. */
class Unsettled extends Error {
  constructor(readonly left: Conflicts) {
    super(`${left.total} conflicts`)
  }
}

function same(one: unknown, other: unknown): boolean {
  return canonicalJson(one ?? null) === canonicalJson(other ?? null)
}

/** What a version says of an image, as one value. */
function saidIn(prefix: '' | 'base_' | 'theirs_'): string {
  const boxFields = columnsOf('boxes').split(', ').slice(1)
  return `(
    SELECT digest, {'label': {'label': label, 'origin': origin, 'humanSeen': "humanSeen", 'randomDraw': "randomDraw"},
      'tags': tags, 'excluded': excluded, 'attributes': attributes, 'split': split, 'boxes': listed} AS said
    FROM ${prefix}labels SEMI JOIN differences USING (digest) LEFT JOIN (
      SELECT digest, list({${boxFields.map((name) => `${name}: ${name}`).join(', ')}} ORDER BY number) AS listed
      FROM ${prefix}boxes SEMI JOIN differences USING (digest) GROUP BY digest
    ) USING (digest))`
}

/** `met`: of each image that theirs changed, what the three versions say; null where it is not there. */
const bringTogether = `
  CREATE TABLE met AS
  SELECT digest, b.said AS base, o.said AS ours, t.said AS theirs FROM (SELECT digest FROM differences)
  LEFT JOIN ${saidIn('base_')} b USING (digest)
  LEFT JOIN ${saidIn('')} o USING (digest)
  LEFT JOIN ${saidIn('theirs_')} t USING (digest)`

const IN_BOTH = 'ours IS NOT NULL AND theirs IS NOT NULL'
const ONE_LEFT = 'base IS NOT NULL AND (ours IS NULL) <> (theirs IS NULL)'
const HUMAN_BOXES = (side: string): string =>
  `len(list_filter(coalesce(${side}.boxes, []), lambda box: box.origin IN ('human', 'imported'))) > 0`

/** `conflicts`: what both sides changed, differently. `people`: the side on which alone a person looked. `side`: who wins. */
async function listConflicts(session: TableSession): Promise<void> {
  await session.load('conflicts', conflictColumns, [])
  const seen = (side: string): string => `coalesce(${side}.label."humanSeen", false)`
  const people = (ours: string, theirs: string): string =>
    `CASE WHEN (${ours}) = (${theirs}) THEN NULL WHEN ${ours} THEN 'ours' ELSE 'theirs' END`
  const found = (
    field: string,
    value: (side: string) => string,
    where: string,
    who = people(seen('ours'), seen('theirs')),
  ) =>
    session.run(`INSERT INTO conflicts SELECT digest, '${field}', ${['base', 'ours', 'theirs'].map((side) => `to_json(${value(side)})::VARCHAR`).join(', ')},
      ${who}, NULL FROM met WHERE ${where}`)
  const changedAlone = 'coalesce(ours, theirs) IS DISTINCT FROM base'
  await found('presence', (side) => side, `${ONE_LEFT} AND ${changedAlone}`, 'NULL')
  const differ = (of: string): string =>
    `ours.${of} IS DISTINCT FROM base.${of} AND theirs.${of} IS DISTINCT FROM base.${of} AND ours.${of} IS DISTINCT FROM theirs.${of}`
  await found(
    'label',
    (side) => `${side}.label`,
    `${IN_BOTH} AND ${differ('label')} AND ours.label.label IS DISTINCT FROM theirs.label.label`,
  )
  await found('tags', (side) => `${side}.tags`, `${IN_BOTH} AND ${differ('tags')}`)
  await found('excluded', (side) => `${side}.excluded`, `${IN_BOTH} AND ${differ('excluded')}`)
  await found(
    'boxes',
    (side) => `${side}.boxes`,
    `${IN_BOTH} AND ${differ('boxes')}`,
    people(HUMAN_BOXES('ours'), HUMAN_BOXES('theirs')),
  )
}

const conflictColumns = {
  digest: 'text',
  field: 'text',
  base: 'text',
  ours: 'text',
  theirs: 'text',
  people: 'text',
  side: 'text',
} as const

interface AttributesRow {
  readonly digest: string
  readonly base: string | null
  readonly ours: string | null
  readonly theirs: string | null
  readonly people: 'ours' | 'theirs' | null
  readonly sides: readonly { readonly field: string; readonly side: Decision['take'] }[] | null
}

/**
 * Attributes are merged one by one. The first time what both changed is added to `conflicts`; the second time, when those
 * are settled, `attributes` holds what becomes of each image that both described.
 */
async function mergeAttributes(session: TableSession): Promise<void> {
  const rows = session.batches<AttributesRow>(
    `SELECT digest, base.attributes AS base, ours.attributes AS ours, theirs.attributes AS theirs, sides,
       CASE WHEN ours.label."humanSeen" = theirs.label."humanSeen" THEN NULL WHEN ours.label."humanSeen" THEN 'ours' ELSE 'theirs' END AS people
     FROM met LEFT JOIN (
       SELECT digest, list({'field': field, 'side': side}) AS sides FROM conflicts WHERE starts_with(field, 'attributes.') GROUP BY digest
     ) USING (digest)
     WHERE ${IN_BOTH} AND ours.attributes IS DISTINCT FROM base.attributes AND theirs.attributes IS DISTINCT FROM base.attributes
       AND ours.attributes IS DISTINCT FROM theirs.attributes`,
  )
  await session.run('DROP TABLE IF EXISTS attributes')
  await session.load('attributes', { digest: 'text', attributes: 'text' }, [])
  for await (const batch of rows) {
    const merges = batch.map((row) => ({ row, ...mergedAttributes(row) }))
    const settled = merges.map(({ row: { digest }, merged }) => ({
      digest,
      attributes: Object.keys(merged).length === 0 ? null : canonicalJson(merged),
    }))
    const open = merges.flatMap(({ row, open }) => (row.sides === null ? open : []))
    await session.append('attributes', { digest: 'text', attributes: 'text' }, settled)
    await session.append('conflicts', conflictColumns, open)
  }
}

function mergedAttributes({ digest, people, sides, ...row }: AttributesRow) {
  const [base, ours, theirs] = [row.base, row.ours, row.theirs].map(
    (text) => JSON.parse(text ?? '{}') as Readonly<Record<string, unknown>>,
  ) as [Readonly<Record<string, unknown>>, Readonly<Record<string, unknown>>, Readonly<Record<string, unknown>>]
  const merged: Record<string, unknown> = {}
  const open: Record<string, unknown>[] = []
  for (const key of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
    const [b, o, t] = [base[key], ours[key], theirs[key]]
    const field = `attributes.${key}`
    let value = same(o, b) ? t : o
    if (!same(o, b) && !same(t, b) && !same(o, t)) {
      const side = sides?.find((settled) => settled.field === field)?.side
      value = side === 'clear' ? undefined : side === 'theirs' ? t : o
      const text = (of: unknown): string => JSON.stringify(of ?? null)
      open.push({ digest, field, base: text(b), ours: text(o), theirs: text(t), people, side: null })
    }
    if (value !== undefined) merged[key] = value
  }
  return { merged, open }
}

/** @returns the schema of the merge, to be asked for when all is settled. */
async function mergedSchema(
  session: TableSession,
  { base, ours, theirs }: MergeSides,
): Promise<() => Promise<Manifest['schema']>> {
  const was = base?.schema ?? null
  if (same(ours.schema, was)) return () => Promise.resolve(theirs.schema)
  if (same(theirs.schema, was) || same(ours.schema, theirs.schema)) return () => Promise.resolve(ours.schema)
  const texts = [was, ours.schema, theirs.schema].map((schema) => canonicalJson(schema))
  await session.append('conflicts', conflictColumns, [
    { digest: '', field: 'schema', base: texts[0], ours: texts[1], theirs: texts[2], people: null, side: null },
  ])
  return async () => {
    const [settled] = await session.query<{ side: string }>(`SELECT side FROM conflicts WHERE field = 'schema'`)
    return settled!.side === 'theirs' ? theirs.schema : ours.schema
  }
}

async function settle(
  session: TableSession,
  policies: readonly MergePolicy[],
  decisions: readonly Decision[],
): Promise<void> {
  const rows = decisions.map(({ digest, field, take }) => ({ digest: digest ?? '', field, take }))
  await session.load('decisions', { digest: 'text', field: 'text', take: 'text' }, rows)
  await session.run(`UPDATE conflicts SET side = take FROM decisions d
    WHERE d.digest = conflicts.digest AND d.field = conflicts.field`)
  for (const policy of policies)
    await session.run(
      `UPDATE conflicts SET side = ${policy === 'people' ? 'people' : `'${policy}'`} WHERE side IS NULL`,
    )
}

async function leftOpen(session: TableSession): Promise<Conflicts> {
  const [count] = await session.query<{ total: number }>('SELECT count(*) AS total FROM conflicts WHERE side IS NULL')
  const rows = await session.query<Record<'digest' | 'field' | 'base' | 'ours' | 'theirs', string | null>>(
    `SELECT digest, field, base, ours, theirs FROM conflicts WHERE side IS NULL ORDER BY digest, field LIMIT ${MOST_TOLD}`,
  )
  const value = (text: string | null): unknown => (text === null ? null : (JSON.parse(text) as unknown))
  const conflicts = rows.map(({ digest, field, base, ours, theirs }) => ({
    digest: digest === '' ? null : digest,
    field: field as MergeField,
    base: value(base),
    ours: value(ours),
    theirs: value(theirs),
  }))
  return { conflicts, total: count!.total }
}

const ORIGINS = `['predicted', 'inferred', 'imported', 'human']`

/** Fills the tables of the change to ours with what became of the images that theirs changed. */
async function fillChange(session: TableSession): Promise<void> {
  const cleared = `{'label': NULL::VARCHAR, 'origin': NULL::VARCHAR, 'humanSeen': false, 'randomDraw': false}`
  const either = `{'label': ours.label.label,
    'origin': CASE WHEN coalesce(list_position(${ORIGINS}, theirs.label.origin), 0) > coalesce(list_position(${ORIGINS}, ours.label.origin), 0)
      THEN theirs.label.origin ELSE ours.label.origin END,
    'humanSeen': ours.label."humanSeen" OR theirs.label."humanSeen", 'randomDraw': ours.label."randomDraw" OR theirs.label."randomDraw"}`
  const taken = (field: string, clear: string, alike = `ours.${field}`): string => `CASE
    WHEN ours IS NULL THEN theirs.${field} WHEN theirs IS NULL THEN ours.${field}
    WHEN ${field}_side = 'clear' THEN ${clear} WHEN ${field}_side = 'ours' THEN ours.${field} WHEN ${field}_side = 'theirs' THEN theirs.${field}
    WHEN ours.${field} IS NOT DISTINCT FROM base.${field} THEN theirs.${field}
    WHEN theirs.${field} IS NOT DISTINCT FROM base.${field} THEN ours.${field} ELSE ${alike} END`
  const side = (field: string): string => `max(side) FILTER (WHERE field = '${field}') AS ${field}_side`
  await session.run(`
    CREATE TABLE settled AS
    SELECT digest, ours IS NOT NULL AS held,
      CASE WHEN ${IN_BOTH} THEN true
        WHEN presence_side = 'ours' THEN ours IS NOT NULL WHEN presence_side = 'theirs' THEN theirs IS NOT NULL
        WHEN presence_side = 'clear' THEN true
        ELSE base IS NULL END AS here,
      CASE WHEN presence_side = 'clear' THEN ${cleared} ELSE ${taken('label', cleared, either)} END AS label,
      ${taken('tags', 'NULL')} AS tags, ${taken('excluded', 'NULL')} AS excluded, ${taken('boxes', 'NULL')} AS boxes,
      CASE WHEN a.digest IS NOT NULL THEN a.attributes
        WHEN ours IS NULL OR ours.attributes IS NOT DISTINCT FROM base.attributes AND theirs IS NOT NULL THEN theirs.attributes
        ELSE ours.attributes END AS attributes,
      CASE WHEN 'train' IN (ours.split, theirs.split) THEN 'train' ELSE coalesce(ours.split, theirs.split) END AS split
    FROM met LEFT JOIN (
      SELECT digest, ${['presence', 'label', 'tags', 'excluded', 'boxes'].map(side).join(', ')} FROM conflicts GROUP BY digest
    ) USING (digest) LEFT JOIN attributes a USING (digest)`)
  await session.run('INSERT INTO gone SELECT digest FROM settled WHERE held AND NOT here')
  await session.run(`INSERT INTO new_labels (digest, split, label, tags, attributes, origin, "humanSeen", "randomDraw", excluded)
    SELECT digest, split, label.label, tags, attributes, label.origin, label."humanSeen", label."randomDraw", excluded FROM settled WHERE here`)
  await session.run(`INSERT INTO new_facts SELECT ${columnsOf('facts')} FROM theirs_facts
    SEMI JOIN (SELECT digest FROM settled WHERE here AND NOT held) USING (digest)`)
  await session.run('INSERT INTO boxed SELECT digest FROM settled WHERE here AND (held OR boxes IS NOT NULL)')
  await session.run(
    `INSERT INTO new_boxes SELECT digest, box.* FROM (SELECT digest, unnest(boxes) AS box FROM settled WHERE here)`,
  )
}

/** G2. */
async function joinGroups(session: TableSession): Promise<void> {
  const pairs = await session.query<{ one: string; other: string }>(`
    SELECT DISTINCT o."group" AS one, t."group" AS other FROM differences JOIN facts o USING (digest) JOIN theirs_facts t USING (digest)
    WHERE o."group" <> t."group"
    UNION SELECT o."group", o.digest FROM facts o
    WHERE digest <> "group" AND digest IN (SELECT "group" FROM theirs_facts SEMI JOIN differences USING (digest))`)
  await session.load('joined', { group: 'text', into: 'text' }, joined(pairs))
  await session.run(`UPDATE new_facts SET "group" = "into" FROM joined j WHERE j."group" = new_facts."group"`)
  await session.run(`INSERT INTO new_facts SELECT f.* REPLACE ("into" AS "group") FROM (SELECT ${columnsOf('facts')} FROM facts) f
    JOIN joined j ON j."group" = f."group" ANTI JOIN new_facts n ON n.digest = f.digest ANTI JOIN gone g ON g.digest = f.digest`)
  await session.run(`
    CREATE TABLE leaking AS
    WITH now AS (
      SELECT digest, "group" FROM facts ANTI JOIN new_facts USING (digest) ANTI JOIN gone USING (digest)
      UNION ALL SELECT digest, "group" FROM new_facts
    ), said AS (
      SELECT ${columnsOf('labels')} FROM labels ANTI JOIN new_labels USING (digest) ANTI JOIN gone USING (digest)
      UNION ALL SELECT ${columnsOf('labels')} FROM new_labels
    ), touched AS (SELECT DISTINCT "group" FROM now WHERE digest IN (SELECT digest FROM differences) OR "group" IN (SELECT "into" FROM joined))
    SELECT ${columnsOf('labels')} FROM (
      SELECT said.*, bool_or(split = 'train') OVER (PARTITION BY "group") AS trains
      FROM now SEMI JOIN touched USING ("group") JOIN said USING (digest)
    ) WHERE trains AND split = 'test'`)
  await session.run('DELETE FROM new_labels WHERE digest IN (SELECT digest FROM leaking)')
  await session.run(`INSERT INTO new_labels SELECT * REPLACE ('train' AS split) FROM leaking`)
}

/** Each group that is joined with others, with the name of all of them: the first in order. */
function joined(pairs: readonly { readonly one: string; readonly other: string }[]): { group: string; into: string }[] {
  const parent = new Map<string, string>()
  const rootOf = (group: string): string => {
    let root = group
    while (parent.has(root)) root = parent.get(root)!
    return root
  }
  for (const { one, other } of pairs) {
    const [low, high] = [rootOf(one), rootOf(other)].sort() as [string, string]
    if (low !== high) parent.set(high, low)
  }
  return [...parent.keys()].map((group) => ({ group, into: rootOf(group) }))
}
