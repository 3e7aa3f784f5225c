/** Which reports there are: a log for each version, `datasets/<name>/health/<version>`, the newest entry last. */
import { PlatformError } from '#core/errors'
import type { BlobRef, DatasetVersion } from '#core/steps'
import { movePointer, pointerHistory, readBlob, readPointer, type ObjectKey, type ObjectStore } from '#core/storage'
import { healthReport, type HealthReport } from './report.ts'

interface Entry {
  readonly report: BlobRef
  readonly html: BlobRef
  readonly against: string | null
}

export interface KeptReport extends Entry {
  /** ISO 8601. */
  readonly at: string
  readonly by: string
}

type VersionName = Pick<DatasetVersion, 'dataset' | 'version'>

const logOf = ({ dataset, version }: VersionName): ObjectKey => `datasets/${dataset}/health/${version}`

export async function keepReport(
  store: ObjectStore,
  version: Pick<HealthReport, 'dataset' | 'version' | 'against'>,
  { report, html, by }: Pick<KeptReport, 'report' | 'html' | 'by'>,
): Promise<void> {
  const former = await readPointer(store, logOf(version))
  const entry: Entry = { report, html, against: version.against }
  await movePointer(store, logOf(version), entry, { by, expectedSeq: former?.seq ?? 0 })
}

/**
 * @param against - the digest of the version that it was compared with; any, or none, where left out.
 * @throws {PlatformError} `HEALTH_NOT_CHECKED`.
 */
export async function latestReport(store: ObjectStore, version: VersionName, against?: string): Promise<KeptReport> {
  const entries = await pointerHistory<Entry>(store, logOf(version))
  const entry = entries.findLast(({ value }) => against === undefined || value.against === against)
  if (entry) return { ...entry.value, at: entry.at, by: entry.by }
  const name = `${version.dataset}@${version.version.slice(0, 12)}`
  const compared = against === undefined ? '' : ` against ${against.slice(0, 12)}`
  throw new PlatformError(
    'HEALTH_NOT_CHECKED',
    `the health of ${name} was not checked${compared}; gyre dataset health ${version.dataset} does it`,
    { ...version },
  )
}

export async function readReport(store: ObjectStore, { report }: Pick<KeptReport, 'report'>): Promise<HealthReport> {
  return healthReport.parse(JSON.parse(Buffer.from(await readBlob(store, report)).toString()))
}
