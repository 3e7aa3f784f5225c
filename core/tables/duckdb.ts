/**
 * The adapter to DuckDB, the only file that imports it. It loads no extensions and reaches no network; what else a
 * connection may touch is said by whoever opens it (session.ts).
 *
 * D1  What is closed while a call on it is under way is freed when that call is done: the library frees at once, and a
 *     thread that still works on it would end the process.
 */
import type * as duckdbNode from '@duckdb/node-api'
import type { DuckDBConnection, DuckDBInstance, DuckDBType, DuckDBValue } from '@duckdb/node-api'
import { PlatformError } from '#core/errors'

/** `integer` is 32 bits signed, `number` 64 bits floating, `texts` a list of texts. Every column may hold null. */
export type ColumnType = 'text' | 'texts' | 'integer' | 'number' | 'boolean' | 'bytes'
export type Columns = Readonly<Record<string, ColumnType>>
/** What a parameter `?` or `$1` of a query may be. */
export type Value = string | number | boolean | null
type Cell = Value | readonly string[] | Uint8Array | undefined

export const sqlTypes: Readonly<Record<ColumnType, string>> = {
  text: 'VARCHAR',
  texts: 'VARCHAR[]',
  integer: 'INTEGER',
  number: 'DOUBLE',
  boolean: 'BOOLEAN',
  bytes: 'BLOB',
}

const noExtensions = {
  autoinstall_known_extensions: 'false',
  autoload_known_extensions: 'false',
  allow_community_extensions: 'false',
}

export interface Settings {
  readonly threads: number
  readonly memoryMiB: number
  /** Absent: in memory. */
  readonly file?: string
  readonly readOnly?: boolean
}

export interface Connections {
  /** One more connection to the same database. */
  connect(): Promise<Connection>
  close(): void
}

export interface Connection {
  run(sql: string): Promise<void>
  /** Large integers come as numbers. */
  rows<R>(sql: string, params?: readonly Value[]): Promise<R[]>
  batches<R>(sql: string, params?: readonly Value[]): AsyncIterable<R[]>
  /** The first column, `INTEGER NOT NULL`, of all rows. */
  integers(sql: string): Promise<Int32Array>
  /** Each row of a stream, made when it is asked for: values may be large, and a chunk has two thousand of them. */
  eachRow<R>(sql: string): AsyncIterable<R>
  /** Adds rows to a table of exactly these columns, in this order. @returns how many. */
  append(table: string, columns: Columns, rows: Iterable<object> | AsyncIterable<object>): Promise<number>
  /** Ends what runs on it now, which then fails. */
  interrupt(): void
  close(): void
}

type DuckDB = typeof duckdbNode

/** Loaded on first use: loading the library takes a tenth of a second. */
let loading: Promise<DuckDB> | undefined

export async function openDatabase({ threads, memoryMiB, file, readOnly }: Settings): Promise<Connections> {
  const duckdb = await (loading ??= import('@duckdb/node-api'))
  const instance: DuckDBInstance = await duckdb.DuckDBInstance.create(file ?? ':memory:', {
    ...noExtensions,
    threads: String(threads),
    memory_limit: `${memoryMiB}MiB`,
    preserve_insertion_order: 'true',
    ...(readOnly ? { access_mode: 'READ_ONLY' } : {}),
  })
  const use = new Use(() => instance.closeSync())
  return {
    connect: async () => connectionOf(duckdb, await use.during(() => instance.connect())),
    close: () => use.end(),
  }
}

/** Counts the calls under way on something, so that it is freed after the last of them (D1). */
class Use {
  private calls = 0
  private ended = false

  constructor(private readonly free: () => void) {}

  async during<T>(call: () => Promise<T>): Promise<T> {
    if (this.ended) throw new Error('the table session is closed')
    this.calls += 1
    try {
      return await call()
    } finally {
      this.calls -= 1
      if (this.ended && this.calls === 0) this.free()
    }
  }

  end(): void {
    if (this.ended) return
    this.ended = true
    if (this.calls === 0) this.free()
  }
}

