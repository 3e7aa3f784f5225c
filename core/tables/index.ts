/** Tables of rows as Parquet files, readable by any other tool, and SQL over them. */

export { openDigestFinder, type DigestFinder } from './digests.ts'
export type { Columns, ColumnType, Value } from './duckdb.ts'
export {
  openForeignParquet,
  writeImageParquet,
  type ForeignColumn,
  type ForeignParquet,
  type ImageTable,
} from './image-parquet.ts'
export { readParquet, writeParquet, type Row } from './parquet.ts'
export { openTableSession, type TableFiles, type TableSession, type TableSessionOptions } from './session.ts'
