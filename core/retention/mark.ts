/**
 * One look at the whole store: which blobs some record names, and which versions of datasets something holds.
 *
 * M1  Blobs are listed before any record is read: what is stored meanwhile is nobody's candidate.
 * M2  A blob is reached when a record, or a reached blob, has its digest anywhere in it. Records of unknown kinds count.
 * M3  Every version that exists, in the trash too, reaches its blobs, held or not: tables and packs go after their version.
 * M4  What cannot be read whole ends the look with an error; only a complete look judges anything.
 */

import { isPlatformError } from '#core/errors'
import { type ObjectInfo, type ObjectKey, type ObjectStore } from '#core/storage'
import { openDigestFinder, type DigestFinder } from '#core/tables'
import {
  blobAt,
  holdsNothing,
  recordKind,
  trashedVersionAt,
  trashKeyOf,
  versionAt,
  versionKeyOf,
  type VersionPlace,
} from './layout.ts'
import { digestsIn, type Reading } from './references.ts'
import { heldVersions, VersionUse } from './held.ts'

const IN_FLIGHT = 16

export interface Mark {
  /** Digest → bytes of every blob there is. */
  readonly blobs: ReadonlyMap<string, number>
  readonly reached: ReadonlySet<string>
  /** Of these, what no record but versions that nothing holds reach. */
  readonly reachedByUnheld: ReadonlySet<string>
  /** All versions outside of the trash that nothing holds. */
  readonly unheld: readonly SizedVersion[]
  readonly trashed: readonly (SizedVersion & { readonly held: boolean })[]
}

export interface SizedVersion extends VersionPlace {
  readonly sizeBytes: number
}

export interface MarkOptions extends Reading {
  readonly now: () => number
  readonly signal?: AbortSignal
  /** Called every hundred objects, and waited for. */
  readonly beat: () => Promise<void>
  /** @param done - objects read so far. */
  onProgress?(done: number): void
}

/** @throws {PlatformError} `STORE_UNAVAILABLE`; `OBJECT_CORRUPT` for a table of a version that cannot be read. */
export async function markStore(options: MarkOptions): Promise<Mark> {
  const inventory = await takeInventory(options.store)
  const marking = new Marking(options, inventory)
  try {
    return await markAll(options, inventory, marking)
  } finally {
    await marking.close()
  }
}

async function markAll({ store, now }: MarkOptions, inventory: Inventory, marking: Marking): Promise<Mark> {
  await marking.follow(recordsOf(store))
  const datasetsOf = datasetsByVersion([...inventory.versions, ...inventory.trashed])
  const held = await heldVersions(store, marking.use, { datasetsOf, now: now() })
  const isHeld = ({ version }: VersionPlace): boolean => held.has(version)

  await marking.follow(infosOf(inventory.versions.filter(isHeld), versionKeyOf), { strict: true })
  const reachedByHeld = new Set(marking.reached)
  const unheld = inventory.versions.filter((version) => !isHeld(version))
  await marking.follow(infosOf(unheld, versionKeyOf), { strict: true })
  await marking.follow(infosOf(inventory.trashed, trashKeyOf), { strict: true })
  return {
    blobs: inventory.blobs,
    reached: marking.reached,
    reachedByUnheld: new Set([...marking.reached].filter((digest) => !reachedByHeld.has(digest))),
    unheld,
    trashed: inventory.trashed.map((version) => ({ ...version, held: isHeld(version) })),
  }
}

interface Inventory {
  readonly blobs: ReadonlyMap<string, number>
  /** Pack → the one that took its place, when an image in it was deleted. */
  readonly replacements: ReadonlyMap<string, string>
  readonly versions: readonly SizedVersion[]
  readonly trashed: readonly SizedVersion[]
}

/** M1. */
async function takeInventory(store: ObjectStore): Promise<Inventory> {
  const blobs = new Map<string, number>()
  for await (const { key, sizeBytes } of store.list('blobs/sha256/')) {
    const digest = blobAt(key)
    if (digest) blobs.set(digest, sizeBytes)
  }
  const replacements = new Map<string, string>()
  for await (const { key } of store.list('blobs/replaced/')) {
    const { pack } = JSON.parse(Buffer.from(await store.get(key)).toString()) as { pack: string }
    replacements.set(/([0-9a-f]{64})\.json$/.exec(key)?.[1] ?? '', pack)
  }
  return {
    blobs,
    replacements,
    versions: await placesIn(store, 'datasets/', versionAt),
    trashed: await placesIn(store, 'trash/versions/', trashedVersionAt),
  }
}

