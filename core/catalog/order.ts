/** In which order images are shown: `label`, `-blur` for descending, several separated by commas; equal ones by digest. */
import { PlatformError } from '#core/errors'
import { columnNamed, columnNames } from './columns.ts'

const MOST_COLUMNS = 4

/**
 * @returns SQL after ORDER BY; null for the order of digests, in which the table lies.
 * @throws {PlatformError} `INVALID_INPUT` for columns that there are not, and for lists.
 */
export function readOrder(order = 'digest'): string | null {
  const parts = order.split(',').map((part) => part.trim())
  if (parts.length > MOST_COLUMNS)
    throw new PlatformError('INVALID_INPUT', `the order names ${parts.length} columns; give ${MOST_COLUMNS} at most`, {
      order,
    })
  if (parts.length === 1 && parts[0] === 'digest') return null
  return [...parts.map((part) => columnOrder(part, order)), '"row"'].join(', ')
}

function columnOrder(part: string, order: string): string {
  const descending = part.startsWith('-')
  const known = columnNamed(descending ? part.slice(1) : part)
  if (!known || known.kind === 'list')
    throw new PlatformError(
      'INVALID_INPUT',
      `images cannot be ordered by "${part}"; give one of ${columnNames()}, with - before it for descending`,
      { order },
    )
  return `${known.bytes ?? known.sql} ${descending ? 'DESC' : 'ASC'} NULLS LAST`
}
