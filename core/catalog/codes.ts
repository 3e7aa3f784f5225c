/** One column of all images as a byte each, in the order of digests: what colours a map without a row per image. */
import { PlatformError } from '#core/errors'
import type { TableSession } from '#core/tables'
import { columnNamed } from './columns.ts'
import { VALUES } from './facet-columns.ts'
import type { FacetValue } from './facets.ts'
import { textLiteral } from './terms.ts'

export interface Codes {
  /** What each code means, the most frequent first; rarer values share the code after the last. */
  readonly values: readonly FacetValue[]
  readonly codes: Uint8Array
}

/** The code 255 is left for rarer values. */
const MOST_VALUES = 255

/** @throws {PlatformError} `INVALID_INPUT` for columns of numbers and of lists, and for those that there are not. */
export async function readCodes(session: TableSession, name: string): Promise<Codes> {
  const column = columnNamed(name)
  if (
    !column ||
    (column.kind !== 'text' && column.kind !== 'boolean') ||
    !VALUES.some((known) => known === column.name)
  )
    throw new PlatformError(
      'INVALID_INPUT',
      `"${name}" has no codes; give label, split, origin, humanSeen, excluded, format or camera`,
      { column: name },
    )
  const rows = await session.query<{ value: FacetValue }>(
    `SELECT ${column.sql} AS value FROM images GROUP BY value ORDER BY count(*) DESC, value LIMIT ${MOST_VALUES}`,
  )
  const values = rows.map(({ value }) => value)
  const known = values.map((value) => (value === null ? 'NULL' : textLiteral(String(value)))).join(', ')
  const none = values.includes(null) ? values.indexOf(null) : values.length
  const codes = await session.integers(
    `SELECT (CASE WHEN ${column.sql} IS NULL THEN ${none}
       ELSE coalesce(list_position([${known}]::VARCHAR[], (${column.sql})::VARCHAR) - 1, ${values.length}) END)::INTEGER
     FROM images ORDER BY "row"`,
  )
  return { values, codes: Uint8Array.from(codes) }
}
