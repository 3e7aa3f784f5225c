import { listDatasets, datasetHistory, readImage, resolveVersion, withTables } from '#core/datasets'
import type { CatalogRow } from '#core/catalog'
import { PlatformError } from '#core/errors'
import type { DatasetVersion } from '#core/steps'
import type { ObjectStore } from '#core/storage'
import type { DatasetPort } from '../ports.ts'
import type { DatasetDetail } from '../schemas.ts'
import type { KeptCatalogs } from './kept-catalogs.ts'

/** Counts of versions, which never change; so only the room is limited. */
const KEPT_SUMMARIES = 1_000

type Summary = Pick<DatasetDetail, 'labelled' | 'humanSeen' | 'excluded' | 'splits' | 'classes'>

/** Datasets as the store has them; images and their bytes are found through the catalogs of versions. */
export function datasetsOf(store: ObjectStore, catalogs: KeptCatalogs): DatasetPort {
  const summaries = new Map<string, Promise<Summary>>()

  const summaryOf = (dataset: string, version: string): Promise<Summary> => {
    const key = `${dataset}@${version}`
    const kept = summaries.get(key) ?? summarise(store, { dataset, version })
    summaries.delete(key)
    summaries.set(key, kept)
    kept.catch(() => summaries.delete(key))
    for (const oldest of summaries.keys()) if (summaries.size > KEPT_SUMMARIES) summaries.delete(oldest)
    return kept
  }

  return {
    async list() {
      const datasets = await listDatasets(store)
      return Promise.all(
        datasets.map(async ({ name, version, images }) => {
          const { labelled, classes } = await summaryOf(name, version)
          return { name, version, images, labelled, classes: classes.length }
        }),
      )
    },

    async show(name, ref) {
      const version = await resolveVersion(store, `${name}@${ref}`)
      const [summary, history] = await Promise.all([summaryOf(name, version.version), datasetHistory(store, name)])
      return {
        name,
        version: version.version,
        images: version.images,
        ...summary,
        history: history.toReversed().map(({ version: at, at: since, images }) => ({ version: at, at: since, images })),
      }
    },

    async images(name, { cursor = '', limit, label, split, ref = 'latest' }) {
      const version = await catalogs.resolve(name, ref)
      const parts = [
        label === undefined ? null : `label = ${quoted(label)}`,
        split === undefined ? null : `split = '${split}'`,
      ].filter((part) => part !== null)
      const where = parts.length === 0 ? undefined : parts.join(' and ')
      const rows = await catalogs.use(version, (catalog) => catalog.after({ where, digest: cursor, count: limit + 1 }))
      const images = rows.slice(0, limit)
      return { images: images.map(toRow), next: rows.length > limit ? (images.at(-1)?.digest ?? null) : null }
    },

    async bytes(name, digest) {
      // Any version that is open and has the image gives the same bytes; the newest has all images.
      const place =
        (await catalogs.useOpen(name, (catalog) => catalog.placeOf(digest))) ??
        (await catalogs.use(await catalogs.resolve(name, 'latest'), (catalog) => catalog.placeOf(digest)))
      if (place) return readImage(store, place)
      throw new PlatformError('OBJECT_NOT_FOUND', `the newest version of ${name} has no image ${digest}`, {
        name,
        digest,
      })
    },
  }
}

/** By SQL over the labels alone: no catalog is made for a list of datasets. */
function summarise(store: ObjectStore, version: Pick<DatasetVersion, 'dataset' | 'version'>): Promise<Summary> {
  return withTables(store, version, async (tables) => {
    const [totals] = await tables.query<Record<'train' | 'test' | 'labelled' | 'humanSeen' | 'excluded', number>>(
      `SELECT count(*) FILTER (split = 'train') AS train, count(*) FILTER (split = 'test') AS test,
              count("label") AS labelled, count(*) FILTER ("humanSeen") AS "humanSeen", count(excluded) AS excluded
       FROM labels`,
    )
    const classes = await tables.query<{ class: string; images: number; humanSeen: number }>(
      `SELECT "label" AS class, count(*) AS images, count(*) FILTER ("humanSeen") AS "humanSeen"
       FROM labels WHERE "label" IS NOT NULL GROUP BY "label" ORDER BY "label"`,
    )
    const { train, test, ...counts } = totals!
    return { ...counts, splits: { train, test }, classes }
  })
}

function toRow(row: CatalogRow) {
  const { digest, width, height, sizeBytes, format, source, split, label, origin, humanSeen, excluded } = row
  return { digest, width, height, sizeBytes, format, source, split, label, origin, humanSeen, excluded }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
