/** Digests named anywhere in Parquet files, whatever their columns: what garbage collection follows. */
import { damagedTable, literal, openDatabase, quoted } from './duckdb.ts'

const settings = { threads: 2, memoryMiB: 512 }

/** Types that hold no text. Bytes of images are not looked into. */
const WITHOUT_TEXT =
  /^(BOOLEAN|TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT|U[A-Z]+|FLOAT|DOUBLE|DECIMAL.*|DATE|TIME.*|INTERVAL|BLOB)(\[\])*$/

export interface DigestFinder {
  /**
   * Which of the digests stand in the text columns of a file, lists and structures included, alone or within longer text.
   *
   * @throws {PlatformError} `OBJECT_CORRUPT` when the file is no table.
   */
  inTable(path: string): Promise<readonly string[]>
  close(): void
}

/** @param digests - 64 lower-case hex digits each; any number of files is then searched for all of them at once. */
export async function openDigestFinder(digests: Iterable<string>): Promise<DigestFinder> {
  const database = await openDatabase(settings)
  const main = await database.connect()
  await main.run('CREATE TABLE sought (digest VARCHAR)')
  await main.append('sought', { digest: 'text' }, rowsOf(digests))
  return {
    async inTable(path) {
      const connection = await database.connect()
      try {
        const file = `read_parquet(${literal(path)})`
        const columns = await connection.rows<{ column_name: string; column_type: string }>(
          `DESCRIBE SELECT * FROM ${file}`,
        )
        const found: string[] = []
        for (const { column_name, column_type } of columns) {
          if (WITHOUT_TEXT.test(column_type)) continue
          const text = `${quoted(column_name)}::VARCHAR`
          const rows = await connection.rows<{ digest: string }>(
            `SELECT DISTINCT digest FROM (SELECT unnest(regexp_extract_all(${text}, '[0-9a-f]{64}')) AS digest FROM ${file})
             WHERE digest IN (FROM sought)`,
          )
          found.push(...rows.map(({ digest }) => digest))
        }
        return found
      } catch (error) {
        throw damagedTable(error, path)
      } finally {
        connection.close()
      }
    },
    close: () => database.close(),
  }
}

function* rowsOf(digests: Iterable<string>): Iterable<{ digest: string }> {
  for (const digest of digests) yield { digest }
}
