/** Files that imports into a dataset left out, by the reports of the runs that imported. */
import { datasetHistory } from '#core/datasets'
import { isPlatformError } from '#core/errors'
import { nodeRecords } from '#core/runs'
import { importImages, type DatasetVersion } from '#core/steps'
import { readBlob, type ObjectStore } from '#core/storage'
import type { Finding } from './report.ts'

const SHOWN_FILES = 50

interface Rejection {
  readonly path: string
  readonly reason: string
}

/** @returns null where nothing was left out, or no run is known to have imported. */
export async function rejectedFinding(store: ObjectStore, version: DatasetVersion): Promise<Finding | null> {
  const rejected = await rejectionsOf(store, version)
  if (rejected.length === 0) return null
  const reasons = new Set(rejected.map(({ reason }) => reason))
  return {
    kind: 'rejected',
    title: `${rejected.length === 1 ? '1 file was' : `${rejected.length.toLocaleString('en-US')} files were`} left out by imports: ${reasons.size === 1 ? [...reasons][0] : `${reasons.size} reasons`}`,
    images: rejected.length,
    share: rejected.length / (rejected.length + version.images),
    severity: 'attention',
    where: null,
    digests: [],
    captions: null,
    list: null,
    advice: 'Mend or fetch them again and import; what is in the dataset already is skipped.',
    details: {
      columns: ['file', 'reason'],
      rows: rejected.slice(0, SHOWN_FILES).map(({ path, reason }) => [path, reason]),
    },
  }
}

/** Each file once, however often it was met. */
async function rejectionsOf(store: ObjectStore, { dataset, version }: DatasetVersion): Promise<readonly Rejection[]> {
  const moves = await datasetHistory(store, dataset)
  const last = moves.findLastIndex((move) => move.version === version)
  const runs = new Set(moves.slice(0, last + 1).map(({ by }) => by.replace(/^run (\S+).*$/, '$1')))
  const found = new Map<string, Rejection>()
  for (const run of runs)
    for (const rejection of await rejectionsOfRun(store, run)) found.set(rejection.path, rejection)
  return [...found.values()]
}

async function rejectionsOfRun(store: ObjectStore, run: string): Promise<readonly Rejection[]> {
  if (!/^[a-z0-9][a-z0-9-]*$/.test(run)) return [] // Moved by a person.
  const found: Rejection[] = []
  for (const { output } of (await nodeRecords(store, run)).values()) {
    const imported = importImages.output.safeParse(output)
    if (!imported.success) continue
    const bytes = await readBlob(store, imported.data.report).catch(ignoreMissing)
    if (bytes) found.push(...(JSON.parse(Buffer.from(bytes).toString()) as { rejected: Rejection[] }).rejected)
  }
  return found
}

/** Reports of long ago may have been collected. */
function ignoreMissing(error: unknown): null {
  if (isPlatformError(error) && error.code === 'OBJECT_NOT_FOUND') return null
  throw error
}
