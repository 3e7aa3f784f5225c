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

type Views = Readonly<Record<'facts' | 'labels' | 'boxes', string>>

/**
 * Sums of the views named, of each prefix that has images. A prefix at a time, since its lines are held in memory.
 *
 * @param sameImages - sums of a version with the same images, where that is known.
 */
export async function sumPrefixes(
  session: TableSession,
  views: Views,
  prefixes: readonly string[],
  sameImages: readonly PrefixSum[] = [],
): Promise<PrefixSum[]> {
  const known = new Map(sameImages.map(({ prefix, images }) => [prefix, images]))
  const sums: PrefixSum[] = []
  for (const prefix of prefixes) {
    const images = known.get(prefix)
    const [sum] = await session.query<Omit<PrefixSum, 'prefix'>>(
      `SELECT count(*) AS rows, sha256(string_agg(line || chr(10), '' ORDER BY digest)) AS content,
         ${images === undefined ? `sha256(string_agg(digest || chr(10), '' ORDER BY digest))` : `'${images}'`} AS images
       FROM (SELECT digest, ${PLAIN_LINE} AS line FROM (${linesOf(views, prefix)}))`,
    )
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

function linesOf({ facts, labels, boxes }: Views, prefix: string): string {
  const within = withPrefix(prefix)
  const text = (column: string): string => `coalesce(to_json(${column})::VARCHAR, 'null')`
  const numbers = ['x', 'y', 'width', 'height'].map((column) => `format('{:.17g}', ${column} + 0.0)`)
  return `
    SELECT digest, concat('["', digest, '",', f.width, ',', f.height, ',"', f.format, '","', f."group", '","', l.split, '",',
      ${text('l.label')}, ',', ${text('l.origin')}, ',', l."humanSeen", ',', l."randomDraw", ',', ${text('l.excluded')},
      CASE WHEN l.attributes IS NULL AND b.listed IS NULL AND l.tags IS NULL THEN '' ELSE concat(',{', concat_ws(',',
        '"attributes":' || l.attributes, '"boxes":' || b.listed, '"tags":' || to_json(l.tags)::VARCHAR), '}') END,
      ']') AS line
    FROM (SELECT * FROM ${facts} WHERE ${within}) f
    JOIN (SELECT * FROM ${labels} WHERE ${within}) l USING (digest)
    LEFT JOIN (
      SELECT digest, '[' || string_agg(concat_ws(',', '[' || to_json(class)::VARCHAR, ${numbers.join(', ')},
        coalesce(attributes, 'null'), ${text('origin')} || ']'), ',' ORDER BY number) || ']' AS listed
      FROM ${boxes} WHERE ${within} GROUP BY digest
    ) b USING (digest)`
}

/**
 * DuckDB writes JSON texts as JSON.stringify does, but for the hex digits of control characters: those are lower-case
 * here. An escaped backslash is put aside meanwhile, as a character that JSON text cannot hold.
 */
const PLAIN_LINE = (() => {
  const upper = [0x0b, 0x0e, 0x0f, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f]
  const plain = upper.reduce((line, code) => {
    const hex = code.toString(16).padStart(4, '0')
    return `replace(${line}, '\\u${hex.toUpperCase()}', '\\u${hex}')`
  }, `replace(line, '\\\\', chr(1))`)
  return `CASE WHEN contains(line, '\\u00') THEN replace(${plain}, chr(1), '\\\\') ELSE line END`
})()
