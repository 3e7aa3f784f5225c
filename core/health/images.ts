/**
 * The images of a version as one table for SQL, `images`: those that take part (nobody excluded them), with facts,
 * measures and labels. Images that were imported before measures were kept are measured here, once for each check.
 */
import { forEachInFlight, openVersion, readImages, type DatasetReader, type ImageFacts } from '#core/datasets'
import type { StepContext } from '#core/execution'
import { inspectImage, type ImageMeasures } from '#core/images'
import type { DatasetVersion } from '#core/steps'
import { putBlob } from '#core/storage'
import type { TableSession } from '#core/tables'
import { literal, MOST_DIGESTS, type Finding } from './report.ts'

const IN_FLIGHT = 8

export type HealthContext = Pick<StepContext, 'store' | 'scratchDir' | 'signal' | 'progress'>

export interface Images {
  readonly version: DatasetVersion
  readonly reader: DatasetReader
  readonly session: TableSession
  /** Rows of the table. */
  readonly images: number
  readonly excluded: number
  readonly labelled: number
  /** Every image's measures are in the version, so that a condition over them finds all. */
  readonly measuresKept: boolean
}

/** To be closed by its session. */
export async function openImages(
  ctx: HealthContext,
  version: Pick<DatasetVersion, 'dataset' | 'version'>,
): Promise<Images> {
  const reader = await openVersion(ctx.store, version)
  const session = await reader.tables({ scratchDir: ctx.scratchDir })
  try {
    await session.load('measured', { digest: 'text', ...MEASURES }, measureMissing(ctx, session))
    await session.run(TABLE)
    const [counts] = await session.query<Pick<Images, 'images' | 'excluded' | 'labelled'> & { measured: number }>(
      COUNTS,
    )
    const { measured, ...rest } = counts!
    return { version: reader.version, reader, session, ...rest, measuresKept: measured === 0 }
  } catch (error) {
    session.close()
    throw error
  }
}

const MEASURES = {
  brightness: 'number',
  contrast: 'number',
  blur: 'number',
  entropy: 'number',
  colour: 'number',
} as const satisfies Record<keyof ImageMeasures, 'number'>

const MEASURE_NAMES = Object.keys(MEASURES)

const TABLE = `
  CREATE TABLE images AS
  SELECT digest, width, height, "sizeBytes", format, "group", camera, "takenAt", split, "label", tags, attributes, origin, "humanSeen",
         ${MEASURE_NAMES.map((name) => `coalesce(f.${name}, m.${name}) AS ${name}`).join(', ')}
  FROM facts f JOIN labels l USING (digest) LEFT JOIN measured m USING (digest)
  WHERE excluded IS NULL`

const COUNTS = `
  SELECT (SELECT count(*) FROM images) AS images, (SELECT count(*) FROM labels WHERE excluded IS NOT NULL) AS excluded,
         (SELECT count(*) FROM images WHERE "label" IS NOT NULL) AS labelled, (SELECT count(*) FROM measured) AS measured`

type Measured = ImageMeasures & { readonly digest: string }

async function* measureMissing(ctx: HealthContext, session: TableSession): AsyncIterable<Measured> {
  const missing = 'FROM facts JOIN labels USING (digest) WHERE blur IS NULL AND excluded IS NULL'
  const [count] = await session.query<{ total: number }>(`SELECT count(*) AS total ${missing}`)
  const { total } = count!
  let done = 0
  for await (const batch of session.batches<{ digest: string }>(`SELECT digest ${missing}`)) {
    const measured: Measured[] = []
    const images = readImages(
      ctx.store,
      await factsOf(
        session,
        batch.map(({ digest }) => digest),
      ),
    )
    await forEachInFlight(images, { pieces: IN_FLIGHT }, async ({ digest, bytes }) => {
      ctx.signal.throwIfAborted()
      const { brightness, contrast, blur, entropy, colour } = await inspectImage(bytes)
      measured.push({ digest, brightness, contrast, blur, entropy, colour })
      ctx.progress({ done: (done += 1), total, unit: 'images', note: 'measuring' })
    })
    yield* measured
  }
}

export async function factsOf(session: TableSession, digests: readonly string[]): Promise<readonly ImageFacts[]> {
  if (digests.length === 0) return []
  return session.query<ImageFacts>(`SELECT * FROM facts WHERE digest IN (${digests.map(literal).join(', ')})`)
}

/** What of a finding its images say. */
type Listed = Pick<Finding, 'images' | 'share' | 'digests' | 'captions' | 'list'>

/**
 * The images of a finding, the worst first.
 *
 * @param condition - SQL over the table `images`.
 * @param worst - SQL to order by, the worst having the least.
 * @param where - the same for queries; where it is null, the whole list is kept in the store.
 */
export async function listImages(
  ctx: HealthContext,
  { session, images }: Pick<Images, 'session' | 'images'>,
  condition: string,
  { worst, where }: { readonly worst: string; readonly where: string | null },
): Promise<Listed> {
  const from = `FROM images WHERE ${condition}`
  const [found] = await session.query<{ count: number }>(`SELECT count(*) AS count ${from}`)
  const limit = where === null ? '' : `LIMIT ${MOST_DIGESTS}`
  const rows = await session.query<{ digest: string }>(`SELECT digest ${from} ORDER BY ${worst}, digest ${limit}`)
  return listed(
    ctx,
    rows.map(({ digest }) => digest),
    { found: found!.count, images, where },
  )
}

/** @param digests - all of them, the worst first, or the worst where a condition says which. */
export async function listed(
  { store }: Pick<HealthContext, 'store'>,
  digests: readonly string[],
  { found, images, where }: { readonly found: number; readonly images: number; readonly where: string | null },
): Promise<Listed> {
  const isWhole = where !== null || digests.length <= MOST_DIGESTS
  return {
    images: found,
    share: images === 0 ? 0 : found / images,
    digests: digests.slice(0, MOST_DIGESTS),
    captions: null,
    list: isWhole ? null : await putBlob(store, Buffer.from(digests.join('\n'))),
  }
}
