/** The label schema of a dataset: what it is, setting it, and migrating the labels with it, always as a new version. */
import { PlatformError } from '#core/errors'
import { commit, commitChange, openVersion, parseLabelSchema, type LabelSchema } from '#core/datasets'
import type { BlobRef, DatasetVersion } from '#core/steps'
import { putBlob, type ObjectStore } from '#core/storage'
import type { TableSession } from '#core/tables'
import { migratedSchema, planMigration, type Destination, type Migration, type Operation } from './migration.ts'
import { literal, MOST_DIGESTS } from './report.ts'

type VersionName = Pick<DatasetVersion, 'dataset' | 'version'>

export interface ShownSchema {
  readonly version: DatasetVersion
  /** As it was set, or as the labels say where nobody set one. */
  readonly schema: LabelSchema
  readonly isSet: boolean
}

/** @throws {PlatformError} `DATASET_NOT_FOUND`. */
export async function schemaOf(store: ObjectStore, version: VersionName): Promise<ShownSchema> {
  const reader = await openVersion(store, version)
  if (reader.schema) return { version: reader.version, schema: reader.schema, isSet: true }
  const session = await reader.tables()
  try {
    return { version: reader.version, schema: await inferredSchema(session), isSet: false }
  } finally {
    session.close()
  }
}

/** What the labels of a version say, as a schema under which all of them are right. */
async function inferredSchema(session: TableSession): Promise<LabelSchema> {
  const names = async (sql: string): Promise<string[]> =>
    (
      await session.query<{ name: string }>(`SELECT DISTINCT name FROM (${sql}) WHERE name IS NOT NULL ORDER BY name`)
    ).map(({ name }) => name)
  const boxes = await names('SELECT class AS name FROM boxes')
  const held = await session.query<{ name: string; type: string }>(
    `SELECT name, CASE WHEN bool_and(type IN ('DOUBLE', 'BIGINT', 'UBIGINT')) THEN 'number' WHEN bool_and(type = 'BOOLEAN') THEN 'boolean' ELSE 'text' END AS type
     FROM (SELECT name, json_type(attributes, '/' || replace(replace(name, '~', '~0'), '/', '~1')) AS type
           FROM (SELECT attributes, unnest(json_keys(attributes)) AS name FROM labels WHERE attributes IS NOT NULL))
     GROUP BY name ORDER BY name`,
  )
  return parseLabelSchema({
    task: 'single',
    classes: await names('SELECT "label" AS name FROM labels'),
    boxes: boxes.length > 0 ? boxes : null,
    attributes: Object.fromEntries(held.map(({ name, type }) => [name, type])),
  })
}

export interface SchemaOptions {
  readonly by: string
  readonly reason: string
  readonly scratchDir?: string
}

/** @throws {PlatformError} `INVALID_INPUT` with the path of what does not fit; `DATASET_NOT_FOUND`. */
export async function setSchema(
  store: ObjectStore,
  { dataset, version }: VersionName,
  schema: unknown,
  { by, reason, scratchDir }: SchemaOptions,
): Promise<DatasetVersion> {
  const change = { schema: parseLabelSchema(schema) }
  const options = { by, note: reason, ...(scratchDir !== undefined && { scratchDir }) }
  return (await commitChange(store, { dataset, version }, change, options)).version
}

export interface MigrationPlan {
  readonly schema: LabelSchema
  /** Labels (or boxes) that move by themselves. */
  readonly moves: readonly { readonly from: string; readonly to: string; readonly images: number }[]
  /** What a person must look at: these lose their label (or their boxes of that class). */
  readonly needsPerson: {
    readonly images: number
    /** At most 200. */
    readonly digests: readonly string[]
    /** One digest a line, all of them; null where there are none. */
    readonly list: BlobRef | null
  }
}

export interface MigrationRequest {
  /** `labels` migrates classes of images (and, where the task is `multi`, tags), `boxes` those of boxes. */
  readonly of: 'labels' | 'boxes'
  readonly operations: readonly Operation[]
}

/** What a migration would do; nothing is written but the list. */
export async function previewMigration(
  store: ObjectStore,
  version: VersionName,
  request: MigrationRequest,
): Promise<MigrationPlan> {
  const { schema, migration } = await prepare(store, version, request)
  const session = await (await openVersion(store, version)).tables()
  try {
    return await planOf(store, session, { schema, migration, of: request.of })
  } finally {
    session.close()
  }
}

/**
 * Migrates schema and labels in one version. Labels that move keep where they came from and who saw them.
 *
 * @throws {PlatformError} `INVALID_INPUT` for operations that do not fit the schema; `DATASET_NOT_FOUND`.
 */
export async function migrateSchema(
  store: ObjectStore,
  version: VersionName,
  request: MigrationRequest,
  { by, reason, scratchDir }: SchemaOptions,
): Promise<MigrationPlan & { readonly version: DatasetVersion }> {
  const { schema, migration } = await prepare(store, version, request)
  let plan: MigrationPlan | undefined
  const made = await commit(
    store,
    version,
    async (session) => {
      plan = await planOf(store, session, { schema, migration, of: request.of })
      await (request.of === 'boxes' ? moveBoxes(session, migration) : moveLabels(session, migration, schema.task))
    },
    { by, note: reason, schema, ...(scratchDir !== undefined && { scratchDir }) },
  )
  return { ...plan!, version: made.version }
}

