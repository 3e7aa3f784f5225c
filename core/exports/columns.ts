/** An image as a row of a table, with the names of columns that an import understands. */
import type { ExportRow } from './rows.ts'

/** What tables say beside the image itself. Facts at the end are for readers; an import finds them anew. */
export interface TableRow {
  readonly label: string | null
  readonly tags: readonly string[] | null
  readonly split: string
  /** Canonical JSON. */
  readonly attributes: string | null
  /** JSON `[{class, x, y, width, height, attributes}]`. */
  readonly boxes: string | null
  readonly width: number
  readonly height: number
  readonly source: string
  readonly digest: string
  readonly origin: string | null
  readonly human_seen: boolean
  readonly random_draw: boolean
}

export function tableRow(row: ExportRow): TableRow {
  const { label, tags, split, attributes, boxes, width, height, source, digest, origin, humanSeen, randomDraw } = row
  return {
    label,
    tags,
    split,
    attributes,
    boxes,
    width,
    height,
    source,
    digest,
    origin,
    human_seen: humanSeen,
    random_draw: randomDraw,
  }
}

/** The row as JSON holds it: lists and objects in place of their texts, and nothing where there is nothing. */
export function jsonRow(row: ExportRow): Readonly<Record<string, unknown>> {
  const { attributes, boxes, ...flat } = tableRow(row)
  return {
    ...Object.fromEntries(Object.entries(flat).filter(([, value]) => value !== null)),
    ...(attributes !== null && { attributes: JSON.parse(attributes) as unknown }),
    ...(boxes !== null && { boxes: JSON.parse(boxes) as unknown }),
  }
}
