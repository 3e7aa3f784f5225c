/**
 * Reads the files of a source once, as a stream: decodes each new image to see that it is whole, names it by its digest,
 * takes its fingerprint and measures, and packs its bytes. Memory holds a few images at a time and, of each image met,
 * digest and place of its fingerprint. What comes out does not depend on the order in which files arrive.
 *
 * I1  An image that the dataset or this import holds already is read, and neither decoded nor packed again.
 * I2  What the parts of an earlier attempt hold is not read again where the source can tell that the file is the same.
 */
import path from 'node:path'
import { deletedImages, everyTenth, forEachInFlight, readImages, refuseDeleted, type ImageFacts } from '#core/datasets'
import { isPlatformError } from '#core/errors'
import type { Progress } from '#core/execution'
import { inspectImage, perceptualHash, type ImageInspection } from '#core/images'
import { canonicalJson, sha256Hex, type ObjectStore } from '#core/storage'
import { MAX_FILE_BYTES, type Annotation, type Arrival, type Source } from './arrivals.ts'
import { inOrder } from './in-order.ts'
import { formerParts, NO_IMAGE, openParts, Parts, type PartRow, type PartsOptions, type Said } from './parts.ts'
import { Spool } from './spool.ts'

/** Files read and decoded at once: enough to keep libuv's four threads busy. */
const IN_FLIGHT = 8

/** Numbers of files of the source. */
export interface IntakeCounts {
  readonly files: number
  /** Among them files whose bytes came before. */
  readonly duplicates: number
  readonly rejected: number
}

export interface Intake {
  readonly counts: IntakeCounts
  /** The first in ascending order of paths; null where nothing was refused. */
  readonly firstRejected: { readonly path: string; readonly reason: string } | null
  /** Local Parquet files with the rows of all files; together the view `parts`. */
  readonly parts: readonly string[]
  /** Rows of an earlier attempt whose file is another one now, or gone. */
  readonly stale: readonly Pick<PartRow, 'path' | 'digest'>[]
  /** `grey32` of images met, by digest. */
  greysOf(digests: readonly string[]): Promise<Map<string, Uint8Array>>
  /** Ends the use of the spool file. */
  close(): void
}

export interface IntakeOptions extends PartsOptions {
  readonly signal: AbortSignal
  /** Digests of the images that the dataset holds. */
  readonly held: ReadonlySet<string>
  /** Leaves the bytes where they are, for sources that can name their place. */
  readonly reference: boolean
  progress(progress: Progress): void
}

/** @throws the signal's reason when it is aborted; what the source throws when it breaks off. */
export async function takeIn(source: Source, options: IntakeOptions): Promise<Intake> {
  const { directory, signal, held, progress } = options
  const former = await formerParts(options)
  const known = await knownFiles(former, directory)
  const parts = new Parts(options, former)
  const spool = new Spool(path.join(directory, 'greys'))
  /** Digest → place in the spool; −1 where the picture is to be decoded again. */
  const met = new Map<string, number>()
  for (const { digest } of known.values()) if (digest !== NO_IMAGE) met.set(digest, -1)
  const counts = { files: 0, duplicates: 0, rejected: 0 }
  const seen = new Set<string>()
  const deleted = await deletedImages(options.store)
  let firstRejected: Intake['firstRejected'] = null
  const report = everyTenth(() => progress({ done: counts.files, ...totalOf(source), unit: 'images' }))

  const take = async (arrival: Arrival): Promise<Seen> => {
    signal.throwIfAborted()
    const before = known.get(arrival.path)
    if (before && before.stamp !== null && before.stamp === arrival.stamp) return { arrival, ...before, isKnown: true }
    const found = await inspected(arrival, async (digest) => {
      if (deleted.has(digest)) await refuseDeleted(options.store, digest)
      return met.has(digest) || held.has(digest)
    })
    const isKnown = before !== undefined && before.digest === found.digest && before.reason === found.reason
    return { arrival, ...found, isKnown }
  }
  const keep = async ({ arrival, digest, reason, isKnown, image }: Seen): Promise<void> => {
    counts.files++
    if (reason !== null) {
      counts.rejected++
      if (!firstRejected || arrival.path < firstRejected.path) firstRejected = { path: arrival.path, reason }
    } else if (seen.has(digest)) counts.duplicates++
    else seen.add(digest)
    report()
    if (isKnown) return void known.delete(arrival.path)
    const said = { path: arrival.path, stamp: arrival.stamp ?? null, digest, reason, ...saidOf(arrival.annotation) }
    if (!image || met.has(digest)) return parts.add(said, null) // The same bytes may have been decoded beside this file.
    const { grey32, ...facts } = image.inspection
    met.set(digest, spool.append(grey32))
    const row = { ...said, ...facts, sizeBytes: image.bytes.length, look: perceptualHash(grey32), offset: 0 }
    const location = options.reference ? arrival.location : undefined
    return location ? parts.add({ ...row, ...location }, null) : parts.add(row, image.bytes)
  }

  try {
    const files = { pieces: IN_FLIGHT, bytesOf: ({ sizeBytes }: Arrival) => sizeBytes, mostBytes: MAX_FILE_BYTES }
    for await (const file of inOrder(source.files, files, take)) await keep(file)
    await parts.end()
    progress({ done: counts.files, total: counts.files, unit: 'images' })
  } catch (error) {
    spool.close()
    throw error
  }
  return {
    counts,
    firstRejected,
    parts: parts.files,
    stale: [...known].map(([path, { digest }]) => ({ path, digest })),
    greysOf: (digests) => greysOf(digests, { met, spool, store: options.store, parts: parts.files, directory }),
    close: () => spool.close(),
  }
}

