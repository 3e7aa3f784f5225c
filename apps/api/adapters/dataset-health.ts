import { resolveVersion } from '#core/datasets'
import {
  actOnFinding,
  latestReport,
  migrateSchema,
  previewMigration,
  readReport,
  schemaOf,
  setSchema,
} from '#core/health'
import type { Engine } from '#core/runs'
import type { ObjectStore } from '#core/storage'
import { HEALTH_PIPELINE, type HealthPort } from '../ports.ts'

/** Reports of checks, what is done about findings, and label schemas, as the store has them. */
export function healthOf(store: ObjectStore, engine: Engine): HealthPort {
  const resolve = (name: string, ref: string) => resolveVersion(store, `${name}@${ref}`)
  return {
    async report(name, { ref, against }) {
      const version = await resolve(name, ref)
      const other = against === undefined ? undefined : (await resolve(name, against)).version
      const kept = await latestReport(store, version, other)
      return { ...(await readReport(store, kept)), at: kept.at, by: kept.by, html: kept.html.sha256 }
    },

    async check(name, params, by) {
      await resolve(name, params.ref)
      const { id } = await engine.start(HEALTH_PIPELINE, { dataset: name, ...params }, { by })
      return { run: id }
    },

    async act(name, { version, ...action }, by) {
      const changed = await actOnFinding(store, await resolve(name, version), { ...action, by })
      return { version: changed.version.version, images: changed.images }
    },

    async schema(name, ref) {
      const { version, schema, isSet } = await schemaOf(store, await resolve(name, ref))
      return { version: version.version, schema, isSet }
    },

    async setSchema(name, { version, schema, reason }, by) {
      return { version: (await setSchema(store, await resolve(name, version), schema, { by, reason })).version }
    },

    async migrate(name, { version: ref, preview, reason, ...request }, by) {
      const version = await resolve(name, ref)
      if (preview) return { version: version.version, ...(await previewMigration(store, version, request)) }
      const { version: made, ...plan } = await migrateSchema(store, version, request, { by, reason })
      return { version: made.version, ...plan }
    },
  }
}
