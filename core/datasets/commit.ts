/**
 * Commits: a version, changed, becomes another one, and a ref moves to it or to its merge with what others did meanwhile.
 *
 * V2  Blobs are written first, the manifest next, its history then, the pointer last: a crash leaves nothing visible or
 *     a whole version.
 */
import { PlatformError } from '#core/errors'
import type { DatasetVersion } from '#core/steps'
import { asWriter, type ObjectStore } from '#core/storage'
import type { TableFiles, TableSession } from '#core/tables'
import { loadChange, openChange, writeChanged, type Change, type Written } from './change.ts'
import { recordHistory, type Cause } from './history.ts'
import { readManifest, toDatasetVersion, type DatasetRules, type Manifest } from './manifest.ts'
import { mergeManifests, recordMerge, type MergeRules } from './merge.ts'
import { publish, type PublishOptions } from './refs.ts'
import { withScratch } from './scratch.ts'

export interface CommitOptions extends Omit<PublishOptions, 'ref'> {
  /** `latest` by default; null moves none. */
  readonly ref?: string | null
  /** What made the change, for machines. */
  readonly cause?: Cause | null
  readonly scratchDir?: string
  /** `fail` throws `POINTER_MOVED` where the ref no longer points to the base, and moves nothing. */
  readonly whenMoved?: 'merge' | 'fail'
}

export interface Committed {
  /** Exactly the base with the change: what a certificate or a training run speaks of. */
  readonly version: DatasetVersion
  /** What the ref points to now, maybe a merge. */
  readonly published: DatasetVersion
}

/**
 * Makes the version that is `base` with a change, and moves the ref to it. Where the ref went on meanwhile, it moves to a
 * merge: what others did stays; of what both changed a person's word holds, else the change given here. A split never
 * moves to `test`.
 *
 * @param base - `version` null for the first version of a dataset.
 * @throws {PlatformError} `DATASET_NOT_FOUND`; `INVALID_INPUT` for a change that names images wrongly; `POINTER_MOVED`.
 */
export async function commitChange(
  store: ObjectStore,
  base: Pick<DatasetVersion, 'dataset'> & { readonly version: string | null },
  change: Change,
  options: CommitOptions,
): Promise<Committed> {
  return commit(store, base, (session) => loadChange(session, change), { ...change, ...options })
}

interface FinalOptions extends CommitOptions, Pick<Change, 'schema' | 'rules'> {
  /** Tables in local files that `fill` takes rows from, seen by these names. */
  readonly views?: Readonly<Record<string, TableFiles>>
}

/** As `commitChange`, with the tables of the change filled by the caller. */
export async function commit(
  store: ObjectStore,
  { dataset, version }: Pick<DatasetVersion, 'dataset'> & { readonly version: string | null },
  fill: (session: TableSession) => Promise<void>,
  { schema, rules, views, scratchDir, whenMoved = 'merge', ref = 'latest', cause = null, ...publishing }: FinalOptions,
): Promise<Committed> {
  // What it takes over from other versions, or finds stored, no record names before the end.
  return asWriter(store, publishing.by, () =>
    withScratch(async (directory) => {
      const base = version === null ? null : await readManifest(store, dataset, version)
      const settings = { dataset, directory, views, schema: schema === undefined ? (base?.schema ?? null) : schema }
      const written = await changed(store, base, fill, { ...settings, rules: rules ?? base?.rules ?? noRules(dataset) })
      const { manifest: exact, changes } = written
      const { by, note } = publishing
      const parents = version === null ? [] : [version]
      await recordHistory(store, exact, { parents, by, note, cause, changes })
      if (ref === null) return { version: toDatasetVersion(exact), published: toDatasetVersion(exact) }
      const merge = async (current: string | null): Promise<Manifest> => {
        if (current === null || current === version || current === exact.version) return exact
        if (whenMoved === 'fail') throw moved(dataset, ref)
        const ours = await readManifest(store, dataset, current)
        const merged = await mergeManifests(store, { base, ours, theirs: exact }, UNATTENDED, directory)
        if (!('manifest' in merged))
          throw new PlatformError('INTERNAL', `a commit to ${dataset} left conflicts`, { dataset })
        await recordMerge(store, merged, { ours, theirs: exact, by, note })
        return merged.manifest
      }
      const published = await publish(store, dataset, merge, { by, note, ref })
      return { version: toDatasetVersion(exact), published: toDatasetVersion(published) }
    }, scratchDir),
  )
}

/** Of writers that nobody can ask: a person's word beats a model's, else the later one holds. */
const UNATTENDED: MergeRules = { policies: ['people', 'theirs'] }

interface ChangedOptions {
  readonly dataset: string
  readonly directory: string
  readonly views?: FinalOptions['views'] | undefined
  readonly schema: Manifest['schema']
  readonly rules: DatasetRules
}

async function changed(
  store: ObjectStore,
  base: Manifest | null,
  fill: (session: TableSession) => Promise<void>,
  { views, ...options }: ChangedOptions,
): Promise<Written> {
  const session = await openChange(store, base, options.directory, views)
  try {
    await fill(session)
    return await writeChanged(store, session, { base, ...options })
  } finally {
    session.close()
  }
}

function noRules(dataset: string): never {
  throw new PlatformError(
    'INVALID_INPUT',
    `the first version of ${dataset} comes without rules; say how splits are drawn`,
    { dataset },
  )
}

function moved(dataset: string, ref: string): PlatformError {
  return new PlatformError('POINTER_MOVED', `${ref} of ${dataset} was moved by somebody else; look again`, {
    dataset,
    ref,
  })
}