async function placesIn(
  store: ObjectStore,
  prefix: string,
  placeAt: (key: ObjectKey) => VersionPlace | null,
): Promise<SizedVersion[]> {
  const places: SizedVersion[] = []
  for await (const { key, sizeBytes } of store.list(prefix)) {
    const place = placeAt(key)
    if (place) places.push({ ...place, sizeBytes })
  }
  return places
}

function datasetsByVersion(versions: readonly VersionPlace[]): ReadonlyMap<string, readonly string[]> {
  const datasets = new Map<string, string[]>()
  for (const { dataset, version } of versions) datasets.set(version, [...(datasets.get(version) ?? []), dataset])
  return datasets
}

function* infosOf(versions: readonly SizedVersion[], keyOf: (place: VersionPlace) => ObjectKey): Iterable<ObjectInfo> {
  for (const version of versions) yield { key: keyOf(version), sizeBytes: version.sizeBytes }
}

/** All objects that may hold something, without versions, whose turn comes when it is known what holds them. */
async function* recordsOf(store: ObjectStore): AsyncIterable<ObjectInfo> {
  for await (const info of besideBlobs(store))
    if (!holdsNothing(info.key) && !versionAt(info.key) && !trashedVersionAt(info.key)) yield info
}

async function* besideBlobs(store: ObjectStore): AsyncIterable<ObjectInfo> {
  for await (const info of store.list('')) {
    if (info.key.startsWith('blobs/')) break
    yield info
  }
  yield* store.list('', { startAfter: 'blobs/\u{10ffff}' })
}

class Marking {
  readonly reached = new Set<string>()
  readonly use = new VersionUse()
  readonly #known: ReadonlySet<string>
  #finder: Promise<DigestFinder> | undefined
  #done = 0

  constructor(
    private readonly options: MarkOptions,
    private readonly inventory: Inventory,
  ) {
    this.#known = new Set([...inventory.versions, ...inventory.trashed].map(({ version }) => version))
  }

  /** Made for the first table: most stores of tests, and small ones, have few. */
  readonly #find = (): Promise<DigestFinder> => {
    const { blobs, replacements } = this.inventory
    return (this.#finder ??= openDigestFinder([...new Set([...blobs.keys(), ...replacements.keys(), ...this.#known])]))
  }

  async close(): Promise<void> {
    ;(await this.#finder)?.close()
  }

  /** Reads objects, and all blobs that these lead to. */
  async follow(
    objects: Iterable<ObjectInfo> | AsyncIterable<ObjectInfo>,
    { strict = false }: { readonly strict?: boolean } = {},
  ): Promise<void> {
    let found: ObjectInfo[] = []
    const read = (info: ObjectInfo): Promise<void> => this.#read(info, strict, (blob) => found.push(blob))
    await inParallel(objects, read)
    while (found.length > 0) {
      const batch = found
      found = []
      await inParallel(batch, read)
    }
  }

  async #read(info: ObjectInfo, strict: boolean, onBlob: (blob: ObjectInfo) => void): Promise<void> {
    this.options.signal?.throwIfAborted()
    try {
      for await (const digest of digestsIn({ ...this.options, finder: this.#find }, info)) {
        if (this.#known.has(digest)) this.use.note(digest, info.key)
        this.#reach(digest, onBlob)
      }
      const own = recordKind(info.key)
      if (own.kind === 'ref' || own.kind === 'history') await this.use.date(this.options.store, info.key)
    } catch (error) {
      if (!isPlatformError(error)) throw error
      // Caches and captures come and go while we read.
      if (error.code === 'OBJECT_NOT_FOUND' && blobAt(info.key) === null) return
      const isUserTable = error.code === 'OBJECT_CORRUPT' && !strict && !info.key.startsWith('datasets/')
      if (!isUserTable) throw error // M4
    }
    this.#done += 1
    if (this.#done % 100 !== 0) return
    this.options.onProgress?.(this.#done)
    await this.options.beat()
  }

  /** M2. A pack that was replaced leads to the one in its place. */
  #reach(digest: string, onBlob: (blob: ObjectInfo) => void): void {
    for (let at: string | undefined = digest; at !== undefined; at = this.inventory.replacements.get(at)) {
      const sizeBytes = this.inventory.blobs.get(at)
      if (sizeBytes === undefined || this.reached.has(at)) continue
      this.reached.add(at)
      onBlob({ key: `blobs/sha256/${at.slice(0, 2)}/${at}`, sizeBytes })
    }
  }
}

async function inParallel<T>(items: Iterable<T> | AsyncIterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const iterator = (async function* () {
    yield* items
  })()
  const worker = async (): Promise<void> => {
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) await work(next.value)
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker))
}
