/** Puts people's and models' labels into a dataset: a new version with rows of the label table replaced. */
import type { DatasetVersion } from '#core/steps'
import type { ObjectStore } from '#core/storage'
import { loadChange } from './change.ts'
import { commit, type CommitOptions } from './commit.ts'
import type { ImageLabel } from './types.ts'

/**
 * As `commitChange` with nothing but labels, which never change a split here: rows keep the split that `base` says.
 *
 * @param labels - rows to replace, in any order; images of `base` that are missing here keep their row.
 * @returns the exact version, not a merge: what a certificate or a training run speaks of.
 * @throws {PlatformError} `DATASET_NOT_FOUND`; `INVALID_INPUT` for a label of an image that `base` does not have.
 */
export async function commitLabels(
  store: ObjectStore,
  base: Pick<DatasetVersion, 'dataset' | 'version'>,
  labels: Iterable<ImageLabel>,
  options: CommitOptions,
): Promise<DatasetVersion> {
  const { version } = await commit(
    store,
    base,
    async (session) => {
      await loadChange(session, { labels })
      await session.run('UPDATE new_labels SET split = l.split FROM labels l WHERE l.digest = new_labels.digest')
    },
    options,
  )
  return version
}
