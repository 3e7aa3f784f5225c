/**
 * The columns that a condition, an order and a facet may name, and how each is read from the catalog's table. Digests
 * are kept there as 32 bytes, and `group` only where it is not the image's own digest: half the size, twice the speed.
 */

/** `list` holds texts. */
export type ColumnKind = 'text' | 'number' | 'boolean' | 'list'

export interface Column {
  readonly name: string
  readonly kind: ColumnKind
  /** SQL over the catalog's table. */
  readonly sql: string
  /** Unit or meaning. */
  readonly says: string
  /** For comparing with whole digests: SQL of what is stored, which the table can be searched by. */
  readonly bytes?: string
}

const column = (name: string, kind: ColumnKind, says: string, sql = `"${name}"`): Column => ({ name, kind, sql, says })

export const COLUMNS: readonly Column[] = [
  { ...column('digest', 'text', 'SHA-256 of the file', 'lower(hex(digest))'), bytes: 'digest' },
  column('label', 'text', 'null where there is none'),
  column('split', 'text', 'train or test'),
  column('tags', 'list', "'night' in tags"),
  column('origin', 'text', 'human, inferred, predicted or imported'),
  column('humanSeen', 'boolean', 'a person looked at this very image'),
  column('randomDraw', 'boolean', 'drawn at random for a person to see'),
  column('excluded', 'text', 'why it takes part in nothing; null where it does'),
  column('boxes', 'number', 'how many'),
  column('boxClasses', 'list', "'scratch' in boxClasses"),
  column('width', 'number', 'pixels'),
  column('height', 'number', 'pixels'),
  column('sizeBytes', 'number', 'of the file'),
  column('format', 'text', 'jpeg, png, webp, tiff or gif'),
  column('source', 'text', 'the path it came from'),
  column('uri', 'text', 'where its bytes stay, of images by reference'),
  {
    ...column('group', 'text', 'digest of the first of its near duplicates', 'lower(hex(coalesce("group", digest)))'),
    bytes: 'coalesce("group", digest)',
  },
  column('brightness', 'number', '0–1'),
  column('contrast', 'number', '0–0.5'),
  column('blur', 'number', '0 sharp to 1 without any edge'),
  column('entropy', 'number', 'bits, 0–8'),
  column('colour', 'number', '0 grey to 1'),
  column('camera', 'text', 'by EXIF'),
  column('takenAt', 'text', 'ISO 8601, by EXIF'),
]

const byLowerCase = new Map(COLUMNS.map((known) => [known.name.toLowerCase(), known]))

/** As SQL does, whatever the case of its letters. */
export function columnNamed(name: string): Column | undefined {
  return byLowerCase.get(name.toLowerCase())
}

/** For messages. */
export function columnNames(): string {
  return [...COLUMNS.map(({ name }) => name), 'attributes.NAME'].join(', ')
}
