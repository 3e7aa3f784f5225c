/** What the images of a condition are made of: how many have which value, or lie in which range. */
import type { TableSession } from '#core/tables'
import { columnNamed } from './columns.ts'
import { HISTOGRAMS, VALUES } from './facet-columns.ts'

type Asked = Pick<TableSession, 'query'>

export type FacetValue = string | boolean | null

export type Bucket = { readonly images: number } & (
  | { readonly value: FacetValue }
  /** Both ends belong to it; the last one of neighbours that share an end has those that lie on it. */
  | { readonly from: number; readonly to: number }
)

export interface Facet {
  readonly column: string
  readonly kind: 'values' | 'histogram'
  /** Values by number of images, the most first; ranges ascending. */
  readonly buckets: readonly Bucket[]
  /** There are more values than these. */
  readonly more: boolean
}

/** What a column holds in the version as a whole, whatever the condition: bounds do not move while people filter. */
interface Span {
  readonly column: string
  readonly held: number
  readonly least: number | null
  readonly most: number | null
  readonly low: number | null
  readonly high: number | null
}

const MOST_VALUES = 50
const RANGES = 20

/** @param where - SQL of a condition that passed; `true` for all images. */
export async function readFacets(session: Asked, where: string): Promise<readonly Facet[]> {
  const spans = new Map((await session.query<Span>('FROM spans')).map((span) => [span.column, span]))
  const facets: Facet[] = []
  for (const column of [...VALUES, ...HISTOGRAMS]) {
    const span = spans.get(column)
    if (!span || span.held === 0) continue // Nothing to choose from.
    const isRange = span.least !== null
    facets.push(isRange ? await histogram(session, span, where) : await values(session, column, where))
  }
  return facets
}

async function values(session: Asked, column: string, where: string): Promise<Facet> {
  const { sql, kind } = columnNamed(column)!
  const value = kind === 'list' ? `unnest(${sql})` : sql
  const rows = await session.query<{ value: FacetValue; images: number }>(
    `SELECT value, count(*) AS images FROM (SELECT ${value} AS value FROM images WHERE ${where})
     GROUP BY value ORDER BY images DESC, value LIMIT ${MOST_VALUES + 1}`,
  )
  return { column, kind: 'values', buckets: rows.slice(0, MOST_VALUES), more: rows.length > MOST_VALUES }
}

async function histogram(session: Asked, span: Span, where: string): Promise<Facet> {
  const { column } = span
  const { sql } = columnNamed(column)!
  const edges = edgesOf(span)
  const cuts = edges.slice(1, -1)
  const bucket = ['0', ...cuts.map((cut) => `(v >= ${cut})::INTEGER`)].join(' + ')
  const rows = await session.query<{ bucket: number; images: number }>(
    `SELECT ${bucket} AS bucket, count(*) AS images FROM (SELECT ${sql} AS v FROM images WHERE ${where})
     WHERE v IS NOT NULL GROUP BY bucket`,
  )
  const images = new Map(rows.map((row) => [row.bucket, row.images]))
  const buckets = edges.slice(0, -1).map((from, i) => ({ from, to: edges[i + 1]!, images: images.get(i) ?? 0 }))
  return { column, kind: 'histogram', buckets, more: false }
}

/** Equal widths between the bounds of nearly all images; the first and the last range take in the rest. */
function edgesOf({ column, least, most, low, high }: Span): number[] {
  const isWhole = column === 'boxes' || column === 'width' || column === 'height' || column === 'sizeBytes'
  const width = (high! - low!) / RANGES
  const inner = Array.from({ length: RANGES - 1 }, (_, i) => low! + (i + 1) * width)
  const rounded = inner.map((edge) => (isWhole ? Math.round(edge) : Number(edge.toPrecision(6))))
  const cuts = [...new Set(rounded)].filter((edge) => edge > least! && edge < most!)
  return [least!, ...cuts, most!]
}