interface Found {
  readonly digest: string
  readonly reason: string | null
  /** Of an image that nobody holds. */
  readonly image?: { readonly bytes: Uint8Array; readonly inspection: ImageInspection }
}

interface Seen extends Found {
  readonly arrival: Arrival
  /** A part holds a row that says the same. */
  readonly isKnown: boolean
}

/** I1. */
async function inspected(arrival: Arrival, isHeld: (digest: string) => Promise<boolean>): Promise<Found> {
  try {
    const bytes = await arrival.read()
    const digest = sha256Hex(bytes)
    if (await isHeld(digest)) return { digest, reason: null }
    return { digest, reason: null, image: { bytes, inspection: await inspectImage(bytes) } }
  } catch (error) {
    if (!isPlatformError(error) || !error.code.startsWith('IMAGE_')) throw error
    return { digest: NO_IMAGE, reason: error.message }
  }
}

interface KnownFile {
  readonly stamp: string | null
  readonly digest: string
  readonly reason: string | null
}

/** What earlier parts say of each file, by its path. */
async function knownFiles(parts: readonly string[], directory: string): Promise<Map<string, KnownFile>> {
  const known = new Map<string, KnownFile>()
  if (parts.length === 0) return known
  const session = await openParts(parts, directory)
  try {
    for await (const rows of session.batches<KnownFile & { path: string }>(
      'SELECT path, stamp, digest, reason FROM parts',
    ))
      for (const { path, ...file } of rows) known.set(path, file)
  } finally {
    session.close()
  }
  return known
}

function saidOf({ label, tags, attributes, split, boxes }: Annotation = {}): Said {
  return {
    saidLabel: label ?? null,
    saidTags: tags && tags.length > 0 ? tags : null,
    saidAttributes: attributes && Object.keys(attributes).length > 0 ? canonicalJson(attributes) : null,
    saidSplit: split ?? null,
    saidBoxes: boxes ? JSON.stringify(boxes) : null,
  }
}

function totalOf({ total }: Source): { total?: number } {
  return total === undefined ? {} : { total }
}

interface Greys {
  readonly met: ReadonlyMap<string, number>
  readonly spool: Spool
  readonly store: ObjectStore
  readonly parts: readonly string[]
  readonly directory: string
}

const GREY_BYTES = 32 * 32

/** From the spool, or decoded from the packs of an earlier attempt. */
async function greysOf(digests: readonly string[], { met, spool, ...rest }: Greys): Promise<Map<string, Uint8Array>> {
  const greys = new Map<string, Uint8Array>()
  const packed: string[] = []
  for (const digest of digests) {
    const place = met.get(digest)
    if (place === undefined) continue
    if (place < 0) packed.push(digest)
    else greys.set(digest, spool.read(place, GREY_BYTES))
  }
  if (packed.length === 0) return greys
  const session = await openParts(rest.parts, rest.directory)
  try {
    const places = await session.query<ImageFacts>(
      `SELECT digest, pack, "offset", "sizeBytes", uri, etag FROM parts
       WHERE width IS NOT NULL AND digest IN (SELECT unnest(string_split($1, ',')))`,
      [packed.join(',')],
    )
    for (const [digest, grey] of await decodeGreys(rest.store, places)) greys.set(digest, grey)
  } finally {
    session.close()
  }
  return greys
}

/** `grey32` of stored images, by digest. */
export async function decodeGreys(
  store: ObjectStore,
  places: readonly ImageFacts[],
): Promise<ReadonlyMap<string, Uint8Array>> {
  const greys = new Map<string, Uint8Array>()
  await forEachInFlight(readImages(store, places), { pieces: IN_FLIGHT }, async ({ digest, bytes }) => {
    greys.set(digest, (await inspectImage(bytes)).grey32)
  })
  return greys
}
