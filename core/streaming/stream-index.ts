/**
 * The index of a stream: where each sample lies and which class it has, as one compact file that TypeScript and Python
 * read alike, without a reader of tables. It is made once for a version and a choice of images, and kept in the store.
 *
 * Little endian: the 8 bytes `GYRESTR1`; the length of the header as uint32; the header, JSON, padded with blanks until
 * the columns begin at a multiple of 8; then the columns one after the other, samples in the order of their bytes:
 *
 *   blocks   uint32 [blocks + 1]   first sample of each block, and the number of samples
 *   place    uint32 [samples]      number in the header's list of places
 *   offset   uint32 [samples]      of the image file's first byte at its place
 *   size     uint32 [samples]      bytes
 *   label    int32  [samples]      number in the header's list of classes, −1 where there is none
 *   digest   uint8  [samples, 32]  SHA-256 of the image file
 */
import { open } from 'node:fs/promises'
import path from 'node:path'
import { openVersion, withScratch, type Split } from '#core/datasets'
import { isPlatformError, PlatformError } from '#core/errors'
import type { BlobRef, DatasetVersion } from '#core/steps'
import { blobKey, canonicalJson, digestJson, putBlobFile, readBlob, type ObjectStore } from '#core/storage'

const MAGIC = 'GYRESTR1'
const DIGEST_BYTES = 32
/** A gap (images of the other split, say) that costs more to read over than to begin another block. */
const MOST_GAP_BYTES = 64 * 1024

/** Which images of a version a stream gives, and in which pieces. Excluded ones never are among them. */
export interface Choice {
  readonly split: Split | 'all'
  /** Also images without a label. */
  readonly unlabelled: boolean
  /** What one read takes at most, or one image: large beside the cost of a request, small enough to mix from many places. */
  readonly blockBytes: number
}

/** Where bytes lie: a pack in the store, or the one file of an image that stays outside. */
export type Place = { readonly sha256: string } | { readonly uri: string; readonly etag: string | null }

export interface StreamHeader {
  readonly dataset: string
  readonly version: string
  readonly samples: number
  readonly blocks: number
  readonly classes: readonly string[]
  readonly places: readonly Place[]
}

/** Columns as above, of an index in memory: 52 bytes a sample. */
export interface StreamIndex extends StreamHeader {
  readonly blockStarts: Uint32Array
  /** Block of each sample; computed. */
  readonly blockOf: Uint32Array
  readonly place: Uint32Array
  readonly offset: Uint32Array
  readonly size: Uint32Array
  readonly label: Int32Array
  readonly digest: Uint8Array
}

/** The index in the store; made now unless it is there. */
export async function streamIndexBlob(
  store: ObjectStore,
  version: Pick<DatasetVersion, 'dataset' | 'version'>,
  choice: Choice,
): Promise<BlobRef> {
  const key = `cache/streams/${digestJson({ ...choice, version: version.version })}.json`
  const kept = await keptBlob(store, key)
  if (kept) return kept
  const samples = await chosenSamples(store, version, choice)
  const blob = await withScratch(async (directory) => {
    const file = path.join(directory, 'stream.index')
    await writeIndex(file, samples, { ...version, blockBytes: choice.blockBytes })
    return putBlobFile(store, file)
  })
  await store.create(key, Buffer.from(canonicalJson(blob)))
  return blob
}

/** The record's blob, unless it was collected since. */
async function keptBlob(store: ObjectStore, key: string): Promise<BlobRef | null> {
  const record = await store.get(key).catch((error: unknown) => {
    if (isPlatformError(error) && error.code === 'OBJECT_NOT_FOUND') return null
    throw error
  })
  if (!record) return null
  const blob = JSON.parse(Buffer.from(record).toString()) as BlobRef
  return (await store.head(blobKey(blob.sha256))) && blob
}

interface Sample {
  readonly digest: string
  readonly pack: string | null
  readonly uri?: string | null
  readonly etag?: string | null
  readonly offset: number
  readonly sizeBytes: number
  readonly label: string | null
}

/** In the order of their bytes, pack by pack; images outside the store last. */
async function chosenSamples(
  store: ObjectStore,
  version: Pick<DatasetVersion, 'dataset' | 'version'>,
  { split, unlabelled }: Choice,
): Promise<Sample[]> {
  const reader = await openVersion(store, version)
  const facts = await reader.facts()
  const samples: Sample[] = []
  for (const [row, given] of (await reader.labels()).entries())
    if (given.excluded === null && (split === 'all' || given.split === split) && (unlabelled || given.label !== null))
      samples.push({ ...facts[row]!, label: given.label })
  if (samples.length === 0)
    throw new PlatformError(
      'DATASET_EMPTY',
      `version ${version.version.slice(0, 12)} of ${version.dataset} has no ${unlabelled ? '' : 'labelled '}image in ` +
        `${split === 'all' ? 'any split' : `the ${split} split`}; label some, or ask for another split`,
      { dataset: version.dataset, version: version.version, split, unlabelled },
    )
  return samples.sort((a, b) => compare(placeName(a), placeName(b)) || a.offset - b.offset)
}

function placeName({ pack, uri }: Sample): string {
  return pack ?? `~${uri}`
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1
}

