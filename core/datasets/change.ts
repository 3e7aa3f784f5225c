/**
 * Writes a version that is another one, changed. What changes lies in tables of a session beside the views of the
 * version it is made from, so that nothing is held per image in memory:
 *
 * `new_facts`, `new_labels`  whole rows that replace or add
 * `boxed`, `new_boxes`       images whose boxes are replaced, and those boxes
 * `gone`                     images that leave
 *
 * C1  Every image has one row of facts and one of labels, and boxes belong to images.
 * C2  No image moves from `train` to `test`.
 * C3  A row that says what stood there already is not part of the change.
 */
import path from 'node:path'
import { PlatformError } from '#core/errors'
import { putBlobFile, type ObjectStore } from '#core/storage'
import { openTableSession, type TableFiles, type TableSession } from '#core/tables'
import { canonicalJson } from '#core/storage'
import { contentDigest, imageSetDigest, prefixDigits, prefixesOf, sumPrefixes, withPrefix } from './digests.ts'
import {
  storeManifest,
  type Delta,
  type DatasetRules,
  type Manifest,
  type PrefixSum,
  type Shard,
  type Table,
} from './manifest.ts'
import { findDifferences, findFirst, sideOf } from './compare.ts'
import { countDifferences, type VersionDiff } from './diff.ts'
import type { LabelSchema } from './schema.ts'
import { columnsOf, tableOf, TABLE_NAMES, TABLES, viewsOf, type TableName } from './tables.ts'
import type { Box, ImageLabel, StoredFacts } from './types.ts'

const MOST_DELTAS = 16
/** Of the base, in rows: where deltas hold more, they are folded into it. */
const DELTA_SHARE = 1 / 4

type Rows<R> = Iterable<R> | AsyncIterable<R>

/** What a commit changes. Rows come in any order, of each image at most one. */
export interface Change {
  readonly facts?: Rows<StoredFacts>
  readonly labels?: Rows<ImageLabel>
  /** By image: all its boxes from now on, none where the list is empty. */
  readonly boxes?: ReadonlyMap<string, readonly Omit<Box, 'digest' | 'number'>[]> | ReadonlyMap<string, readonly Box[]>
  /** Digests of images that leave; those that are not there are no error. */
  readonly gone?: Rows<string>
  readonly schema?: LabelSchema | null
  readonly rules?: DatasetRules
}

/** The tables of a change, empty, beside views of what is to be changed. */
export async function openChange(
  store: ObjectStore,
  base: Manifest | null,
  directory: string,
  more: Readonly<Record<string, TableFiles>> = {},
): Promise<TableSession> {
  const views = { ...(await viewsOf(store, base, directory)), ...more }
  const session = await openTableSession({ views, directory })
  await session.load('new_facts', TABLES.facts, [])
  await session.load('new_labels', TABLES.labels, [])
  await session.load('new_boxes', TABLES.boxes, [])
  await session.load('boxed', { digest: 'text' }, [])
  await session.load('gone', { digest: 'text' }, [])
  return session
}

/** Puts the rows of a change into the tables of a session that `openChange` opened. */
export async function loadChange(session: TableSession, { facts, labels, boxes, gone }: Change): Promise<void> {
  if (facts) await session.append('new_facts', TABLES.facts, facts)
  if (labels) await session.append('new_labels', TABLES.labels, map(labels, plainLabel))
  if (boxes) {
    await session.append(
      'boxed',
      { digest: 'text' },
      map(boxes.keys(), (digest) => ({ digest })),
    )
    await session.append('new_boxes', TABLES.boxes, boxRows(boxes))
  }
  if (gone)
    await session.append(
      'gone',
      { digest: 'text' },
      map(gone, (digest) => ({ digest })),
    )
}

/** Equal content has one form: tags ascending and each once, attributes canonical, neither empty. */
function plainLabel({ tags, attributes, ...row }: ImageLabel): ImageLabel {
  const plainTags = tags && tags.length > 0 ? [...new Set(tags)].sort() : null
  return { ...row, tags: plainTags, attributes: plainAttributes(attributes) }
}