function connectionOf(duckdb: DuckDB, connection: DuckDBConnection): Connection {
  const use = new Use(() => connection.closeSync())
  return {
    run: async (sql) => void (await use.during(() => connection.run(sql))),
    rows: <R>(sql: string, params: readonly Value[] = []) =>
      use.during(async () => {
        const reader = await connection.runAndReadAll(sql, [...params])
        return reader.getRowObjectsJS().map(plainRow) as R[]
      }),
    async *batches<R>(sql: string, params: readonly Value[] = []) {
      const result = await use.during(() => connection.stream(sql, [...params]))
      const batches = result.yieldRowObjectJs()[Symbol.asyncIterator]()
      for (;;) {
        const { value, done } = await use.during(() => batches.next())
        if (done) return
        if (value.length > 0) yield value.map(plainRow) as R[]
      }
    },
    async integers(sql) {
      const chunks = await use.during(async () => (await connection.run(sql)).fetchAllChunks())
      const values = new Int32Array(chunks.reduce((rows, chunk) => rows + chunk.rowCount, 0))
      let at = 0
      for (const chunk of chunks) {
        values.set(chunk.getColumnValues(0) as number[], at)
        at += chunk.rowCount
      }
      return values
    },
    async *eachRow<R>(sql: string) {
      const result = await use.during(() => connection.stream(sql))
      const names = result.columnNames()
      for (;;) {
        const chunk = await use.during(() => result.fetchChunk())
        if (!chunk || chunk.rowCount === 0) return
        for (let row = 0; row < chunk.rowCount; row++) {
          const values = names.map(
            (name, column) => [name, jsValue(chunk.getColumnVector(column).getItem(row))] as const,
          )
          yield plainRow(Object.fromEntries(values)) as R
        }
      }
    },
    append: (table, columns, rows) => use.during(() => append(duckdb, connection, { table, columns, rows })),
    interrupt: () => connection.interrupt(),
    close: () => use.end(),
  }
}

/** Bytes come in a wrapper; texts, numbers and truth values as they are. */
function jsValue(value: DuckDBValue): unknown {
  return typeof value === 'object' && value !== null && 'bytes' in value ? value.bytes : value
}

/** Numbers of 64 bits and more come as `bigint`; none of ours, a count or a sum of bytes, exceeds 2⁵³. */
function plainRow(row: Record<string, unknown>): Record<string, unknown> {
  for (const name in row) if (typeof row[name] === 'bigint') row[name] = Number(row[name])
  return row
}

interface Appending {
  readonly table: string
  readonly columns: Columns
  readonly rows: Iterable<object> | AsyncIterable<object>
}

async function append(
  duckdb: DuckDB,
  connection: DuckDBConnection,
  { table, columns, rows }: Appending,
): Promise<number> {
  const entries = Object.entries(columns)
  const texts = duckdb.LIST(duckdb.VARCHAR)
  const appender = await connection.createAppender(table)
  let count = 0
  try {
    for await (const row of rows) {
      for (const [name, type] of entries)
        appendCell(appender, type, (row as Readonly<Record<string, Cell>>)[name] ?? null, { duckdb, texts })
      appender.endRow()
      if (++count % 65_536 === 0) appender.flushSync()
    }
    appender.flushSync()
    return count
  } finally {
    appender.closeSync()
  }
}

type Appender = Awaited<ReturnType<DuckDBConnection['createAppender']>>

function appendCell(
  appender: Appender,
  type: ColumnType,
  value: Exclude<Cell, undefined>,
  { duckdb, texts }: { readonly duckdb: DuckDB; readonly texts: DuckDBType },
): void {
  if (value === null) appender.appendNull()
  else if (type === 'text') appender.appendVarchar(value as string)
  else if (type === 'texts') appender.appendValue(duckdb.listValue(value as DuckDBValue[]), texts)
  else if (type === 'integer') appender.appendInteger(value as number)
  else if (type === 'number') appender.appendDouble(value as number)
  else if (type === 'bytes') appender.appendBlob(value as Uint8Array)
  else appender.appendBoolean(value as boolean)
}

/** A name in SQL. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A text in SQL. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** What DuckDB says where a file is not what it should be; SQL that is wrong is the caller's own to explain. */
export function damagedTable(error: unknown, what: string): unknown {
  const text = error instanceof Error ? error.message : ''
  if (/No space left on device|Disk quota exceeded/.test(text))
    return new PlatformError('STORE_DISK_FULL', `the disk is full; free some space and try again`, {}, { cause: error })
  if (/^(Permission|Parser|Binder|Catalog|Conversion|Constraint|Out of Memory|Interrupt) Error/.test(text)) return error
  if (!/parquet|^IO Error|corrupt|ZSTD|No magic bytes|not a valid DuckDB/i.test(text)) return error
  return new PlatformError('OBJECT_CORRUPT', `${what} cannot be read as a table`, { what }, { cause: error })
}
