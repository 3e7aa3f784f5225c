import { changeImages, listViews, readView, removeView, saveView } from '#core/catalog'
import { resolveVersion } from '#core/datasets'
import type { ObjectStore } from '#core/storage'
import type { CatalogPort } from '../ports.ts'
import type { KeptCatalogs } from './kept-catalogs.ts'

/** Rows, facets, views and changes as the store and the catalogs of versions have them. */
export function datasetCatalogOf(store: ObjectStore, catalogs: KeptCatalogs): CatalogPort {
  return {
    async rows(name, { ref, where, order, from, count }) {
      const version = await catalogs.resolve(name, ref)
      const { total, rows } = await catalogs.use(version, (catalog) => catalog.page({ where, order, from, count }))
      return { version: version.version, total, rows: rows.map((row, i) => ({ row: from + i, ...row })) }
    },

    async facets(name, { ref, where }) {
      const version = await catalogs.resolve(name, ref)
      return catalogs.use(version, async (catalog) => ({
        total: await catalog.count(where),
        facets: await catalog.facets(where),
      }))
    },

    async codes(name, { ref, column }) {
      return catalogs.use(await catalogs.resolve(name, ref), (catalog) => catalog.codes(column))
    },

    async digests(name, { version, rows }) {
      return catalogs.use(await catalogs.resolve(name, version), (catalog) => catalog.digestsAt(rows))
    },

    views: (name) => listViews(store, name),
    view: (name, view) => readView(store, name, view),
    async saveView(name, view, by) {
      await resolveVersion(store, `${name}@latest`) // A name that no dataset has is a slip of the pen.
      await saveView(store, name, view, by)
    },
    removeView: (name, view, by) => removeView(store, name, view, by),

    async change(name, { version, where, digests, reason, ...change }, by) {
      const base = await catalogs.resolve(name, version)
      const { version: made, images } = await changeImages(store, base, { where, digests }, change, { by, reason })
      return { version: made.version, images }
    },
  }
}
