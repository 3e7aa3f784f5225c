/**
 * Makes the catalog of a version: its tables joined into one local database file, one row per image in order of digest,
 * numbered from 0. Rows are joined and sorted one prefix of digests after another, so that memory is bounded.
 */
import path from 'node:path'
import { PlatformError } from '#core/errors'
import { openTables } from '#core/datasets'
import type { DatasetVersion } from '#core/steps'
import type { ObjectStore } from '#core/storage'
import type { TableSession } from '#core/tables'
import { COLUMNS } from './columns.ts'
import { HISTOGRAMS, VALUES } from './facet-columns.ts'
import { joinedImages } from './joined.ts'

/** Part of each file's name: another table would be another file. */
export const CATALOG_FORMAT = 1

export interface BuildHooks {
  readonly signal?: AbortSignal
  /** Images done, of all. */
  onProgress?(done: number, total: number): void
}

/** A build has the machine for itself for seconds. */
export const BUILD_SESSION = { threads: 2, memoryMiB: 768 }

/** Bounds of nearly all images are told from about so many, since exact ones hold every value in memory. */
const SAMPLE = 100_000

/** Up to so many images are sorted at once, else a sixteenth of them after the other. */
const ONE_PART = 100_000

/** The rows of one part of all digests, numbered from `from`. */
const numbered = (from: number, part: string): string => `
  SELECT (${from} + row_number() OVER (ORDER BY digest) - 1)::INTEGER AS "row", *
  FROM (${joinedImages(part)}) ORDER BY digest`

/**
 * @param directory - a local folder of this build alone.
 * @returns the path of the file, in that folder.
 * @throws {PlatformError} `DATASET_NOT_FOUND`; `OBJECT_CORRUPT` when the tables do not hold what the manifest says.
 */
export async function buildCatalog(
  store: ObjectStore,
  version: Pick<DatasetVersion, 'dataset' | 'version' | 'images'>,
  directory: string,
  { signal, onProgress }: BuildHooks,
): Promise<string> {
  const file = path.join(directory, 'catalog.duckdb')
  const session = await openTables(store, version, { scratchDir: directory, file, ...BUILD_SESSION })
  try {
    await session.run(`CREATE TABLE images AS ${numbered(0, 'false')}`)
    let rows = 0
    for (const part of partsOf(version.images)) {
      signal?.throwIfAborted()
      await session.run(`INSERT INTO images ${numbered(rows, part)}`)
      rows = await countOf(session)
      onProgress?.(rows, version.images)
    }
    if (rows !== version.images)
      throw new PlatformError(
        'OBJECT_CORRUPT',
        `the tables of ${version.dataset}@${version.version.slice(0, 12)} hold ${rows} images, its manifest says ${version.images}`,
        { ...version },
      )
    await finishCatalog(session, version.images)
  } finally {
    session.close()
  }
  return file
}

/** What a catalog has beside its rows. */
export async function finishCatalog(session: TableSession, images: number): Promise<void> {
  await session.run('CREATE UNIQUE INDEX by_row ON images ("row")')
  await session.run(`CREATE TABLE spans AS ${spans(images)}`)
  await session.run('CHECKPOINT')
}

/** Conditions that cut all digests into parts, ascending. */
function partsOf(images: number): string[] {
  if (images <= ONE_PART) return ['true']
  const digits = [...'0123456789abcdef']
  return digits.map((digit, i) =>
    i === 15 ? `digest >= '${digit}'` : `digest >= '${digit}' AND digest < '${digits[i + 1]!}'`,
  )
}

async function countOf(session: TableSession): Promise<number> {
  const [row] = await session.query<{ images: number }>('SELECT count(*) AS images FROM images')
  return row!.images
}

/** Of each column that has facets: how many images have a value, and between which bounds nearly all of them lie. */
function spans(images: number): string {
  const step = Math.ceil(images / SAMPLE)
  const sqlOf = (name: string): string => COLUMNS.find((column) => column.name === name)!.sql
  const numbers = HISTOGRAMS.map(
    (name) => `
      SELECT '${name}' AS "column", count(v) AS held, min(v)::DOUBLE AS least, max(v)::DOUBLE AS most,
             coalesce(quantile_disc(v, 0.01) FILTER (drawn), min(v))::DOUBLE AS low,
             coalesce(quantile_disc(v, 0.99) FILTER (drawn), max(v))::DOUBLE AS high
      FROM (SELECT ${sqlOf(name)} AS v, "row" % ${step} = 0 AS drawn FROM images)`,
  )
  const values = VALUES.map(
    (name) => `SELECT '${name}', count(v), NULL, NULL, NULL, NULL FROM (SELECT ${sqlOf(name)} AS v FROM images)`,
  )
  return [...numbers, ...values].join(' UNION ALL ')
}
