/** Digests named anywhere in a Parquet file, whatever its columns: what garbage collection follows. */
import { damagedTable, literal, openDatabase, quoted } from './duckdb.ts'

/** A thread of its own, so that a scan holds up no other table of the process. */
const settings = { threads: 1, memoryMiB: 512 }

/** Types that hold no text. Bytes of images are not looked into. */
const WITHOUT_TEXT =
  /^(BOOLEAN|TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT|U[A-Z]+|FLOAT|DOUBLE|DECIMAL.*|DATE|TIME.*|INTERVAL|BLOB)(\[\])*$/

/**
 * Every run of 64 lower-case hex digits in the text columns of a file, lists and structures included; with repeats.
 *
 * @throws {PlatformError} `OBJECT_CORRUPT` when the file is no table.
 */
export async function* digestsInTable(path: string): AsyncIterable<readonly string[]> {
  const database = await openDatabase(settings)
  try {
    const connection = await database.connect()
    const file = `read_parquet(${literal(path)})`
    const columns = await connection.rows<{ column_name: string; column_type: string }>(
      `DESCRIBE SELECT * FROM ${file}`,
    )
    for (const { column_name, column_type } of columns) {
      if (WITHOUT_TEXT.test(column_type)) continue
      const found = `unnest(regexp_extract_all(${quoted(column_name)}::VARCHAR, '[0-9a-f]{64}'))`
      for await (const rows of connection.batches<{ digest: string }>(`SELECT ${found} AS digest FROM ${file}`))
        yield distinctNeighbours(rows)
    }
  } catch (error) {
    throw damagedTable(error, path)
  } finally {
    database.close()
  }
}

/** Rows of one pack lie together. */
function distinctNeighbours(rows: readonly { readonly digest: string }[]): string[] {
  return rows.filter(({ digest }, at) => digest !== rows[at - 1]?.digest).map(({ digest }) => digest)
}
