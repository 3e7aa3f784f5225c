/** Where an image is: versions of all datasets, the trash included, and the places of its bytes in packs. */

import path from 'node:path'
import { factColumns, readManifest, type Manifest } from '#core/datasets'
import { blobFile, type ObjectStore } from '#core/storage'
import type { BlobRef } from '#core/steps'
import { openTableSession } from '#core/tables'
import { trashedVersionAt, versionAt, type VersionPlace } from './layout.ts'

export interface BytesPlace {
  readonly pack: string
  readonly offset: number
  readonly sizeBytes: number
}

export interface Whereabouts {
  /** Versions that have the image, ascending by dataset. */
  readonly versions: readonly Manifest[]
  readonly places: readonly BytesPlace[]
  /** Addresses where its bytes stay that Gyre never copied. */
  readonly uris: readonly string[]
  /** All packs that any version names. */
  readonly packs: ReadonlySet<string>
}

interface FoundRow {
  readonly pack: string | null
  readonly offset: number
  readonly sizeBytes: number
  readonly uri: string | null
  readonly gone: boolean | null
}

/** @param directory - a local folder for copies of tables. */
export async function findImage(store: ObjectStore, digest: string, directory: string): Promise<Whereabouts> {
  const shards = new ShardRows(store, digest, directory)
  const versions: Manifest[] = []
  for (const { dataset, version } of await allVersions(store)) {
    const manifest = await readManifest(store, dataset, version)
    if (await shards.has(manifest)) versions.push(manifest)
  }
  const rows = shards.rows.filter(({ gone }) => gone !== true)
  const places = rows.flatMap(({ pack, offset, sizeBytes }) => (pack === null ? [] : [{ pack, offset, sizeBytes }]))
  return {
    versions,
    places: [...new Map(places.map((place) => [`${place.pack} ${place.offset}`, place])).values()],
    uris: [...new Set(rows.flatMap(({ uri }) => uri ?? []))],
    packs: shards.packs,
  }
}

async function allVersions(store: ObjectStore): Promise<readonly VersionPlace[]> {
  const places: VersionPlace[] = []
  for await (const { key } of store.list('datasets/'))
    places.push(...[versionAt(key)].filter((place) => place !== null))
  for await (const { key } of store.list('trash/versions/'))
    places.push(...[trashedVersionAt(key)].filter((place) => place !== null))
  return places
}

/** Each shard is read once, however many versions share it. */
class ShardRows {
  readonly rows: FoundRow[] = []
  readonly packs = new Set<string>()
  readonly #known = new Map<string, FoundRow | null>()

  constructor(
    private readonly store: ObjectStore,
    private readonly digest: string,
    private readonly directory: string,
  ) {}

  /** The newest delta that speaks of the image decides, else the base. All shards are read: packs lie in each. */
  async has({ facts }: Manifest): Promise<boolean> {
    let isThere = false
    for (const { blob } of [...facts.base, ...facts.deltas]) {
      const row = await this.#rowIn(blob)
      if (row) isThere = row.gone !== true
    }
    return isThere
  }

  async #rowIn(blob: BlobRef): Promise<FoundRow | null> {
    const known = this.#known.get(blob.sha256)
    if (known !== undefined) return known
    const file = await blobFile(this.store, blob, path.join(this.directory, 'shards'))
    const columns = { ...factColumns, gone: 'boolean' } as const
    const session = await openTableSession({ views: { shard: { base: [file], deltas: [], columns } } })
    try {
      const [row = null] = await session.query<FoundRow>(
        'SELECT pack, "offset", "sizeBytes", uri, gone FROM shard WHERE digest = ?',
        [this.digest],
      )
      const packs = await session.query<{ pack: string }>('SELECT DISTINCT pack FROM shard WHERE pack IS NOT NULL')
      for (const { pack } of packs) this.packs.add(pack)
      if (row) this.rows.push(row)
      this.#known.set(blob.sha256, row)
      return row
    } finally {
      session.close()
    }
  }
}