interface Prepared {
  readonly schema: LabelSchema
  readonly migration: Migration
}

async function prepare(
  store: ObjectStore,
  version: VersionName,
  { of, operations }: MigrationRequest,
): Promise<Prepared> {
  const { schema } = await schemaOf(store, version)
  if (of === 'boxes' && operations.some(({ do: kind }) => kind === 'split'))
    throw new PlatformError(
      'INVALID_INPUT',
      'a class of boxes cannot be split, since nobody would be asked; add the new ones',
    )
  const migration = planMigration(of === 'boxes' ? (schema.boxes ?? []) : schema.classes, operations)
  return { migration, schema: parseLabelSchema(migratedSchema(schema, migration, of)) }
}

async function planOf(
  store: ObjectStore,
  session: TableSession,
  { schema, migration, of }: Prepared & Pick<MigrationRequest, 'of'>,
): Promise<MigrationPlan> {
  const moved = changing(migration)
  const [table, column] = of === 'boxes' ? ['boxes', 'class'] : ['labels', '"label"']
  const tags =
    of === 'labels' && schema.task === 'multi'
      ? `UNION ALL SELECT digest, attributes, unnest(tags) AS name FROM labels`
      : ''
  const rows = `
    SELECT digest, name, ${caseOf(moved, 'name')} AS next
    FROM (SELECT digest, attributes, ${column} AS name FROM ${table} ${tags}) WHERE name IN ${listOf(moved)}`
  const moves = await session.query<{ from: string; to: string; images: number }>(
    `SELECT name AS "from", next AS "to", count(DISTINCT digest) AS images FROM (${rows}) WHERE next IS NOT NULL GROUP BY ALL ORDER BY ALL`,
  )
  const asked = await session.query<{ digest: string }>(
    `SELECT DISTINCT digest FROM (${rows}) WHERE next IS NULL ORDER BY digest`,
  )
  const digests = asked.map(({ digest }) => digest)
  const list = digests.length > 0 ? await putBlob(store, Buffer.from(digests.join('\n'))) : null
  return { schema, moves, needsPerson: { images: digests.length, digests: digests.slice(0, MOST_DIGESTS), list } }
}

async function moveLabels(session: TableSession, migration: Migration, task: LabelSchema['task']): Promise<void> {
  const moved = changing(migration)
  const next = caseOf(moved, '"label"')
  const touched = `"label" IN ${listOf(moved)}`
  const lost = `${touched} AND ${next} IS NULL`
  const tags =
    task === 'multi'
      ? `, list_filter(list_distinct(list_transform(tags, lambda name: ${caseOf(moved, 'name')})), lambda name: name IS NOT NULL) AS tags`
      : ''
  const tagged = task === 'multi' ? `OR list_has_any(tags, [${[...moved.keys()].map(literal).join(', ')}])` : ''
  await session.run(
    `INSERT INTO new_labels BY NAME SELECT * REPLACE (
       CASE WHEN ${touched} THEN ${next} ELSE "label" END AS "label", CASE WHEN ${lost} THEN NULL ELSE origin END AS origin,
       "humanSeen" AND NOT coalesce(${lost}, false) AS "humanSeen", "randomDraw" AND NOT coalesce(${lost}, false) AS "randomDraw"${tags})
     FROM labels WHERE ${touched} ${tagged}`,
  )
}

async function moveBoxes(session: TableSession, migration: Migration): Promise<void> {
  const moved = changing(migration)
  const next = `CASE WHEN class IN ${listOf(moved)} THEN ${caseOf(moved, 'class')} ELSE class END`
  await session.run(`INSERT INTO boxed SELECT DISTINCT digest FROM boxes WHERE class IN ${listOf(moved)}`)
  await session.run(
    `INSERT INTO new_boxes BY NAME SELECT * REPLACE (${next} AS class, (row_number() OVER (PARTITION BY digest ORDER BY number) - 1)::INTEGER AS number)
     FROM boxes SEMI JOIN boxed USING (digest) WHERE ${next} IS NOT NULL`,
  )
}

function changing({ to }: Migration): ReadonlyMap<string, Destination> {
  return new Map([...to].filter(([from, destination]) => from !== destination))
}

/** SQL that gives the new class of one of the classes that change, NULL where a person must say it. */
function caseOf(moved: ReadonlyMap<string, Destination>, column: string): string {
  const cases = [...moved].map(([from, destination]) => `WHEN ${literal(from)} THEN ${destinationSql(destination)}`)
  return cases.length === 0 ? column : `CASE ${column} ${cases.join(' ')} ELSE ${column} END`
}

function destinationSql(destination: Destination): string {
  if (destination === null) return 'NULL'
  if (typeof destination === 'string') return literal(destination)
  const pointer = literal(`/${destination.by.replaceAll('~', '~0').replaceAll('/', '~1')}`)
  const cases = Object.entries(destination.of).map(
    ([value, next]) => `WHEN ${literal(value)} THEN ${destinationSql(next)}`,
  )
  return `CASE json_extract_string(attributes, ${pointer}) ${cases.join(' ')} END`
}

function listOf(moved: ReadonlyMap<string, Destination>): string {
  return moved.size === 0 ? '(NULL)' : `(${[...moved.keys()].map(literal).join(', ')})`
}
