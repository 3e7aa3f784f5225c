/**
 * SQL over tables that lie in Parquet files: a base and the deltas that were made since, seen as one.
 *
 * T1  A later delta wins: of each digest the rows of the last delta that names it hold, and none where those are `gone`.
 * T2  A session reads the files it was opened with and what lies in its own folder, writes into that folder, and reaches
 *     nothing else: no network, no extension, no setting can be changed, whatever SQL it is given.
 */
import path from 'node:path'
import { PlatformError } from '#core/errors'
import {
  damagedTable,
  literal,
  openDatabase,
  quoted,
  sqlTypes,
  type Columns,
  type Connection,
  type Value,
} from './duckdb.ts'
import { columnList, copyToParquet } from './parquet.ts'

export interface TableFiles {
  /** Local Parquet files, no digest in two of them. */
  readonly base: readonly string[]
  /** Local Parquet files, oldest first; their rows have the columns and `gone`. */
  readonly deltas: readonly string[]
  /** What the view shows, in this order; a column that a file lacks is null. One of them is `digest`. */
  readonly columns: Columns
}

export interface TableSessionOptions {
  /** One view for each, and of its deltas a table `<name>_last`: digest, and the number of the delta that holds. */
  readonly views?: Readonly<Record<string, TableFiles>>
  /** A database file, else everything made lies in memory and `directory`. */
  readonly file?: string
  readonly readOnly?: boolean
  /** A local folder: for what memory does not hold, and the only place that `writeParquet` may write to. */
  readonly directory?: string
  readonly threads?: number
  readonly memoryMiB?: number
}

export interface TableSession {
  query<R extends object>(sql: string, params?: readonly Value[]): Promise<R[]>
  /** A few thousand rows at a time, without ever holding all. Sees no temporary tables. */
  batches<R extends object>(sql: string, params?: readonly Value[]): AsyncIterable<R[]>
  /** The first column, `INTEGER` and never null, of all rows: four bytes each instead of an object. */
  integers(sql: string): Promise<Int32Array>
  /**
   * Asks on a connection of its own, beside what else is asked, and gives up after a time. Sees no temporary tables.
   *
   * @throws {PlatformError} `QUERY_TOO_SLOW`.
   */
  within<T>(limitMs: number, ask: (asked: Pick<TableSession, 'query' | 'integers'>) => Promise<T>): Promise<T>
  run(sql: string): Promise<void>
  /** Adds rows to a table that `load` made of these columns. @returns how many. */
  append(name: string, columns: Columns, rows: Iterable<object> | AsyncIterable<object>): Promise<number>
  /** Makes a table of the rows, temporary where the session has a file. @returns how many there are. */
  load(name: string, columns: Columns, rows: Iterable<object> | AsyncIterable<object>): Promise<number>
  /** @returns how many rows the file has. Equal rows in equal order give equal bytes up to 65,536 of them. */
  writeParquet(sql: string, path: string): Promise<number>
  close(): void
}

const DEFAULT_THREADS = 2
const DEFAULT_MEMORY_MIB = 1024

/** @throws {PlatformError} `OBJECT_CORRUPT` when a file is no such table. */
export async function openTableSession({
  views = {},
  file,
  readOnly = false,
  directory,
  threads = DEFAULT_THREADS,
  memoryMiB = DEFAULT_MEMORY_MIB,
}: TableSessionOptions): Promise<TableSession> {
  const database = await openDatabase({ threads, memoryMiB, ...(file === undefined ? {} : { file }), readOnly }).catch(
    (error: unknown) => {
      throw damagedTable(error, file ?? 'the database')
    },
  )
  const temporary = file === undefined ? '' : 'TEMP '
  try {
    const main = await database.connect()
    await confine(main, { views, ...(directory === undefined ? {} : { directory }) })
    const definitions: string[] = []
    for (const [name, files] of Object.entries(views))
      for (const sql of await viewOf(main, name, files, temporary)) {
        await main.run(sql)
        definitions.push(sql)
      }
    return sessionOn({ main, database, definitions: temporary ? definitions : [], temporary })
  } catch (error) {
    database.close()
    throw error
  }
}

interface Opened {
  readonly main: Connection
  readonly database: { connect(): Promise<Connection>; close(): void }
  /** What each further connection needs to see the views. */
  readonly definitions: readonly string[]
  readonly temporary: string
}