function plainAttributes(attributes: string | null): string | null {
  if (attributes === null || attributes === '{}') return null
  const value = parsed(attributes)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new PlatformError(
      'INVALID_INPUT',
      `attributes are ${attributes}; give a JSON object of texts, numbers and truth values`,
      { attributes },
    )
  return Object.keys(value).length === 0 ? null : canonicalJson(value)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function* boxRows(boxes: NonNullable<Change['boxes']>): Iterable<Box> {
  for (const [digest, list] of boxes)
    for (const [number, box] of list.entries()) {
      const sizes = [box.x, box.y, box.width, box.height]
      if (!sizes.every(Number.isFinite) || box.width <= 0 || box.height <= 0)
        throw new PlatformError(
          'INVALID_INPUT',
          `box ${number} of image ${digest} is ${sizes.join(', ')}; give finite numbers, the extent above 0`,
          { digest, number },
        )
      yield { ...box, digest, number, attributes: plainAttributes(box.attributes) }
    }
}

async function* map<A, B>(items: Rows<A>, to: (item: A) => B): AsyncIterable<B> {
  for await (const item of items) yield to(item)
}

export interface WriteOptions {
  readonly dataset: string
  readonly base: Manifest | null
  readonly schema: LabelSchema | null
  readonly rules: DatasetRules
  /** A local folder. */
  readonly directory: string
}

export interface Written {
  readonly manifest: Manifest
  readonly changes: VersionDiff
}

/**
 * Writes the version that the session's base makes with its change. The same content always gives the same digest,
 * by whatever changes it came about.
 *
 * @throws {PlatformError} `INVALID_INPUT` for a change that C1 or C2 forbid.
 */
export async function writeChanged(
  store: ObjectStore,
  session: TableSession,
  { dataset, base, schema, rules, directory }: WriteOptions,
): Promise<Written> {
  await checkChange(session)
  await dropSameRows(session)
  await session.run(`CREATE TABLE touched AS FROM (SELECT digest FROM new_facts) UNION (SELECT digest FROM new_labels)
    UNION (SELECT digest FROM boxed) UNION (SELECT digest FROM gone)`)
  await showChanged(session)
  const changes = await changesOf(session, base, schema)
  const manifest = await writeTables(store, session, { dataset, base, schema, rules, directory })
  return { manifest, changes }
}

/** Counts of what changed; of a first version, of what it holds. */
async function changesOf(
  session: TableSession,
  base: Manifest | null,
  schema: LabelSchema | null,
): Promise<VersionDiff> {
  if (base) {
    for (const [side, prefix] of [
      ['before', ''],
      ['after', 'now_'],
    ] as const)
      for (const name of TABLE_NAMES)
        await session.run(
          `CREATE VIEW ${side}_${name} AS SELECT * FROM ${prefix}${name} SEMI JOIN touched USING (digest)`,
        )
    await findDifferences(session, sideOf('before'), sideOf('after'))
  } else await findFirst(session)
  return countDifferences(session, base, { schema })
}

async function writeTables(
  store: ObjectStore,
  session: TableSession,
  { dataset, base, schema, rules, directory }: WriteOptions,
): Promise<Manifest> {
  const [touched] = await session.query<{ rows: number }>('SELECT count(*) AS rows FROM touched')
  if (base && touched!.rows === 0 && sameSettings(base, schema, rules)) return base
  const [{ images } = { images: 0 }] = await session.query<{ images: number }>(
    'SELECT count(*) AS images FROM now_labels',
  )
  const sums = await changedSums(session, base, images)
  const layout = { store, session, directory, digits: prefixDigits(images) }
  const boxes = await changedTable(layout, 'boxes', tableOf(base, 'boxes'))
  return storeManifest(store, {
    format: 2,
    dataset,
    version: contentDigest(sums, schema),
    images,
    imageSet: imageSetDigest(sums),
    schema,
    rules,
    facts: await changedTable(layout, 'facts', tableOf(base, 'facts')),
    labels: await changedTable(layout, 'labels', tableOf(base, 'labels')),
    boxes: boxes.rows === 0 ? null : boxes,
    sums,
  })
}

function sameSettings(base: Manifest, schema: LabelSchema | null, rules: DatasetRules): boolean {
  return canonicalJson([base.schema, base.rules]) === canonicalJson([schema, rules])
}

/** C1 and C2. */
async function checkChange(session: TableSession): Promise<void> {
  await session.run('DELETE FROM gone WHERE digest NOT IN (SELECT digest FROM labels)')
  const present = '(SELECT digest FROM labels UNION ALL SELECT digest FROM new_facts)'
  const rules: readonly (readonly [offending: string, sentence: (digest: string) => string])[] = [
    ...(['new_facts', 'new_labels', 'boxed'] as const).map(
      (table) =>
        [
          `SELECT digest FROM ${table} GROUP BY digest HAVING count(*) > 1`,
          (digest: string) => `a change names image ${digest} twice; give one row an image`,
        ] as const,
    ),
    [
      'SELECT digest FROM gone SEMI JOIN (FROM (SELECT digest FROM new_facts) UNION ALL (SELECT digest FROM new_labels) UNION ALL (SELECT digest FROM boxed)) USING (digest)',
      (digest) => `a change both removes image ${digest} and describes it; do one of them`,
    ],
    [
      `SELECT digest FROM new_labels ANTI JOIN ${present} USING (digest)`,
      (digest) =>
        `a label names image ${digest}, which the version does not have; add the image or leave the label out`,
    ],
    [
      `SELECT digest FROM boxed ANTI JOIN ${present} USING (digest)`,
      (digest) => `boxes name image ${digest}, which the version does not have; add the image or leave the boxes out`,
    ],
    [
      'SELECT digest FROM new_facts ANTI JOIN (FROM (SELECT digest FROM labels) UNION ALL (SELECT digest FROM new_labels)) USING (digest)',
      (digest) => `image ${digest} comes without a row of labels; give it one with its split`,
    ],
    [
      `SELECT digest FROM new_labels n JOIN labels l USING (digest) WHERE l.split = 'train' AND n.split = 'test'`,
      (digest) => `image ${digest} would move from train to test; leave it in train, since models have learnt from it`,
    ],
  ]
  for (const [offending, sentence] of rules) {
    const [row] = await session.query<{ digest: string }>(`${offending} LIMIT 1`)
    if (row) throw new PlatformError('INVALID_INPUT', sentence(row.digest), { digest: row.digest })
  }
}

/** C3. */
async function dropSameRows(session: TableSession): Promise<void> {
  for (const name of ['facts', 'labels'] as const)
    await session.run(
      `DELETE FROM new_${name} WHERE digest IN (
         SELECT n.digest FROM new_${name} n JOIN ${name} o USING (digest)
         WHERE (${columnsOf(name, 'n')}) IS NOT DISTINCT FROM (${columnsOf(name, 'o')}))`,
    )
  const listed = (table: string): string =>
    `(SELECT digest, list((${columnsOf('boxes')}) ORDER BY number) AS all_boxes FROM ${table} WHERE digest IN (FROM boxed) GROUP BY digest)`
  await session.run(
    `DELETE FROM boxed WHERE digest IN (
       SELECT digest FROM boxed LEFT JOIN ${listed('boxes')} o USING (digest) LEFT JOIN ${listed('new_boxes')} n USING (digest)
       WHERE o.all_boxes IS NOT DISTINCT FROM n.all_boxes)`,
  )
  await session.run('DELETE FROM new_boxes WHERE digest NOT IN (FROM boxed)')
  await session.run('INSERT INTO boxed SELECT DISTINCT digest FROM boxes SEMI JOIN gone USING (digest)')
}

/** The views `now_facts`, `now_labels` and `now_boxes`: the base with its change. */
async function showChanged(session: TableSession): Promise<void> {
  for (const name of TABLE_NAMES) {
    await session.run(
      `CREATE VIEW went_${name} AS ${name === 'boxes' ? 'SELECT digest FROM boxed' : `(SELECT digest FROM new_${name}) UNION ALL (SELECT digest FROM gone)`}`,
    )
    await session.run(
      `CREATE VIEW now_${name} AS SELECT ${columnsOf(name)} FROM ${name} ANTI JOIN went_${name} USING (digest)
       UNION ALL SELECT ${columnsOf(name)} FROM new_${name}`,
    )
  }
}

/** A prefix in which nothing changed keeps its sum. */
async function changedSums(session: TableSession, base: Manifest | null, images: number): Promise<PrefixSum[]> {
  const digits = prefixDigits(images)
  const views = { facts: 'now_facts', labels: 'now_labels', boxes: 'now_boxes' }
  const former = base?.sums ?? null
  if (!base || !former || prefixDigits(base.images) !== digits) return sumPrefixes(session, views, prefixesOf(digits))
  const changed = await session.query<{ prefix: string }>(
    `SELECT DISTINCT left(digest, ${digits}) AS prefix FROM touched`,
  )
  const stale = new Set(changed.map(({ prefix }) => prefix))
  const kept = former.filter(({ prefix }) => !stale.has(prefix))
  const [moved] = await session.query<{ images: number }>(
    'SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM new_facts ANTI JOIN facts USING (digest)) AS images',
  )
  const fresh = await sumPrefixes(session, views, [...stale], moved!.images === 0 ? former : [])
  return [...kept, ...fresh].sort((a, b) => (a.prefix < b.prefix ? -1 : 1))
}

interface Layout {
  readonly store: ObjectStore
  readonly session: TableSession
  readonly directory: string
  /** Hex digits of the prefix of a shard. */
  readonly digits: number
}

async function changedTable(layout: Layout, name: TableName, former: Table): Promise<Table> {
  const { session } = layout
  const [counts] = await session.query<{ delta: number; gone: number; rows: number }>(
    `SELECT (SELECT count(*) FROM new_${name}) AS delta,
            (SELECT count(*) FROM went_${name} ANTI JOIN new_${name} USING (digest)) AS gone,
            (SELECT count(*) FROM now_${name}) AS rows`,
  )
  const { delta, gone, rows } = counts!
  if (delta + gone === 0 && (former.base.length > 0 || name === 'boxes')) return former
  const base = sum(former.base)
  const inDeltas = sum(former.deltas) + delta + gone
  if (former.base.length === 0 || former.deltas.length === MOST_DELTAS || inDeltas > base * DELTA_SHARE)
    return { base: await folded(layout, name, former), deltas: [], rows }
  const blob = await storeRows(
    layout,
    `SELECT ${columnsOf(name)}, false AS gone FROM new_${name}
     UNION ALL BY NAME SELECT digest, true AS gone FROM went_${name} ANTI JOIN new_${name} USING (digest)
     ORDER BY digest${name === 'boxes' ? ', number' : ''}`,
  )
  return { base: former.base, deltas: [...former.deltas, { ...blob, gone }], rows }
}

/** Base shards without deltas; one that no change touches is taken over as it is. */
async function folded(layout: Layout, name: TableName, former: Table): Promise<Shard[]> {
  const { session, digits } = layout
  const sameCut = former.base.length > 0 && former.base.every(({ prefix }) => prefix.length === digits)
  const changed = sameCut
    ? await session.query<{ prefix: string }>(
        `SELECT DISTINCT left(digest, ${digits}) AS prefix FROM (FROM (SELECT digest FROM went_${name})
         UNION ALL (SELECT digest FROM new_${name}) UNION ALL (SELECT digest FROM ${name}_last))`,
      )
    : prefixesOf(digits).map((prefix) => ({ prefix }))
  const stale = new Set(changed.map(({ prefix }) => prefix))
  const shards = sameCut ? former.base.filter(({ prefix }) => !stale.has(prefix)) : []
  for (const prefix of [...stale].sort()) {
    const shard = await storeRows(
      layout,
      `SELECT ${columnsOf(name)} FROM now_${name} WHERE ${withPrefix(prefix)} ORDER BY digest${name === 'boxes' ? ', number' : ''}`,
    )
    if (shard.rows > 0 || digits === 0) shards.push({ prefix, ...shard })
  }
  return shards.sort((a, b) => (a.prefix < b.prefix ? -1 : 1))
}

async function storeRows({ store, session, directory }: Layout, sql: string): Promise<Pick<Delta, 'rows' | 'blob'>> {
  const file = path.join(directory, 'shard.parquet')
  const rows = await session.writeParquet(sql, file)
  return { rows, blob: await putBlobFile(store, file) }
}

function sum(parts: readonly { readonly rows: number }[]): number {
  return parts.reduce((total, { rows }) => total + rows, 0)
}
