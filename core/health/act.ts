/** Acting on a finding: its images are excluded, taken back, or sent to people, in a new version that says why. */
import { changeImages, type ChangedImages } from '#core/catalog'
import { commitLabels, openVersion, resolveVersion, type ImageLabel } from '#core/datasets'
import { PlatformError } from '#core/errors'
import type { DatasetVersion } from '#core/steps'
import { readBlob, type ObjectStore } from '#core/storage'
import { latestReport, readReport } from './records.ts'
import { literal, type Finding, type FindingKind } from './report.ts'

export interface FindingAction {
  readonly finding: FindingKind
  readonly action: 'exclude' | 'include' | 'ask'
  /** Why, in a person's words; the finding's own title where left out. */
  readonly reason?: string | undefined
  readonly by: string
  readonly scratchDir?: string
}

/**
 * Acts on all images of the findings of a kind in the newest report of the version. `ask` takes back labels that no person
 * saw, and of labels that are probably wrong every one, so that labelling asks for them.
 *
 * @throws {PlatformError} `HEALTH_NOT_CHECKED`; `INVALID_INPUT` where the report has no such finding with images.
 */
export async function actOnFinding(
  store: ObjectStore,
  version: Pick<DatasetVersion, 'dataset' | 'version'>,
  { finding: kind, action, reason, by, scratchDir }: FindingAction,
): Promise<ChangedImages> {
  const report = await readReport(store, await latestReport(store, version))
  const findings = report.findings.filter((finding) => finding.kind === kind && finding.digests.length > 0)
  if (!findings[0]) throw nothingFound(kind, report.findings)
  const options = { by, reason: reason ?? findings[0].title, ...(scratchDir !== undefined && { scratchDir }) }
  let changed: ChangedImages = {
    version: await resolveVersion(store, `${version.dataset}@${version.version}`),
    images: 0,
  }
  for (const finding of findings) {
    const next = await actOn(store, changed.version, finding, action, options)
    changed = { version: next.version, images: changed.images + next.images }
  }
  return changed
}

async function actOn(
  store: ObjectStore,
  version: DatasetVersion,
  finding: Finding,
  action: FindingAction['action'],
  options: { readonly by: string; readonly reason: string; readonly scratchDir?: string },
): Promise<ChangedImages> {
  if (action === 'ask' && finding.kind === 'mislabelled')
    return askAgain(store, version, await digestsOf(store, finding), options)
  const selection = finding.where === null ? { digests: await digestsOf(store, finding) } : { where: finding.where }
  return changeImages(store, version, selection, { action }, options)
}

async function digestsOf(store: ObjectStore, { list, digests }: Finding): Promise<readonly string[]> {
  return list
    ? Buffer.from(await readBlob(store, list))
        .toString()
        .split('\n')
    : digests
}

/** Takes labels back, whoever gave them: what is known of the image is that its label is in doubt. */
async function askAgain(
  store: ObjectStore,
  version: Pick<DatasetVersion, 'dataset' | 'version'>,
  digests: readonly string[],
  { reason, ...options }: { readonly by: string; readonly reason: string; readonly scratchDir?: string },
): Promise<ChangedImages> {
  const session = await (await openVersion(store, version)).tables()
  const rows = await session
    .query<ImageLabel>(
      `SELECT * FROM labels WHERE digest IN (${digests.map(literal).join(', ')}) AND "label" IS NOT NULL`,
    )
    .finally(() => session.close())
  const asked = rows.map((row) => ({ ...row, label: null, origin: null, humanSeen: false, randomDraw: false }))
  return { version: await commitLabels(store, version, asked, { ...options, note: reason }), images: asked.length }
}

function nothingFound(kind: FindingKind, findings: readonly Finding[]): PlatformError {
  const kinds = [...new Set(findings.filter(({ digests }) => digests.length > 0).map((finding) => finding.kind))]
  const there = kinds.length > 0 ? `there are ${kinds.join(', ')}` : 'it has none'
  return new PlatformError('INVALID_INPUT', `the report has no finding ${kind} with images; ${there}`, { kind })
}
