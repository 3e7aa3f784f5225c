/** The body of `check-health`: looks at a version of a dataset and writes what it found as JSON and as a page. */
import { readImage } from '#core/datasets'
import { isPlatformError } from '#core/errors'
import { thumbnail } from '#core/images'
import type { StepContext } from '#core/execution'
import type { checkHealth as definition, StepInput, StepOutput } from '#core/steps'
import { canonicalJson, putBlob } from '#core/storage'
import { classFindings } from './classes.ts'
import { factsOf, openImages, type Images } from './images.ts'
import { lookFindings } from './looks.ts'
import { metadataFindings } from './metadata.ts'
import { mislabelled } from './mislabelled.ts'
import { keepReport } from './records.ts'
import { rejectedFinding } from './rejected.ts'
import { inOrder, type Finding, type HealthReport } from './report.ts'
import { healthPage, SHOWN_IMAGES } from './report-page.ts'
import { schemaFindings } from './schema-findings.ts'
import { versionDrift } from './version-drift.ts'

const THUMBNAIL_SIDE = 128

type Input = StepInput<typeof definition>

/** @throws {PlatformError} `DATASET_NOT_FOUND`; the signal's reason when it is aborted. */
export async function checkHealth(
  { version, embeddings, against }: Input,
  ctx: StepContext,
): Promise<StepOutput<typeof definition>> {
  const images = await openImages(ctx, version)
  try {
    const found = await reportOf(ctx, images, { embeddings, against })
    const report = await putBlob(ctx.store, Buffer.from(canonicalJson(found)))
    const page = healthPage(found, await thumbnailsOf(ctx, images, found))
    const html = await putBlob(ctx.store, Buffer.from(page))
    await keepReport(ctx.store, found, { report, html, by: ctx.runId })
    const severe = found.findings.filter(({ severity }) => severity === 'bad').length
    return { kind: 'health-report', dataset: images.version, report, html, findings: found.findings.length, severe }
  } finally {
    images.session.close()
  }
}

async function reportOf(
  ctx: StepContext,
  images: Images,
  { embeddings, against }: Pick<Input, 'embeddings' | 'against'>,
): Promise<HealthReport> {
  const { version, reader } = images
  const looks = images.images > 0 ? await lookFindings(ctx, images) : { findings: [], notes: ['No image takes part.'] }
  const labels = embeddings ? await mislabelled(ctx, images, embeddings) : null
  const findings: (Finding | null)[] = [
    await rejectedFinding(ctx.store, version),
    ...(await schemaFindings(ctx, images, reader.schema)),
    labels?.finding ?? null,
    ...(await metadataFindings(ctx, images)),
    ...(against ? await versionDrift(ctx, images, against) : []),
    ...(await classFindings(ctx, images)),
    ...looks.findings,
  ]
  return {
    schema: 1,
    dataset: version.dataset,
    version: version.version,
    against: against?.version ?? null,
    images: images.images,
    excluded: images.excluded,
    labelled: images.labelled,
    labelsChecked: labels !== null && labels.left === null,
    findings: inOrder(findings.filter((finding) => finding !== null)),
    notes: [...looks.notes, ...(labels?.left ? [labels.left] : [])],
  }
}

/** Pictures of what the page shows, as data URIs; an image whose bytes cannot be had is named without one. */
async function thumbnailsOf(
  ctx: StepContext,
  { session }: Images,
  { findings }: HealthReport,
): Promise<ReadonlyMap<string, string>> {
  const shown = new Set(findings.flatMap(({ digests }) => digests.slice(0, SHOWN_IMAGES)))
  const thumbnails = new Map<string, string>()
  for (const facts of await factsOf(session, [...shown])) {
    ctx.signal.throwIfAborted()
    try {
      const webp = await thumbnail(await readImage(ctx.store, facts), THUMBNAIL_SIDE)
      thumbnails.set(facts.digest, `data:image/webp;base64,${Buffer.from(webp).toString('base64')}`)
    } catch (error) {
      if (!isPlatformError(error)) throw error
      ctx.log.warn({ digest: facts.digest, reason: error.message }, 'no picture')
    }
  }
  return thumbnails
}
