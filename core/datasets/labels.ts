/** Puts people's and models' labels into a dataset: a new version with the label table replaced, the images shared. */
import { isDeepStrictEqual } from 'node:util'
import { PlatformError } from '#core/errors'
import type { DatasetVersion } from '#core/steps'
import type { ObjectStore } from '#core/storage'
import { withScratch } from './scratch.ts'
import type { ImageLabel } from './types.ts'
import { loadVersion, publish, toDatasetVersion, writeVersion, type LoadedVersion, type Manifest } from './version.ts'

export interface CommitOptions {
  readonly by: string
  readonly note: string
}

/**
 * Makes the version of exactly the images of `base` with the labels given, and moves `latest` to it. Where `latest`
 * went on meanwhile, it moves to a merge: images added since stay, labels given here win over those of the same image
 * unless they repeat what `base` says. Splits are never changed by labels.
 *
 * @param labels - rows to replace, in any order; images of `base` that are missing here keep their row.
 * @returns the exact version, not the merge: what a certificate or a training run speaks of.
 * @throws {PlatformError} `DATASET_NOT_FOUND`; `INVALID_INPUT` for a label of an image that `base` does not have.
 */
export async function commitLabels(
  store: ObjectStore,
  base: Pick<DatasetVersion, 'dataset' | 'version'>,
  labels: readonly ImageLabel[],
  { by, note }: CommitOptions,
): Promise<DatasetVersion> {
  return withScratch(async (directory) => {
    const { dataset } = base
    const former = await loadVersion(store, dataset, base.version, directory)
    const changes = changedRows(former.labels, labels)
    const write = (to: LoadedVersion): Promise<Manifest> =>
      writeVersion(store, dataset, { ...to, labels: withChanges(to.labels, changes) }, { former: to, directory })
    const exact = await write(former)
    const merge = async (latest: string | null): Promise<Manifest> =>
      latest === null || latest === base.version ? exact : write(await loadVersion(store, dataset, latest, directory))
    await publish(store, dataset, merge, { by, note })
    return toDatasetVersion(exact)
  })
}

function changedRows(before: readonly ImageLabel[], labels: readonly ImageLabel[]): ReadonlyMap<string, ImageLabel> {
  const held = new Map(before.map((row) => [row.digest, row]))
  const changes = new Map<string, ImageLabel>()
  for (const row of labels) {
    const former = held.get(row.digest)
    if (!former)
      throw new PlatformError('INVALID_INPUT', `a label names image ${row.digest}, which the version does not have`, {
        digest: row.digest,
      })
    const next = { ...row, split: former.split }
    if (!isDeepStrictEqual(next, former)) changes.set(row.digest, next)
  }
  return changes
}

function withChanges(labels: readonly ImageLabel[], changes: ReadonlyMap<string, ImageLabel>): ImageLabel[] {
  return labels.map((row) => {
    const change = changes.get(row.digest)
    return change ? { ...change, split: row.split } : row
  })
}
