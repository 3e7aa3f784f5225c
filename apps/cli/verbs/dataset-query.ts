/** `gyre dataset query`, `gyre dataset views`. */
import { setTimeout as delay } from 'node:timers/promises'
import { isPlatformError, PlatformError } from '#core/errors'
import type { ApiClient } from '../api-client.ts'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { withStack } from '../stack-access.ts'
import { table } from '../table.ts'
import { counted, moment } from '../words.ts'

type Cell = string | number | boolean | null | readonly string[]
type Row = Readonly<Record<string, Cell>>

interface RowPage {
  readonly version: string
  readonly total: number
  readonly rows: readonly Row[]
}

interface View {
  readonly name: string
  readonly where: string
  readonly note: string
  readonly at: string
  readonly by: string
}

export interface QueryOptions extends CommonOptions {
  readonly count?: boolean
  readonly limit?: number
  readonly columns?: string
  readonly order?: string
  readonly view?: string
  readonly save?: string
  readonly note?: string
}

const DEFAULT_LIMIT = 20
/** Rows of one call. */
const PAGE = 500
const POLL_MS = 1_000
const SHOWN = ['digest', 'label', 'split', 'width', 'height', 'blur', 'source']

/** @param spec - NAME or NAME@REF. @param where - a condition; every image where left out. */
export async function query(spec: string, where: string | undefined, options: QueryOptions): Promise<void> {
  const invocation = new Invocation(options)
  if (where !== undefined && options.view !== undefined)
    throw new PlatformError('INVALID_INPUT', `a condition and --view ${options.view} are given; give one of them`)
  const [name = '', ref = 'latest'] = spec.split('@', 2)
  const path = `/api/datasets/${encodeURIComponent(name)}`
  const limit = options.count ? 0 : (options.limit ?? DEFAULT_LIMIT)
  const found = await withStack(invocation, async ({ api, signal }) => {
    const condition = options.view ? (await api.get<View>(viewPath(path, options.view))).where : where
    const page = await rows(api, path, { ref, where: condition, order: options.order, limit }, { invocation, signal })
    if (options.save !== undefined)
      await api.put(viewPath(path, options.save), { where: condition ?? 'true', note: options.note ?? '' })
    return page
  })
  const columns = options.columns?.split(',').map((column) => column.trim())
  const asked = columns ? found.rows.map((row) => only(row, columns)) : found.rows
  const { version, total } = found
  invocation.answer(options.count ? { version, total } : { version, total, rows: asked }, () =>
    options.count ? String(total) : queryText({ ...found, rows: asked }, columns ?? SHOWN, options.save),
  )
}

interface Asked {
  readonly ref: string
  readonly where: string | undefined
  readonly order: string | undefined
  readonly limit: number
}

async function rows(
  api: ApiClient,
  path: string,
  { limit, ...asked }: Asked,
  waiting: { readonly invocation: Invocation; readonly signal: AbortSignal },
): Promise<RowPage> {
  const pageAt = (from: number, ref: string): Promise<RowPage> => {
    const search = new URLSearchParams({ from: String(from), count: String(Math.min(PAGE, limit - from)), ref })
    if (asked.where !== undefined) search.set('where', asked.where)
    if (asked.order !== undefined) search.set('order', asked.order)
    return whenBuilt(() => api.get<RowPage>(`${path}/rows?${search}`), waiting)
  }
  const first = await pageAt(0, asked.ref)
  const all = [...first.rows]
  while (all.length < Math.min(limit, first.total)) all.push(...(await pageAt(all.length, first.version)).rows)
  return { ...first, rows: all }
}

/** The first question to a large version waits until its catalog is there. */
async function whenBuilt<T>(
  ask: () => Promise<T>,
  { invocation, signal }: { readonly invocation: Invocation; readonly signal: AbortSignal },
): Promise<T> {
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (!isPlatformError(error) || error.code !== 'CATALOG_BUILDING') throw error
      invocation.remark(error.message)
      await delay(POLL_MS, undefined, { signal })
    }
  }
}

function only(row: Row, columns: readonly string[]): Row {
  return Object.fromEntries(
    columns.map((column) => {
      const value = row[column]
      if (value !== undefined) return [column, value]
      throw new PlatformError(
        'INVALID_INPUT',
        `there is no column ${column}; there are ${Object.keys(row).join(', ')}`,
        { column },
      )
    }),
  )
}

function queryText({ total, rows }: RowPage, columns: readonly string[], saved: string | undefined): string {
  const shown = table(
    columns,
    rows.map((row) => columns.map((column) => cellText(column, row[column] ?? null))),
    'No image fits.',
  )
  const more = total > rows.length ? `\n\n${counted(total, 'image')} fit; --limit shows more, --count only counts` : ''
  const kept = saved === undefined ? '' : `\n\nSaved as view ${saved}: ./gyre dataset query NAME --view ${saved}`
  return `${shown}${more}${kept}`
}

function cellText(column: string, value: Cell): string | number {
  if (value === null) return '–'
  if (column === 'digest' || column === 'group') return String(value).slice(0, 12)
  if (typeof value === 'number') return Number.isInteger(value) ? value : value.toFixed(3)
  return Array.isArray(value) ? value.join(', ') : String(value)
}

/** Lists what is saved, or removes one. */
export async function views(name: string, options: CommonOptions & { readonly remove?: string }): Promise<void> {
  const invocation = new Invocation(options)
  const path = `/api/datasets/${encodeURIComponent(name)}`
  const found = await withStack(invocation, async ({ api }) => {
    if (options.remove !== undefined) await api.delete(viewPath(path, options.remove))
    return api.get<readonly View[]>(`${path}/views`)
  })
  invocation.answer(found, () =>
    table(
      ['view', 'condition', 'note', 'by', 'at'],
      found.map(({ name: view, where, note, by, at }) => [view, where, note, by, moment(at)]),
      `No views yet.\n\n  ./gyre dataset query ${name} "blur > 0.5" --save blurry`,
    ),
  )
}

function viewPath(path: string, view: string): string {
  return `${path}/views/${encodeURIComponent(view)}`
}
