/**
 * The adapter to DuckDB, the only file that imports it: writes and reads Parquet files on the local disk. It loads no
 * extensions, reaches no network, and keeps to one thread and half a gigabyte, so that equal rows give equal bytes.
 */
import type { DuckDBConnection, DuckDBInstance, DuckDBValue } from '@duckdb/node-api'
import { PlatformError } from '#core/errors'

/** `integer` is 32 bits signed, `number` 64 bits floating. Every column may hold null. */
export type ColumnType = 'text' | 'integer' | 'number' | 'boolean'
export type Row = Readonly<Record<string, string | number | boolean | null>>

const sqlTypes: Record<ColumnType, string> = {
  text: 'VARCHAR',
  integer: 'INTEGER',
  number: 'DOUBLE',
  boolean: 'BOOLEAN',
}

const settings = {
  memory_limit: '512MB',
  threads: '1',
  preserve_insertion_order: 'true',
  autoinstall_known_extensions: 'false',
  autoload_known_extensions: 'false',
  allow_community_extensions: 'false',
}

let opening: Promise<DuckDBInstance> | undefined

/** One instance per process, opened on first use: loading the library takes a tenth of a second. */
async function connect(): Promise<DuckDBConnection> {
  opening ??= import('@duckdb/node-api').then(({ DuckDBInstance }) => DuckDBInstance.create(':memory:', settings))
  return (await opening).connect()
}

/**
 * Writes rows in the order given, compressed with zstd. The same columns and rows always give the same bytes.
 *
 * @param path - the file to make; an existing one is replaced.
 * @param columns - name → type, in the order of the file; names are ours, never a user's.
 */
export async function writeParquet<R extends object>(
  path: string,
  columns: Readonly<Record<Extract<keyof R, string>, ColumnType>>,
  rows: Iterable<R>,
): Promise<void> {
  const entries = Object.entries<ColumnType>(columns)
  const connection = await connect()
  try {
    const definition = entries.map(([name, type]) => `${quoted(name)} ${sqlTypes[type]}`).join(', ')
    await connection.run(`CREATE TEMP TABLE rows (${definition})`)
    await append(connection, entries, rows as Iterable<Row>)
    await connection.run(`COPY rows TO ${literal(path)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 65536)`)
  } finally {
    await connection.run('DROP TABLE IF EXISTS temp.rows').catch(() => undefined)
    connection.closeSync()
  }
}

/** @returns all rows in the order of the file, each with its columns as properties. */
export async function readParquet<R extends object>(path: string): Promise<R[]> {
  const connection = await connect()
  try {
    const reader = await connection.runAndReadAll(`SELECT * FROM read_parquet(${literal(path)})`)
    return reader.getRowObjectsJS() as R[]
  } catch (error) {
    throw new PlatformError('OBJECT_CORRUPT', `the table ${path} cannot be read as Parquet`, { path }, { cause: error })
  } finally {
    connection.closeSync()
  }
}

async function append(
  connection: DuckDBConnection,
  columns: readonly (readonly [string, ColumnType])[],
  rows: Iterable<Row>,
): Promise<void> {
  const appender = await connection.createAppender('rows', 'main', 'temp')
  try {
    for (const row of rows) {
      for (const [name, type] of columns) appendValue(appender, type, row[name] ?? null)
      appender.endRow()
    }
    appender.flushSync()
  } finally {
    appender.closeSync()
  }
}

type Appender = Awaited<ReturnType<DuckDBConnection['createAppender']>>

function appendValue(appender: Appender, type: ColumnType, value: DuckDBValue): void {
  if (value === null) appender.appendNull()
  else if (type === 'text') appender.appendVarchar(value as string)
  else if (type === 'integer') appender.appendInteger(value as number)
  else if (type === 'number') appender.appendDouble(value as number)
  else appender.appendBoolean(value as boolean)
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
