/** How the images of a version differ from those of another one: of the same dataset before, or of another dataset. */
import { count, percent } from '#core/html'
import type { DatasetVersion } from '#core/steps'
import type { TableSession } from '#core/tables'
import { COMPARED, driftBetween, type Drifted } from './drift.ts'
import { listImages, openImages, type HealthContext, type Images } from './images.ts'
import type { Finding } from './report.ts'

/**
 * Compares the images that the other version lacks with all that it has; where there are none (labels changed, images
 * left), all with all.
 *
 * @throws {PlatformError} `DATASET_NOT_FOUND`.
 */
export async function versionDrift(
  ctx: HealthContext,
  images: Images,
  against: Pick<DatasetVersion, 'dataset' | 'version'>,
): Promise<Finding[]> {
  const { session } = images
  const before = await loadBefore(ctx, session, against)
  const [added] = await session.query<{ images: number }>(
    'SELECT count(*) AS images FROM images ANTI JOIN before USING (digest)',
  )
  const isAdded = added!.images > 0 && before > 0
  await session.run(`CREATE VIEW now AS FROM images ${isAdded ? 'ANTI JOIN before USING (digest)' : ''}`)
  const subject = isAdded ? `The ${count(added!.images)} images added since` : 'The images differ from those of'
  const findings: Finding[] = []
  for (const drifted of await driftBetween(session, 'before', 'now'))
    findings.push(
      await findingOf(ctx, images, drifted, `${subject} ${against.dataset}@${against.version.slice(0, 12)}`, isAdded),
    )
  return findings
}

async function findingOf(
  ctx: HealthContext,
  images: Images,
  { of, distance, text, usual }: Drifted,
  subject: string,
  isAdded: boolean,
): Promise<Finding> {
  const outside = usual && `(${of} < ${usual.low} or ${of} > ${usual.high})`
  // "Added since" is nothing that a query can say.
  const where = outside && !isAdded && images.measuresKept ? `excluded is null and ${outside}` : null
  const condition = `digest IN (SELECT digest FROM now) AND ${outside ?? 'false'}`
  const worst = usual ? `-greatest(${usual.low} - ${of}, ${of} - ${usual.high})` : 'digest'
  return {
    kind: 'drift',
    title: `${subject}: ${text} (distance ${percent(distance)})`,
    severity: distance >= 0.25 ? 'bad' : 'attention',
    where,
    advice:
      'Find out what changed (a camera, light, a source); label and train on such images before a model meets them.',
    details: null,
    ...(await listImages(ctx, images, condition, { worst, where })),
  }
}

/** @returns how many images there were. */
async function loadBefore(
  ctx: HealthContext,
  session: TableSession,
  against: Pick<DatasetVersion, 'dataset' | 'version'>,
): Promise<number> {
  const other = await openImages(ctx, against)
  try {
    const names = Object.keys(COMPARED).map((name) => `"${name}"`)
    return await session.load(
      'before',
      COMPARED,
      rowsOf(other.session.batches(`SELECT ${names.join(', ')} FROM images`)),
    )
  } finally {
    other.session.close()
  }
}

async function* rowsOf<R>(batches: AsyncIterable<readonly R[]>): AsyncIterable<R> {
  for await (const batch of batches) yield* batch
}
