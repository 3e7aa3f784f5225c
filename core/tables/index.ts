/** Tables of rows as Parquet files: what a dataset version is made of, readable by any other tool. */

export { readParquet, writeParquet, type ColumnType, type Row } from './duckdb.ts'
