/**
 * What a person looks for, in the address, so that a link gives the same images: a typed condition, values and ranges picked
 * from facets, an order. The condition that is asked of the server is made of all of them.
 */
import { kindOf, numberOf, titleOf, wordOf } from './columns.ts'
import type { Bucket } from './types.ts'

export interface Range {
  readonly from: number
  readonly to: number
  /** Whether the end belongs to it. */
  readonly isClosed: boolean
}

/** One thing picked from facets; `values` hold the empty text for "none". */
export type Pick =
  { readonly column: string; readonly values: readonly string[] } | { readonly column: string; readonly range: Range }

export interface Filter {
  readonly where: string
  readonly picks: readonly Pick[]
}

const VALUES = 'is.'
const RANGE = 'in.'

export function filterOf(search: URLSearchParams): Filter {
  const picks: Pick[] = []
  for (const key of new Set(search.keys())) {
    if (key.startsWith(VALUES)) picks.push({ column: key.slice(VALUES.length), values: search.getAll(key) })
    const range = key.startsWith(RANGE) ? rangeOf(search.get(key)!) : null
    if (range) picks.push({ column: key.slice(RANGE.length), range })
  }
  return { where: search.get('where')?.trim() ?? '', picks }
}

/** `0.1..0.3` without its end, `0.8..=1` with it. */
function rangeOf(text: string): Range | null {
  const found = /^(.+?)\.\.(=?)(.+)$/.exec(text)
  const range = { from: Number(found?.[1]), to: Number(found?.[3]), isClosed: found?.[2] === '=' }
  return Number.isFinite(range.from) && Number.isFinite(range.to) ? range : null
}

/** Is this bucket of this column picked? */
export function isPicked({ picks }: Filter, column: string, bucket: Bucket): boolean {
  return picks.some((pick) => {
    if (pick.column !== column) return false
    if ('values' in pick) return pick.values.includes(textOf(bucket))
    return bucket.from !== undefined && bucket.from >= pick.range.from && bucket.to! <= pick.range.to
  })
}

/** Picks a bucket, or puts it back; of a histogram, `widen` joins it to the range that is picked. */
export function toggle(search: URLSearchParams, column: string, bucket: Bucket, widen = false): URLSearchParams {
  const next = moved(search)
  const picked = isPicked(filterOf(search), column, bucket)
  if (bucket.from === undefined) {
    const key = VALUES + column
    const values = next.getAll(key).filter((value) => value !== textOf(bucket))
    next.delete(key)
    for (const value of picked ? values : [...values, textOf(bucket)]) next.append(key, value)
    return next
  }
  const old = filterOf(search).picks.find((pick) => pick.column === column && 'range' in pick)
  const range = old && 'range' in old ? old.range : null
  let [from, to, isClosed] = [bucket.from, bucket.to!, bucket.isLast ?? false]
  if (widen && range) {
    isClosed = to > range.to ? isClosed : range.isClosed
    from = Math.min(from, range.from)
    to = Math.max(to, range.to)
  }
  if (picked && !widen) next.delete(RANGE + column)
  else next.set(RANGE + column, `${from}..${isClosed ? '=' : ''}${to}`)
  return next
}

/** Drops what was picked of a column. */
export function unpick(search: URLSearchParams, column: string): URLSearchParams {
  const next = moved(search)
  next.delete(VALUES + column)
  next.delete(RANGE + column)
  return next
}

export function setWhere(search: URLSearchParams, where: string): URLSearchParams {
  const next = moved(search)
  if (where.trim()) next.set('where', where.trim())
  else next.delete('where')
  return next
}

/** A saved view stands alone: what was picked before goes. */
export function onlyWhere(search: URLSearchParams, where: string): URLSearchParams {
  const next = new URLSearchParams()
  for (const [key, value] of search) if (!key.startsWith(VALUES) && !key.startsWith(RANGE)) next.append(key, value)
  return setWhere(next, where)
}

/** Other images means another place: the place in the list goes. */
function moved(search: URLSearchParams): URLSearchParams {
  const next = new URLSearchParams(search)
  next.delete('at')
  return next
}

/** The condition as the query language has it; empty where every image fits. `without` leaves the picks of one column out. */
export function conditionOf({ where, picks }: Filter, without?: string): string {
  const parts = picks.filter(({ column }) => column !== without).map(clauseOf)
  if (where) parts.unshift(parts.length ? `(${where})` : where)
  return parts.join(' and ')
}

function clauseOf(pick: Pick): string {
  const { column } = pick
  if ('range' in pick) {
    const { from, to, isClosed } = pick.range
    return `${column} >= ${from} and ${column} ${isClosed ? '<=' : '<'} ${to}`
  }
  const kind = kindOf(column)
  const given = pick.values.filter((value) => value !== '')
  const clauses = given.length < pick.values.length ? [`${column} is null`] : []
  if (kind === 'list') clauses.push(...given.map((value) => `list_contains(${column}, ${quoted(value)})`))
  else if (given.length)
    clauses.push(`${column} in (${given.map((value) => (kind === 'text' ? quoted(value) : value)).join(', ')})`)
  return clauses.length > 1 ? `(${clauses.join(' or ')})` : clauses[0]!
}

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`

const textOf = ({ value }: Bucket): string => (value === null || value === undefined ? '' : String(value))

/** `Class: scratch or dent`, `Blur: 0.4–0.5`. */
export function pickText(pick: Pick): string {
  const { column } = pick
  const text =
    'range' in pick
      ? `${numberOf(column, pick.range.from)}–${numberOf(column, pick.range.to)}`
      : pick.values.map((value) => wordOf(column, value === '' ? null : value)).join(' or ')
  return `${titleOf(column)}: ${text}`
}
