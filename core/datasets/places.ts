/** Finds where the bytes of an image lie, without all rows of a large version in memory. */
import { PlatformError } from '#core/errors'
import type { ObjectStore } from '#core/storage'
import { prefixDigits, withPrefix } from './digests.ts'
import type { Manifest } from './manifest.ts'
import { readImages, type ImagePlace, type StoredImage } from './packs.ts'
import { openTables, withTables } from './tables.ts'

const PLACE = 'digest, pack, "offset", "sizeBytes", uri, etag'
/** Prefixes of digests, of up to 65,536 images each, whose places are kept. */
const KEPT = 4

/** @returns a look-up of one image's place; it throws `OBJECT_NOT_FOUND` where the version has no such image. */
export function placesIn(store: ObjectStore, manifest: Manifest): (digest: string) => Promise<ImagePlace> {
  const digits = prefixDigits(manifest.images)
  const kept = new Map<string, Promise<ReadonlyMap<string, ImagePlace>>>()
  const read = (prefix: string): Promise<ReadonlyMap<string, ImagePlace>> =>
    withTables(store, manifest, async (tables) => {
      const rows = await tables.query<ImagePlace>(`SELECT ${PLACE} FROM facts WHERE ${withPrefix(prefix)}`)
      return new Map(rows.map((row) => [row.digest, row]))
    })
  return async (digest) => {
    if (!/^[0-9a-f]{64}$/.test(digest)) throw missing(manifest, digest)
    const prefix = digest.slice(0, digits)
    const places = kept.get(prefix) ?? read(prefix)
    kept.delete(prefix)
    kept.set(prefix, places)
    places.catch(() => kept.delete(prefix))
    for (const oldest of kept.keys()) if (kept.size > KEPT) kept.delete(oldest)
    const place = (await places).get(digest)
    if (place) return place
    throw missing(manifest, digest)
  }
}

/**
 * All images, or those asked for, in the order of their packs.
 *
 * @throws {PlatformError} `OBJECT_NOT_FOUND` when the version has no such image.
 */
export async function* imagesIn(
  store: ObjectStore,
  manifest: Manifest,
  digests?: Iterable<string>,
): AsyncIterable<StoredImage> {
  const tables = await openTables(store, manifest)
  try {
    if (digests) {
      await tables.load(
        'wanted',
        { digest: 'text' },
        [...new Set(digests)].map((digest) => ({ digest })),
      )
      const [absent] = await tables.query<{ digest: string }>(
        'SELECT digest FROM wanted ANTI JOIN facts USING (digest) LIMIT 1',
      )
      if (absent) throw missing(manifest, absent.digest)
    }
    const wanted = digests ? 'SEMI JOIN wanted USING (digest)' : ''
    for await (const places of tables.batches<ImagePlace>(
      `SELECT ${PLACE} FROM facts ${wanted} ORDER BY pack NULLS LAST, "offset", digest`,
    ))
      yield* readImages(store, places)
  } finally {
    tables.close()
  }
}

function missing({ dataset, version }: Manifest, digest: string): PlatformError {
  return new PlatformError('OBJECT_NOT_FOUND', `version ${version} of ${dataset} has no image ${digest}`, {
    dataset,
    version,
    digest,
  })
}
