/**
 * Parquet files of strangers that hold image files as bytes, and ours that others read: the layout of Hugging Face
 * (`image: {bytes, path}`). A file is read alone, without anything beside it, within a bound of memory.
 */
import { rm } from 'node:fs/promises'
import { PlatformError } from '#core/errors'
import { columnList } from './parquet.ts'
import { literal, openDatabase, quoted, type Columns, type Connection } from './duckdb.ts'

/** Pages of one row group have to fit, decompressed. */
const MEMORY_MIB = 1024
/** Values of a column in one row group: a list of a few bytes can stand for billions. */
const MAX_VALUES = 20_000_000
/** DuckDB copies what it gives, so many rows at a time, although a file may hold the same value once for all of them. */
const ROWS_AT_ONCE = 2_048
const BYTES_AT_ONCE = 64 * 1024 * 1024

export interface ForeignColumn {
  readonly name: string
  /** As DuckDB calls it: `VARCHAR`, `BIGINT`, `STRUCT(bytes BLOB, path VARCHAR)`. */
  readonly type: string
}

export interface ForeignParquet {
  readonly columns: readonly ForeignColumn[]
  readonly rows: number
  /** The file's own metadata, by key. */
  readonly metadata: ReadonlyMap<string, string>
  /**
   * @param select - SQL expression by name of a column to give.
   * @param weight - SQL expression: the bytes of a row, by which is told how many fit into memory at once.
   */
  each<R extends object>(select: Readonly<Record<string, string>>, weight: string): AsyncIterable<R>
  close(): void
}

/**
 * @param file - a local file, the only one that is touched.
 * @throws {PlatformError} `DATASET_SOURCE_UNREADABLE`, also from `each`.
 */
export async function openForeignParquet(file: string): Promise<ForeignParquet> {
  const database = await openDatabase({ threads: 1, memoryMiB: MEMORY_MIB })
  const connection = await database.connect()
  const close = (): void => {
    connection.close()
    database.close()
  }
  try {
    await connection.run(`SET allowed_paths = [${literal(file)}]`)
    await connection.run(`SET temp_directory = ''`)
    await connection.run('SET enable_external_access = false')
    await connection.run('SET lock_configuration = true')
    const described = await describe(connection, file)
    const read = { connection, file, rows: described.rows }
    return { ...described, each: (select, weight) => each(read, select, weight), close }
  } catch (error) {
    close()
    throw unreadable(file, error)
  }
}

async function describe(
  connection: Connection,
  file: string,
): Promise<Pick<ForeignParquet, 'columns' | 'rows' | 'metadata'>> {
  const source = `read_parquet(${literal(file)})`
  const columns = await connection.rows<{ name: string; type: string }>(
    `SELECT column_name AS name, column_type AS type FROM (DESCRIBE SELECT * FROM ${source})`,
  )
  const [facts] = await connection.rows<{ rows: number }>(
    `SELECT num_rows AS rows FROM parquet_file_metadata(${literal(file)})`,
  )
  const [largest] = await connection.rows<{ most: number }>(
    `SELECT max(num_values)::DOUBLE AS most FROM parquet_metadata(${literal(file)})`,
  )
  if ((largest?.most ?? 0) > MAX_VALUES) throw new Error(`a row group of more than ${MAX_VALUES} values`)
  const metadata = await connection.rows<{ key: string; value: string }>(
    `SELECT decode(key) AS key, decode(value) AS value FROM parquet_kv_metadata(${literal(file)}) WHERE decode(key) = 'huggingface'`,
  )
  return { columns, rows: facts?.rows ?? 0, metadata: new Map(metadata.map(({ key, value }) => [key, value])) }
}

interface Reading {
  readonly connection: Connection
  readonly file: string
  readonly rows: number
}

async function* each<R extends object>(
  { connection, file, rows }: Reading,
  select: Readonly<Record<string, string>>,
  weight: string,
): AsyncIterable<R> {
  const wanted = Object.entries(select).map(([name, expression]) => `${expression} AS ${quoted(name)}`)
  const source = `read_parquet(${literal(file)})`
  try {
    const [heaviest] = await connection.rows<{ bytes: number }>(`SELECT max(${weight})::DOUBLE AS bytes FROM ${source}`)
    const atOnce = Math.max(1, Math.floor(BYTES_AT_ONCE / Math.max(1, heaviest?.bytes ?? 1)))
    const query = `SELECT ${wanted.join(', ')} FROM ${source}`
    if (atOnce >= ROWS_AT_ONCE) return yield* connection.eachRow<R>(query)
    for (let from = 0; from < rows; from += atOnce)
      yield* connection.eachRow<R>(`${query} WHERE file_row_number BETWEEN ${from} AND ${from + atOnce - 1}`)
  } catch (error) {
    throw unreadable(file, error)
  }
}

function unreadable(file: string, cause: unknown): PlatformError {
  const text = cause instanceof Error ? cause.message : ''
  const trouble = text.startsWith('Out of Memory')
    ? `needs more than ${MEMORY_MIB} MiB for one row group; write it with smaller ones`
    : 'cannot be read as Parquet'
  return new PlatformError('DATASET_SOURCE_UNREADABLE', `${file} ${trouble}`, { file }, { cause })
}

export interface ImageTable {
  /** Beside `bytes` and `path`, which become the column `image`. */
  readonly columns: Columns
  readonly metadata: Readonly<Record<string, string>>
}

/**
 * Writes one file, whole or not at all as far as the caller renames it. Images are not compressed again.
 *
 * @param rows - with `bytes`, `path` and the columns of the table; all of them are in memory for a moment.
 */
export async function writeImageParquet(
  file: string,
  { columns, metadata }: ImageTable,
  rows: Iterable<object> | AsyncIterable<object>,
): Promise<void> {
  const database = await openDatabase({ threads: 1, memoryMiB: MEMORY_MIB })
  const connection = await database.connect()
  try {
    const all: Columns = { bytes: 'bytes', path: 'text', ...columns }
    await connection.run(`CREATE TABLE rows (${columnList(all)})`)
    await connection.append('rows', all, rows)
    const others = Object.keys(columns).map((name) => `, ${quoted(name)}`)
    const keys = Object.entries(metadata).map(([key, value]) => `${quoted(key)}: ${literal(value)}`)
    await connection.run(
      `COPY (SELECT {'bytes': bytes, 'path': path} AS image${others.join('')} FROM rows) TO ${literal(file)}
       (FORMAT parquet, COMPRESSION uncompressed, ROW_GROUP_SIZE 2048, KV_METADATA {${keys.join(', ')}})`,
    )
  } catch (error) {
    await rm(file, { force: true })
    throw error
  } finally {
    connection.close()
    database.close()
  }
}
