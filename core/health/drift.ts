/**
 * Whether images differ from those before: measures by the largest distance of their distributions (Kolmogorov and
 * Smirnov), classes and formats by the half sum of differences of shares (total variation). A difference counts where
 * it is large (a tenth) and no accident.
 */
import { percent } from '#core/html'
import type { TableSession } from '#core/tables'

/** Distances below this are no drift, however sure. */
export const LEAST_DISTANCE = 0.1
/** √(−ln(0.001 / 2) / 2): by chance beyond it in one of a thousand comparisons (Smirnov 1948). */
const KS_CRITICAL = 1.95
/** How far above what chance gives on average shares must lie. */
const TIMES_CHANCE = 2.5

const NUMBERS = ['brightness', 'contrast', 'blur', 'entropy', 'colour', 'width', 'height'] as const
const SHARES = { label: 'classes', format: 'formats' } as const

/** The columns that are compared, with what names an image. */
export const COMPARED = {
  digest: 'text',
  label: 'text',
  format: 'text',
  width: 'integer',
  height: 'integer',
  brightness: 'number',
  contrast: 'number',
  blur: 'number',
  entropy: 'number',
  colour: 'number',
} as const

export interface Drifted {
  readonly of: string
  /** 0 alike – 1 nothing in common. */
  readonly distance: number
  /** "brightness fell: its median went from 0.42 to 0.31". */
  readonly text: string
  /** A number lies outside these only for one in fifty images before; null for shares. */
  readonly usual: { readonly low: number; readonly high: number } | null
}

/**
 * @param before - a table or view with columns as `images` has them, and those of it that are compared.
 * @param now - another one.
 * @returns what drifted, the farthest first.
 */
export async function driftBetween(session: TableSession, before: string, now: string): Promise<Drifted[]> {
  const found: (Drifted | null)[] = []
  for (const column of NUMBERS) found.push(await numberDrift(session, { before, now, column }))
  for (const column of ['label', 'format'] as const) found.push(await shareDrift(session, { before, now, column }))
  return found.filter((drifted) => drifted !== null).sort((a, b) => b.distance - a.distance)
}

interface Compared<C> {
  readonly before: string
  readonly now: string
  readonly column: C
}

async function numberDrift(
  session: TableSession,
  { before, now, column }: Compared<(typeof NUMBERS)[number]>,
): Promise<Drifted | null> {
  const side = (table: string, first: number): string =>
    `SELECT ${column} AS value, ${first} AS first FROM ${table} WHERE ${column} IS NOT NULL`
  const quantiles = (share: number, first: boolean): string =>
    `quantile_cont(value, ${share}) FILTER (${first ? '' : 'NOT '}first = 1)`
  const [row] = await session.query<
    Record<'n' | 'm', number> & Record<'was' | 'is' | 'low' | 'high' | 'distance', number | null>
  >(`
    WITH both_sides AS (${side(before, 1)} UNION ALL ${side(now, 0)}),
    sizes AS (SELECT count_if(first = 1) AS n, count_if(first = 0) AS m FROM both_sides),
    steps AS (SELECT value, sum(first) AS a, sum(1 - first) AS b FROM both_sides GROUP BY value),
    gaps AS (SELECT abs(sum(a) OVER so_far / n - sum(b) OVER so_far / m) AS gap FROM steps, sizes
             WINDOW so_far AS (ORDER BY value ROWS UNBOUNDED PRECEDING))
    SELECT (SELECT n FROM sizes) AS n, (SELECT m FROM sizes) AS m, (SELECT max(gap) FROM gaps) AS distance,
           ${quantiles(0.5, true)} AS was, ${quantiles(0.5, false)} AS "is", ${quantiles(0.01, true)} AS low, ${quantiles(0.99, true)} AS high
    FROM both_sides`)
  const { n, m, distance, was, is, low, high } = row!
  if (distance === null || was === null || is === null || low === null || high === null) return null
  if (distance < LEAST_DISTANCE || distance < KS_CRITICAL * Math.sqrt((n + m) / (n * m))) return null
  const verb = is > was ? 'rose' : is < was ? 'fell' : 'spread differently'
  const text = `${column} ${verb}: its median went from ${figure(was)} to ${figure(is)}`
  return { of: column, distance, text, usual: { low, high } }
}

async function shareDrift(
  session: TableSession,
  { before, now, column }: Compared<keyof typeof SHARES>,
): Promise<Drifted | null> {
  const counts = (table: string): string =>
    `(SELECT "${column}" AS value, count(*) AS n FROM ${table} WHERE "${column}" IS NOT NULL GROUP BY ALL)`
  const rows = await session.query<{ value: string; was: number; is: number }>(
    `SELECT value, coalesce(a.n, 0) AS was, coalesce(b.n, 0) AS "is" FROM ${counts(before)} a FULL JOIN ${counts(now)} b USING (value) ORDER BY value`,
  )
  const n = sum(rows.map(({ was }) => was))
  const m = sum(rows.map(({ is }) => is))
  if (n === 0 || m === 0) return null
  const shares = rows.map(({ value, was, is }) => ({ value, was: was / n, is: is / m }))
  const distance = sum(shares.map(({ was, is }) => Math.abs(was - is))) / 2
  if (distance < LEAST_DISTANCE || distance < TIMES_CHANCE * chanceDistance(shares, n, m)) return null
  const most = shares.reduce((a, b) => (Math.abs(b.is - b.was) > Math.abs(a.is - a.was) ? b : a))
  const verb = most.is > most.was ? 'rose' : 'fell'
  const name = column === 'label' ? `class ${most.value}` : most.value
  return {
    of: SHARES[column],
    distance,
    text: `share of ${name} ${verb} from ${percent(most.was)} to ${percent(most.is)}`,
    usual: null,
  }
}

/** Mean total variation of two samples of one distribution: half the sum of mean absolute differences of shares. */
function chanceDistance(shares: readonly { was: number; is: number }[], n: number, m: number): number {
  const pooled = shares.map(({ was, is }) => (n * was + m * is) / (n + m))
  return sum(pooled.map((p) => Math.sqrt((2 / Math.PI) * p * (1 - p) * (1 / n + 1 / m)))) / 2
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function figure(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en-US')
}
