/** What people do to images that they picked in a grid or by a condition: a new version, with the reason. */
import { PlatformError } from '#core/errors'
import { commit } from '#core/datasets'
import type { DatasetVersion } from '#core/steps'
import type { ObjectStore } from '#core/storage'
import type { TableSession } from '#core/tables'
import { textLiteral } from './terms.ts'
import { loadSelection, type Selection } from './selection.ts'

/**
 * `exclude` and `include` say whether images take part, `label` gives a class, `ask` takes back what no person saw so that
 * labelling asks again, `tag` and `untag` add and remove a word.
 */
export type ImageAction =
  | { readonly action: 'exclude' | 'include' | 'ask' }
  /** The class, or the word. */
  | { readonly action: 'label' | 'tag' | 'untag'; readonly label: string }

export interface ChangeOptions {
  readonly by: string
  /** Why, in a person's words: what images are excluded for, and the note of the version. */
  readonly reason: string
  readonly scratchDir?: string
}

export interface ChangedImages {
  /** Exactly the version given with the change; the one given where nothing changes. */
  readonly version: DatasetVersion
  /** How many images it changed. */
  readonly images: number
}

/** Of so many images picked one by one a person saw each; a longer list is a selection. */
const MOST_SEEN = 500

/**
 * Makes a version and moves `latest` to it, or to its merge with what others did meanwhile. Labels given to images that
 * were picked one by one count as seen by a person; by a condition, they count as inferred and leave alone what a person
 * saw.
 *
 * @throws {PlatformError} `DATASET_NOT_FOUND`; `INVALID_INPUT` for a condition that does not hold up.
 */
export async function changeImages(
  store: ObjectStore,
  version: Pick<DatasetVersion, 'dataset' | 'version'>,
  selection: Selection,
  change: ImageAction,
  { by, reason, scratchDir }: ChangeOptions,
): Promise<ChangedImages> {
  if (selection.where === undefined && selection.digests === undefined)
    throw new PlatformError('INVALID_INPUT', 'nothing says which images are meant; give a condition or digests')
  const seen = (selection.digests?.length ?? Infinity) <= MOST_SEEN
  const { columns, touches } = sqlOf(change, { reason, seen })
  let images = 0
  const made = await commit(
    store,
    version,
    async (session) => {
      await loadSelection(session, selection)
      await session.run(
        `INSERT INTO new_labels BY NAME SELECT * REPLACE (${columns}) FROM labels SEMI JOIN chosen USING (digest) WHERE ${touches}`,
      )
      images = await countOf(session)
    },
    { by, note: reason, ...(scratchDir === undefined ? {} : { scratchDir }) },
  )
  return { version: made.version, images }
}

/** New values of columns, and which rows they change. */
function sqlOf(
  change: ImageAction,
  { reason, seen }: { readonly reason: string; readonly seen: boolean },
): { readonly columns: string; readonly touches: string } {
  switch (change.action) {
    case 'exclude':
      return { columns: `${textLiteral(reason)} AS excluded`, touches: 'excluded IS NULL' }
    case 'include':
      return { columns: 'NULL AS excluded', touches: 'excluded IS NOT NULL' }
    case 'ask':
      return { columns: 'NULL AS "label", NULL AS origin', touches: '"label" IS NOT NULL AND NOT "humanSeen"' }
    case 'label': {
      const label = textLiteral(change.label)
      return seen
        ? {
            columns: `${label} AS "label", 'human' AS origin, true AS "humanSeen"`,
            touches: `("label" IS DISTINCT FROM ${label} OR NOT "humanSeen")`,
          }
        : {
            columns: `${label} AS "label", 'inferred' AS origin`,
            touches: `"label" IS DISTINCT FROM ${label} AND NOT "humanSeen"`,
          }
    }
    case 'tag': {
      const tag = textLiteral(change.label)
      return {
        columns: `list_sort(list_append(coalesce(tags, []), ${tag})) AS tags`,
        touches: `NOT coalesce(list_contains(tags, ${tag}), false)`,
      }
    }
    case 'untag': {
      const rest = `list_filter(tags, held -> held <> ${textLiteral(change.label)})`
      return {
        columns: `CASE WHEN len(${rest}) > 0 THEN ${rest} END AS tags`,
        touches: `list_contains(tags, ${textLiteral(change.label)})`,
      }
    }
  }
}

async function countOf(session: TableSession): Promise<number> {
  const [row] = await session.query<{ images: number }>('SELECT count(*) AS images FROM new_labels')
  return row!.images
}
