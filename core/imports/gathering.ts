/** What the files of an intake say together of each image: many files may hold the same bytes. */
import path from 'node:path'
import type { TableFiles, TableSession } from '#core/tables'
import type { Intake } from './intake.ts'
import { openParts, partColumns } from './parts.ts'

/** Columns of the view `said`: one row per distinct image of the source. */
export const saidColumns = {
  digest: 'text',
  /** The path that stands for all files with these bytes: the first in ascending order. */
  source: 'text',
  /** Null where nothing is said, and where files with the same bytes contradict each other. */
  label: 'text',
  /** All labels that were said, ascending. */
  classes: 'texts',
  tags: 'texts',
  attributes: 'text',
  split: 'text',
  boxes: 'text',
} as const

export interface Gathering {
  /** Views `parts`, `said` and `files` (path, digest, reason). */
  readonly session: TableSession
  /** The views `parts` and `said` for another session. */
  readonly views: Readonly<Record<string, TableFiles>>
}

/** @param labels - whether names of folders are labels where the source says nothing. */
export async function gather(intake: Intake, labels: 'none' | 'folders', directory: string): Promise<Gathering> {
  const session = await openParts(intake.parts, directory)
  try {
    await session.load('stale', { path: 'text', digest: 'text' }, intake.stale)
    await session.run(
      `CREATE VIEW files AS SELECT DISTINCT ON (path, digest) path, digest, reason, ${SAID} FROM parts ANTI JOIN stale USING (path, digest)`,
    )
    const folder = labels === 'folders' ? await folderLabel(session) : 'NULL'
    const file = path.join(directory, 'said.parquet')
    await session.writeParquet(saidOf(folder), file)
    await session.run(`CREATE VIEW said AS SELECT * FROM read_parquet('${file.replaceAll("'", "''")}')`)
    return {
      session,
      views: {
        parts: { base: intake.parts, deltas: [], columns: partColumns },
        said: { base: [file], deltas: [], columns: saidColumns },
      },
    }
  } catch (error) {
    session.close()
    throw error
  }
}

const SAID = ['Label', 'Tags', 'Attributes', 'Split', 'Boxes'].map((name) => `"said${name}"`).join(', ')

function saidOf(folder: string): string {
  return `
    SELECT digest, min(path) AS source,
           CASE WHEN count(DISTINCT label) = 1 THEN min(label) END AS label,
           list(DISTINCT label ORDER BY label) FILTER (label IS NOT NULL) AS classes,
           list_sort(list_distinct(flatten(list("saidTags") FILTER ("saidTags" IS NOT NULL)))) AS tags,
           arg_min("saidAttributes", path) AS attributes,
           max("saidSplit") AS split,
           arg_min("saidBoxes", path) AS boxes
    FROM (SELECT *, coalesce("saidLabel", ${folder}) AS label FROM files WHERE reason IS NULL)
    GROUP BY digest ORDER BY digest`
}

const FOLDERS = `list_slice(string_split(path, '/'), 1, len(string_split(path, '/')) - 1)`

/**
 * The class of a file is the name of its folder at the first level at which the images of a source lie apart. Folders
 * that wrap the whole set (`train/` in `train/cat/1.png`) are no classes, unless nothing would be left.
 *
 * @returns an SQL expression of `path`.
 */
async function folderLabel(session: TableSession): Promise<string> {
  const [wrapping] = await session.query<{ levels: number }>(`
    WITH paths AS (SELECT ${FOLDERS} AS folders FROM files WHERE reason IS NULL),
         one AS (SELECT folders AS first FROM paths LIMIT 1)
    SELECT coalesce(greatest(0, min(least(len(folders) - 1, len(list_filter(
             range(1, least(len(folders), len(first)) + 1), lambda i: folders[1:i] = first[1:i])))))::INTEGER, 0) AS levels
    FROM paths, one`)
  return `nfc_normalize(${FOLDERS}[${wrapping!.levels + 1}])`
}
