/** Commits: a version, changed, becomes another one, and a ref moves to it or to its merge with what others did meanwhile. */
import { PlatformError } from '#core/errors'
import type { DatasetVersion } from '#core/steps'
import type { ObjectStore } from '#core/storage'
import type { TableFiles, TableSession } from '#core/tables'
import { loadChange, openChange, writeChanged, type Change } from './change.ts'
import { readManifest, toDatasetVersion, type DatasetRules, type Manifest } from './manifest.ts'
import { publish, type PublishOptions } from './refs.ts'
import { withScratch } from './scratch.ts'
import { columnsOf, TABLE_NAMES, viewsOf } from './tables.ts'

export interface CommitOptions extends Omit<PublishOptions, 'ref'> {
  /** `latest` by default; null moves none. */
  readonly ref?: string | null
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
 * merge: what others did stays, and of what both changed the change given here holds. A split never moves to `test`.
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
  { schema, rules, views, scratchDir, whenMoved = 'merge', ref = 'latest', ...publishing }: FinalOptions,
): Promise<Committed> {
  return withScratch(async (directory) => {
    const base = version === null ? null : await readManifest(store, dataset, version)
    const settings = { dataset, directory, views, schema: schema === undefined ? (base?.schema ?? null) : schema }
    const exact = await changed(store, base, fill, { ...settings, rules: rules ?? base?.rules ?? noRules(dataset) })
    if (ref === null) return { version: toDatasetVersion(exact), published: toDatasetVersion(exact) }
    const merge = async (current: string | null): Promise<Manifest> => {
      if (current === version || current === exact.version) return exact
      if (whenMoved === 'fail') throw moved(dataset, ref)
      return current === null
        ? exact
        : onto(store, await readManifest(store, dataset, current), { base, exact, directory })
    }
    const published = await publish(store, dataset, merge, { ...publishing, ref })
    return { version: toDatasetVersion(exact), published: toDatasetVersion(published) }
  }, scratchDir)
}

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
): Promise<Manifest> {
  const session = await openChange(store, base, options.directory, views)
  try {
    await fill(session)
    return await writeChanged(store, session, { base, ...options })
  } finally {
    session.close()
  }
}

interface Moved {
  readonly base: Manifest | null
  readonly exact: Manifest
  readonly directory: string
}

/** What `exact` changed in `base`, done to where the ref points now. */
async function onto(store: ObjectStore, current: Manifest, { base, exact, directory }: Moved): Promise<Manifest> {
  const session = await openChange(store, current, directory, {
    ...(await viewsOf(store, base, directory, 'base_')),
    ...(await viewsOf(store, exact, directory, 'exact_')),
  })
  try {
    for (const name of TABLE_NAMES.filter((name) => name !== 'boxes'))
      await session.run(
        `INSERT INTO new_${name} SELECT ${columnsOf(name, 'e')} FROM exact_${name} e
         LEFT JOIN base_${name} b USING (digest) LEFT JOIN ${name} c USING (digest)
         WHERE (${columnsOf(name, 'e')}) IS DISTINCT FROM (${columnsOf(name, 'b')}) AND (b.digest IS NULL OR c.digest IS NOT NULL)`,
      )
    await session.run(
      `UPDATE new_labels SET split = 'train' FROM labels l WHERE l.digest = new_labels.digest AND l.split = 'train'`,
    )
    await session.run('INSERT INTO gone SELECT digest FROM base_labels ANTI JOIN exact_labels USING (digest)')
    return await writeChanged(store, session, {
      dataset: current.dataset,
      base: current,
      schema: exact.schema ?? current.schema,
      rules: exact.rules,
      directory,
    })
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