function sessionOn({ main, database, definitions, temporary }: Opened): TableSession {
  const explained = async <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      throw damagedTable(error, 'a file of the session')
    })
  return {
    query: (sql, params) => explained(main.rows(sql, params)),
    async *batches<R extends object>(sql: string, params?: readonly Value[]) {
      const connection = await database.connect()
      try {
        for (const definition of definitions) await connection.run(definition)
        yield* connection.batches<R>(sql, params)
      } catch (error) {
        throw damagedTable(error, 'a file of the session')
      } finally {
        connection.close()
      }
    },
    integers: (sql) => explained(main.integers(sql)),
    within: async (limitMs, ask) => explained(askWithin(await database.connect(), limitMs, ask)),
    run: (sql) => explained(main.run(sql)),
    append: (name, columns, rows) => main.append(name, columns, rows),
    async load(name, columns, rows) {
      await main.run(`CREATE ${temporary}TABLE ${quoted(name)} (${columnList(columns)})`)
      return main.append(name, columns, rows)
    },
    async writeParquet(sql, path) {
      const [written] = await explained(main.rows<{ Count: number }>(copyToParquet(sql, path)))
      return written!.Count
    },
    close() {
      main.close()
      database.close()
    },
  }
}

async function askWithin<T>(
  connection: Connection,
  limitMs: number,
  ask: (asked: Pick<TableSession, 'query' | 'integers'>) => Promise<T>,
): Promise<T> {
  let late = false
  const timer = setTimeout(() => {
    late = true
    connection.interrupt()
  }, limitMs)
  try {
    // Between two questions nothing runs that an interruption could end.
    const inTime = <A>(go: () => Promise<A>): Promise<A> => (late ? Promise.reject(new Error('late')) : go())
    return await ask({
      query: (sql, params) => inTime(() => connection.rows(sql, params)),
      integers: (sql) => inTime(() => connection.integers(sql)),
    })
  } catch (error) {
    if (!late) throw error
    const message = `the question took longer than ${limitMs / 1_000} s and was given up; ask for less at once`
    throw new PlatformError('QUERY_TOO_SLOW', message, { limitMs }, { cause: error })
  } finally {
    clearTimeout(timer)
    connection.close()
  }
}

/** T2. */
async function confine(
  connection: Connection,
  { views = {}, directory }: Pick<TableSessionOptions, 'views' | 'directory'>,
): Promise<void> {
  const files = Object.values(views).flatMap(({ base, deltas }) => [...base, ...deltas])
  await connection.run(`SET allowed_paths = ${listOf(files)}`)
  if (directory !== undefined) {
    await connection.run(`SET allowed_directories = ${listOf([directory])}`)
    await connection.run(`SET temp_directory = ${literal(path.join(directory, 'spill'))}`)
  } else await connection.run(`SET temp_directory = ''`)
  await connection.run('SET enable_external_access = false')
  await connection.run('SET lock_configuration = true')
}

/** What makes the view of a table, T1. */
async function viewOf(
  connection: Connection,
  name: string,
  { base, deltas, columns }: TableFiles,
  temporary: string,
): Promise<string[]> {
  const view = `CREATE ${temporary}VIEW ${quoted(name)} AS`
  const standing = await selectAll(connection, base, columns)
  const last = quoted(`${name}_last`)
  if (deltas.length === 0)
    return [`CREATE ${temporary}TABLE ${last} (digest VARCHAR, layer INTEGER)`, `${view} ${standing}`]
  const layers: string[] = []
  for (const [layer, file] of deltas.entries())
    layers.push(
      `(SELECT *, ${layer} AS layer FROM (${await selectAll(connection, [file], { ...columns, gone: 'boolean' })}))`,
    )
  const changed = layers.join(' UNION ALL ')
  const shown = Object.keys(columns).map(quoted).join(', ')
  return [
    `CREATE ${temporary}TABLE ${last} AS SELECT digest, max(layer) AS layer FROM (${changed}) GROUP BY digest`,
    `${view} SELECT ${shown} FROM (${changed}) JOIN ${last} USING (digest, layer) WHERE NOT gone
     UNION ALL SELECT ${shown} FROM (${standing}) ANTI JOIN ${last} USING (digest)`,
  ]
}

/** The columns of all rows; files written before a column came have null there. */
async function selectAll(connection: Connection, files: readonly string[], columns: Columns): Promise<string> {
  const source = `read_parquet(${listOf(files)}, union_by_name = true)`
  const held = files.length === 0 ? new Set<string>() : await columnsOf(connection, source)
  const select = Object.entries(columns)
    .map(([name, type]) => (held.has(name) ? quoted(name) : `NULL::${sqlTypes[type]} AS ${quoted(name)}`))
    .join(', ')
  return files.length === 0 ? `SELECT ${select} WHERE false` : `SELECT ${select} FROM ${source}`
}

async function columnsOf(connection: Connection, source: string): Promise<ReadonlySet<string>> {
  try {
    const described = await connection.rows<{ column_name: string }>(`DESCRIBE SELECT * FROM ${source}`)
    return new Set(described.map(({ column_name }) => column_name))
  } catch (error) {
    throw damagedTable(error, 'a table of the version')
  }
}

function listOf(texts: readonly string[]): string {
  return `[${texts.map(literal).join(', ')}]`
}
