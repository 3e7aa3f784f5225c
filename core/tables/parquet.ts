/** Single tables as Parquet files, written from rows and read back as rows. */
import {
  openDatabase,
  literal,
  quoted,
  sqlTypes,
  type ColumnType,
  type Connection,
  type Connections,
} from './duckdb.ts'
import { PlatformError } from '#core/errors'

export type Row = Readonly<Record<string, string | number | boolean | null>>

/** One thread and half a gigabyte, so that equal rows give equal bytes. Opened once per process. */
const settings = { threads: 1, memoryMiB: 512 }
let opening: Promise<Connections> | undefined

async function connect(): Promise<Connection> {
  opening ??= openDatabase(settings)
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
  rows: Iterable<R> | AsyncIterable<R>,
): Promise<void> {
  const connection = await connect()
  try {
    await connection.run(`CREATE TEMP TABLE rows (${columnList(columns)})`)
    await connection.append('rows', columns, rows)
    await connection.run(copyToParquet('FROM rows', path))
  } finally {
    await connection.run('DROP TABLE IF EXISTS temp.rows').catch(() => undefined)
    connection.close()
  }
}

/** @returns all rows in the order of the file, each with its columns as properties. */
export async function readParquet<R extends object>(path: string): Promise<R[]> {
  const connection = await connect()
  try {
    return await connection.rows<R>(`SELECT * FROM read_parquet(${literal(path)})`)
  } catch (error) {
    throw new PlatformError('OBJECT_CORRUPT', `the table ${path} cannot be read as Parquet`, { path }, { cause: error })
  } finally {
    connection.close()
  }
}

/** Columns as `CREATE TABLE` takes them. */
export function columnList(columns: Readonly<Record<string, ColumnType>>): string {
  return Object.entries(columns)
    .map(([name, type]) => `${quoted(name)} ${sqlTypes[type]}`)
    .join(', ')
}

export function copyToParquet(query: string, path: string): string {
  return `COPY (${query}) TO ${literal(path)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 65536)`
}
