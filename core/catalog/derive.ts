/**
 * Makes the catalog of a version from that of another one, where only what people and models say of the same images has
 * changed since: a copy, and the rows that the newer deltas name. What somebody does in a grid shows in a moment.
 */
import { constants } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import path from 'node:path'
import { openTables, type Manifest } from '#core/datasets'
import { canonicalJson, type ObjectStore } from '#core/storage'
import { BUILD_SESSION, finishCatalog } from './build.ts'
import { joinedImages } from './joined.ts'

/** What labels and boxes say: the columns of the catalog that can differ. */
const SAID = [
  'split',
  'label',
  'tags',
  'attributes',
  'origin',
  'humanSeen',
  'randomDraw',
  'excluded',
  'boxes',
  'boxClasses',
]

/** Whether all that `version` has beyond `former` are further deltas of labels and boxes. */
export function grewFrom(version: Manifest, former: Manifest): boolean {
  return same(version.facts, former.facts) && grew(version.labels, former.labels) && grewBoxes(version, former)
}

function grewBoxes({ boxes }: Manifest, { boxes: former }: Manifest): boolean {
  return boxes === null || former === null ? boxes === former : grew(boxes, former)
}

function grew(table: Manifest['labels'], former: Manifest['labels']): boolean {
  return same(table.base, former.base) && same(table.deltas.slice(0, former.deltas.length), former.deltas)
}

function same(a: unknown, b: unknown): boolean {
  return canonicalJson(a) === canonicalJson(b)
}

/**
 * @param former - a version that `version` grew from, and the file of its catalog.
 * @param directory - a local folder of this build alone.
 * @returns the path of the file, in that folder.
 */
export async function deriveCatalog(
  store: ObjectStore,
  version: Manifest,
  former: { readonly manifest: Manifest; readonly file: string },
  directory: string,
): Promise<string> {
  const file = path.join(directory, 'catalog.duckdb')
  await copyFile(former.file, file, constants.COPYFILE_FICLONE)
  const session = await openTables(store, version, { scratchDir: directory, file, ...BUILD_SESSION })
  try {
    const { labels, boxes } = former.manifest
    await session.run(
      `CREATE TEMP TABLE changed AS SELECT digest FROM labels_last WHERE layer >= ${labels.deltas.length}
       UNION SELECT digest FROM boxes_last WHERE layer >= ${boxes?.deltas.length ?? 0}`,
    )
    // Lists are updated by removing and adding the row, which an index of unique numbers does not bear.
    await session.run('DROP INDEX by_row')
    await session.run(
      `UPDATE images SET ${SAID.map((column) => `"${column}" = now."${column}"`).join(', ')}
       FROM (${joinedImages('digest IN (FROM changed)')}) AS now WHERE images.digest = now.digest`,
    )
    await session.run('DROP TABLE spans')
    await finishCatalog(session, version.images)
  } finally {
    session.close()
  }
  return file
}
