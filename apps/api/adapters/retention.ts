import { resolveVersion } from '#core/datasets'
import { datasetLineage } from '#core/lineage'
import {
  askForDeletion,
  listHolds,
  placeHold,
  readPolicy,
  releaseHold,
  setPolicy,
  trashedVersions,
  undelete,
  UNDELETE_MS,
} from '#core/retention'
import type { Engine } from '#core/runs'
import type { ObjectStore } from '#core/storage'
import type { RetentionPort } from '../routes/retention.ts'

/** Policies, holds and the trash as the store has them; long work is done by runs. */
export function retentionOf(store: ObjectStore, engine: Engine): RetentionPort {
  const start = async (pipeline: string, params: Readonly<Record<string, unknown>>, by: string) => {
    const { id } = await engine.start(pipeline, params, { by })
    return { run: id }
  }
  return {
    policy: (name) => readPolicy(store, name),
    setPolicy: (name, policy, by) => setPolicy(store, name, policy, by),
    holds: (name) => listHolds(store, name),
    async hold(name, { name: hold, ref, reason }, by) {
      const version = ref === null ? null : (await resolveVersion(store, `${name}@${ref}`)).version
      await placeHold(store, name, { name: hold, version, reason }, by)
      return listHolds(store, name)
    },
    async release(name, hold, by) {
      await releaseHold(store, name, hold, by)
      return listHolds(store, name)
    },
    async trash(name) {
      const versions = await trashedVersions(store, name)
      return versions.map(({ version, trashedAt }) => ({
        version,
        trashedAt,
        goesAt: new Date(Date.parse(trashedAt) + UNDELETE_MS).toISOString(),
      }))
    },
    undelete: async (name, version, by) => ({ version: await undelete(store, name, version, by) }),
    lineage: (name, ref) => datasetLineage(store, name, ref),
    collect: (dryRun, by) => start('collect-garbage', { dryRun }, by),
    verify: (dataset, asked, by) => start('verify-dataset', { dataset, ...asked }, by),
    async deleteImage(image, reason, by) {
      await askForDeletion(store, { digest: image, reason, by })
      return start('delete-image', { image }, by)
    },
  }
}
