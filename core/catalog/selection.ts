/** Which images of a version something is done to: those that fit a condition, or named ones. */
import { PlatformError } from '#core/errors'
import type { TableSession } from '#core/tables'
import { readCondition } from './condition.ts'
import { joinedImages } from './joined.ts'

/** `where` or `digests`; neither for all images. */
export interface Selection {
  readonly where?: string | undefined
  readonly digests?: readonly string[] | undefined
}

/**
 * Makes the table `chosen` of digests in a session that shows a version's tables.
 *
 * @returns how many images of the version are meant.
 * @throws {PlatformError} `INVALID_INPUT` for a condition that does not hold up, and for both kinds at once.
 */
export async function loadSelection(session: TableSession, { where, digests }: Selection): Promise<number> {
  if (where !== undefined && digests !== undefined)
    throw new PlatformError(
      'INVALID_INPUT',
      'both a condition and digests say which images are meant; give one of them',
    )
  if (digests) {
    await session.load(
      'named',
      { digest: 'text' },
      [...new Set(digests)].map((digest) => ({ digest })),
    )
    await session.run('CREATE TABLE chosen AS SELECT digest FROM labels SEMI JOIN named USING (digest)')
  } else {
    const sql = where === undefined ? 'true' : (await readCondition(where)).sql
    await session.run(
      `CREATE TABLE chosen AS SELECT lower(hex(digest)) AS digest FROM (${joinedImages()}) AS images WHERE ${sql}`,
    )
  }
  const [row] = await session.query<{ images: number }>('SELECT count(*) AS images FROM chosen')
  return row!.images
}
