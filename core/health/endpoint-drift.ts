/**
 * Whether what an endpoint is asked about still looks like what its model learnt from: images that it captured are held
 * against the dataset version that the model was trained on. What drifted is reported, which starts `onDrift` triggers.
 *
 * E1  An image counts for one report at most: after one, only what was captured since is looked at. So drift that stays
 *     is reported again when there are enough new images, and not at every look.
 * E2  Certificates that speak of the version are revoked: what they promise of its images is no promise of these.
 */
import { forEachInFlight } from '#core/datasets'
import { PlatformError } from '#core/errors'
import { inspectImage, type ImageInspection } from '#core/images'
import { revokeForDrift } from '#core/labelling'
import { resolveModel } from '#core/registry'
import { capturedImages, capturedPrediction, describeEndpoint, type CapturedImage } from '#core/serving'
import type { checkDrift as definition, DatasetVersion, StepInput, StepOutput } from '#core/steps'
import type { StepContext } from '#core/execution'
import { lastDrift, reportDrift } from '#core/triggers'
import type { ObjectStore } from '#core/storage'
import { COMPARED, driftBetween } from './drift.ts'
import { openImages } from './images.ts'

const IN_FLIGHT = 8
/** More make no difference to a distance of a tenth. */
const MOST_IMAGES = 5_000

/**
 * @throws {PlatformError} `ENDPOINT_NOT_FOUND`; `DATASET_NOT_FOUND` where the training version is gone.
 */
export async function checkDrift(
  { endpoint, leastImages }: StepInput<typeof definition>,
  ctx: StepContext,
): Promise<StepOutput<typeof definition>> {
  const version = await trainedOn(ctx.store, endpoint)
  const since = (await lastDrift(ctx.store, endpoint))?.at ?? ''
  const captured = await capturedSince(ctx, endpoint, since)
  const head = { endpoint, version, images: captured.length }
  if (captured.length < leastImages) return { ...head, drifted: [], reported: null }
  const drifted = await driftFrom(ctx, version, captured)
  const [first] = drifted
  if (!first) return { ...head, drifted: [], reported: null }
  const others = drifted.length > 1 ? `, and ${drifted.length - 1} more` : ''
  const reported = `${first.text}${others} (${captured.length} captured images)`
  const by = `run ${ctx.runId}`
  await reportDrift(ctx.store, endpoint, reported, by)
  const revoked = await revokeForDrift(ctx.store, version, { by, reason: `endpoint ${endpoint} drifted: ${reported}` })
  return {
    ...head,
    drifted: drifted.map(({ of, distance, text }) => ({ of, distance, text })),
    reported,
    revoked: [...revoked],
  }
}

/** What the model with the largest share of the traffic was trained on. */
async function trainedOn(store: ObjectStore, endpoint: string): Promise<Pick<DatasetVersion, 'dataset' | 'version'>> {
  const { traffic, revisions } = await describeEndpoint(store, endpoint)
  const shareOf = ({ revision }: { readonly revision: number }): number => traffic[revision] ?? 0
  const [main] = [...revisions].sort((a, b) => shareOf(b) - shareOf(a))
  if (!main) throw new PlatformError('ENDPOINT_NOT_FOUND', `endpoint ${endpoint} serves no revision`, { endpoint })
  const { lineage } = await resolveModel(store, `${main.model.name}@${main.model.version}`)
  if (!lineage.dataset)
    throw new PlatformError(
      'DATASET_NOT_FOUND',
      `model ${main.model.name}@${main.model.version} does not say which dataset it was trained on, so nothing can be compared`,
      { endpoint },
    )
  return { dataset: lineage.dataset.name, version: lineage.inputs['version'] ?? lineage.dataset.version }
}

type Row = Omit<ImageInspection, 'grey32'> & { readonly digest: string; readonly label: string }

async function capturedSince(ctx: StepContext, endpoint: string, since: string): Promise<Row[]> {
  const images: CapturedImage[] = []
  for await (const image of capturedImages(ctx.store, `captures/${endpoint}/`)) images.push(image)
  // Keys begin with the replica, then the digest, which is as good as a draw.
  const byDigest = images.sort((a, b) => (a.digest < b.digest ? -1 : 1))
  const rows: Row[] = []
  await forEachInFlight(byDigest, { pieces: IN_FLIGHT }, async ({ key, digest }) => {
    ctx.signal.throwIfAborted()
    if (rows.length >= MOST_IMAGES || !(await ctx.store.head(`${key}.json`))) return
    const record = JSON.parse(Buffer.from(await ctx.store.get(`${key}.json`)).toString()) as unknown
    const { class: label, at } = capturedPrediction.parse(record)
    if (at <= since) return // E1
    const { grey32: _grey, ...seen } = await inspectImage(await ctx.store.get(key))
    rows.push({ digest, label, ...seen })
    ctx.progress({ done: rows.length, total: Math.min(images.length, MOST_IMAGES), unit: 'images' })
  })
  return rows
}

async function driftFrom(
  ctx: StepContext,
  version: Pick<DatasetVersion, 'dataset' | 'version'>,
  captured: readonly Row[],
) {
  const { session } = await openImages(ctx, version)
  try {
    await session.load('captured', COMPARED, captured)
    return await driftBetween(session, 'images', 'captured')
  } finally {
    session.close()
  }
}