async function writeIndex(
  file: string,
  samples: readonly Sample[],
  { dataset, version, blockBytes }: Pick<DatasetVersion, 'dataset' | 'version'> & Pick<Choice, 'blockBytes'>,
): Promise<void> {
  const { places, placeOf } = placesOf(samples)
  const classes = [...new Set(samples.map(({ label }) => label))].filter((label) => label !== null).sort()
  const classOf = new Map(classes.map((name, number) => [name, number]))
  const blockStarts = cutBlocks(samples, blockBytes)
  const header: StreamHeader = {
    dataset,
    version,
    samples: samples.length,
    blocks: blockStarts.length - 1,
    classes,
    places,
  }
  const digests = Buffer.alloc(samples.length * DIGEST_BYTES)
  for (const [i, { digest }] of samples.entries()) digests.write(digest, i * DIGEST_BYTES, 'hex')
  const handle = await open(file, 'w')
  try {
    for (const part of [
      headerBytes(header),
      Uint32Array.from(blockStarts),
      placeOf,
      Uint32Array.from(samples, ({ offset }) => offset),
      Uint32Array.from(samples, ({ sizeBytes }) => sizeBytes),
      Int32Array.from(samples, ({ label }) => (label === null ? -1 : classOf.get(label)!)),
      digests,
    ])
      await handle.writeFile(new Uint8Array(part.buffer, part.byteOffset, part.byteLength))
  } finally {
    await handle.close()
  }
}

function headerBytes(header: StreamHeader): Buffer {
  const json = Buffer.from(JSON.stringify(header))
  const start = MAGIC.length + 4
  const bytes = Buffer.alloc(Math.ceil((start + json.length) / 8) * 8, ' ')
  bytes.write(MAGIC, 0, 'latin1')
  bytes.writeUInt32LE(bytes.length - start, MAGIC.length)
  json.copy(bytes, start)
  return bytes
}

function placesOf(samples: readonly Sample[]): { places: Place[]; placeOf: Uint32Array } {
  const places: Place[] = []
  const placeOf = new Uint32Array(samples.length)
  for (const [i, sample] of samples.entries()) {
    const before = samples[i - 1]
    if (!before || placeName(before) !== placeName(sample))
      places.push(sample.pack === null ? { uri: sample.uri!, etag: sample.etag ?? null } : { sha256: sample.pack })
    placeOf[i] = places.length - 1
  }
  return { places, placeOf }
}

/** First samples of runs that are read at once: at one place, near each other, and at most `blockBytes` or one image. */
function cutBlocks(samples: readonly Sample[], blockBytes: number): number[] {
  const starts: number[] = []
  for (const [i, sample] of samples.entries()) {
    const first = samples[starts.at(-1)!]
    const before = samples[i - 1]
    const joins =
      first &&
      placeName(first) === placeName(sample) &&
      sample.offset + sample.sizeBytes - first.offset <= blockBytes &&
      sample.offset - (before!.offset + before!.sizeBytes) <= MOST_GAP_BYTES
    if (!joins) starts.push(i)
  }
  return [...starts, samples.length]
}

/** @throws {PlatformError} `OBJECT_CORRUPT` when the blob is no index. */
export async function readStreamIndex(store: ObjectStore, blob: BlobRef): Promise<StreamIndex> {
  const bytes = Buffer.from(await readBlob(store, blob))
  if (bytes.toString('latin1', 0, MAGIC.length) !== MAGIC)
    throw new PlatformError('OBJECT_CORRUPT', `blob ${blob.sha256} is no index of a stream; remove it`, { ...blob })
  const start = MAGIC.length + 4
  const length = bytes.readUInt32LE(MAGIC.length)
  const header = JSON.parse(bytes.toString('utf8', start, start + length)) as StreamHeader
  // A copy of their own, since a slice of a Buffer need not begin at a multiple of four.
  const columns = new Uint8Array(bytes.subarray(start + length)).buffer
  let at = 0
  const next = <T>(make: (buffer: ArrayBuffer, offset: number, length: number) => T, count: number, width = 4): T => {
    const column = make(columns, at, count)
    at += count * width
    return column
  }
  const numbers = (count: number): Uint32Array => next((...from) => new Uint32Array(...from), count)
  const { samples, blocks } = header
  const blockStarts = numbers(blocks + 1)
  return {
    ...header,
    blockStarts,
    blockOf: blocksOf(blockStarts, samples),
    place: numbers(samples),
    offset: numbers(samples),
    size: numbers(samples),
    label: next((...from) => new Int32Array(...from), samples),
    digest: next((...from) => new Uint8Array(...from), samples * DIGEST_BYTES, 1),
  }
}

function blocksOf(blockStarts: Uint32Array, samples: number): Uint32Array {
  const blockOf = new Uint32Array(samples)
  for (let block = 0; block < blockStarts.length - 1; block++)
    blockOf.fill(block, blockStarts[block], blockStarts[block + 1])
  return blockOf
}

/** Lower-case hex. */
export function digestAt({ digest }: StreamIndex, sample: number): string {
  return Buffer.from(digest.buffer, digest.byteOffset + sample * DIGEST_BYTES, DIGEST_BYTES).toString('hex')
}
