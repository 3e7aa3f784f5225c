/**
 * The name of a version: SHA-256 over what it says, in one encoding.
 *
 * V1  It covers logical rows and the label schema alone: not packs, places, source names, measures, deltas, runs or time.
 *
 * Of each image one line of canonical JSON, ascending by digest: `[digest, width, height, format, group, split, label,
 * origin, humanSeen, randomDraw, excluded]`, and where it has any of them, an object with `attributes`, `boxes` and
 * `tags` as twelfth element. Numbers of boxes have 17 significant digits (`%.17g`). Lines are hashed per prefix of the
 * digest, as many hex digits as leave no prefix more than 65,536 images on average; where there are several, or a
 * schema, the prefixes' digests and the schema, one a line, are hashed together. Computed where the rows are, in SQL.
 */
import { createHash } from 'node:crypto'
import { canonicalJson } from '#core/storage'
import type { TableSession } from '#core/tables'
import type { PrefixSum } from './manifest.ts'
import type { LabelSchema } from './schema.ts'

/** A shard, and a prefix, holds about so many images at most. */
const PREFIX_IMAGES = 65_536

/** Digests are uniform, so k hex digits cut n images into 16^k parts of about n / 16^k. */
export function prefixDigits(images: number): number {
  let digits = 0
  while (images / 16 ** digits > PREFIX_IMAGES) digits++
  return digits
}

/** All prefixes of so many hex digits, ascending. */
export function prefixesOf(digits: number): readonly string[] {
  return Array.from({ length: 16 ** digits }, (_, i) => (digits === 0 ? '' : i.toString(16).padStart(digits, '0')))
}

/** A condition on `digest` that DuckDB can answer from the bounds of row groups. */
export function withPrefix(prefix: string): string {
  return prefix === '' ? 'true' : `(digest >= '${prefix}' AND digest < '${prefix}g')`
}

/**
 * Sums of the views `facts`, `labels` and `boxes` named.
 *
 * @param prefixes - those to compute; a prefix without an image has no sum.
 */
export async function sumPrefixes(
  session: TableSession,
  views: Readonly<Record<'facts' | 'labels' | 'boxes', string>>,
  prefixes: readonly string[],
): Promise<PrefixSum[]> {
  const sums: PrefixSum[] = []
  for (const prefix of prefixes) {
    const [sum] = await session.query<Omit<PrefixSum, 'prefix'>>(`
      SELECT count(*) AS rows,
             sha256(string_agg(digest || chr(10), '' ORDER BY digest)) AS images,
             sha256(string_agg(line || chr(10), '' ORDER BY digest)) AS content
      FROM (${linesOf(views, prefix)})`)
    if (sum!.rows > 0) sums.push({ prefix, ...sum! })
  }
  return sums
}

export function contentDigest(sums: readonly PrefixSum[], schema: LabelSchema | null): string {
  const parts = sums.map(({ content }) => content)
  return together(schema === null ? parts : [...parts, canonicalJson(schema)], schema === null)
}

export function imageSetDigest(sums: readonly PrefixSum[]): string {
  return together(
    sums.map(({ images }) => images),
    true,
  )
}

/** @param lone - one part alone is its own digest. */
function together(parts: readonly string[], lone: boolean): string {
  if (lone && parts.length === 1) return parts[0]!
  const hash = createHash('sha256')
  for (const part of parts) hash.update(`${part}\n`)
  return hash.digest('hex')
}

function linesOf(
  { facts, labels, boxes }: Readonly<Record<'facts' | 'labels' | 'boxes', string>>,
  prefix: string,
): string {
  const within = withPrefix(prefix)
  const text = (column: string): string => `CASE WHEN ${column} IS NULL THEN 'null' ELSE ${jsonText(column)} END`
  const number = (column: string): string => `format('{:.17g}', ${column} + 0.0)`
  const more = `concat_ws(',', '"attributes":' || l.attributes, '"boxes":' || b.boxes,
    '"tags":[' || array_to_string(list_transform(l.tags, lambda tag: ${jsonText('tag')}), ',') || ']')`
  return `
    SELECT digest, '["' || digest || '",' || f.width || ',' || f.height || ',"' || f.format || '","' || f."group" || '","'
      || l.split || '",' || ${text('l.label')} || ',' || ${text('l.origin')} || ',' || l."humanSeen" || ',' || l."randomDraw"
      || ',' || ${text('l.excluded')} || CASE WHEN ${more} = '' THEN '' ELSE ',{' || ${more} || '}' END || ']' AS line
    FROM (SELECT * FROM ${facts} WHERE ${within}) f JOIN (SELECT * FROM ${labels} WHERE ${within}) l USING (digest)
    LEFT JOIN (
      SELECT digest, '[' || string_agg('[' || ${jsonText('class')} || ',' || ${['x', 'y', 'width', 'height'].map(number).join(" || ',' || ")}
        || ',' || coalesce(attributes, 'null') || ',' || ${text('origin')} || ']', ',' ORDER BY number) || ']' AS boxes
      FROM ${boxes} WHERE ${within} GROUP BY digest
    ) b USING (digest)`
}

/** A text as JSON.stringify writes it: quotes, backslashes and control characters escaped, nothing else. */
function jsonText(column: string): string {
  const plain = `replace(replace(${column}, '\\', '\\\\'), '"', '\\"')`
  const short = new Map([
    [8, 'b'],
    [9, 't'],
    [10, 'n'],
    [12, 'f'],
    [13, 'r'],
  ])
  let escaped = plain
  for (let code = 0; code < 32; code++) {
    const sequence = short.get(code) ?? `u${code.toString(16).padStart(4, '0')}`
    escaped = `replace(${escaped}, chr(${code}), '\\${sequence}')`
  }
  return `('"' || CASE WHEN regexp_matches(${column}, '[\\x00-\\x1f]') THEN ${escaped} ELSE ${plain} END || '"')`
}
