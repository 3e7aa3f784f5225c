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
import { withScratch, withTables, type Split } from '#core/datasets'
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
export async function streamIndexBlob(store: ObjectStore, version: VersionName, choice: Choice): Promise<BlobRef> {
  const key = `cache/streams/${digestJson({ ...choice, version: version.version })}.json`
  const kept = await keptBlob(store, key)
  if (kept) return kept
  const blob = await withScratch(async (directory) => {
    const file = path.join(directory, 'stream.index')
    await writeIndex(file, store, version, choice)
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

interface Row {
  readonly digest: string
  readonly pack: string | null
  readonly uri: string | null
  readonly etag: string | null
  readonly offset: number
  readonly sizeBytes: number
  readonly label: string | null
}

type VersionName = Pick<DatasetVersion, 'dataset' | 'version'>

async function writeIndex(file: string, store: ObjectStore, version: VersionName, choice: Choice): Promise<void> {
  const columns = await chosenColumns(store, version, choice)
  const { classes, places, blockStarts, place, offset, size, label, digest } = columns
  const { dataset, version: name } = version
  const header: StreamHeader = {
    dataset,
    version: name,
    samples: place.length,
    blocks: blockStarts.length - 1,
    classes,
    places,
  }
  const handle = await open(file, 'w')
  try {
    for (const part of [headerBytes(header), blockStarts, place, offset, size, label, digest])
      await handle.writeFile(new Uint8Array(part.buffer, part.byteOffset, part.byteLength))
  } finally {
    await handle.close()
  }
}

type Columns = Omit<StreamIndex, keyof StreamHeader | 'blockOf'> & Pick<StreamHeader, 'classes' | 'places'>

/** The chosen images in the order of their bytes, pack by pack; those outside the store last. */
async function chosenColumns(store: ObjectStore, version: VersionName, choice: Choice): Promise<Columns> {
  return withTables(store, version, async (tables) => {
    const chosen = conditionOf(choice)
    const [{ samples } = { samples: 0 }] = await tables.query<{ samples: number }>(
      `SELECT count(*)::INTEGER AS samples FROM labels WHERE ${chosen}`,
    )
    if (samples === 0) throw nothingChosen(version, choice)
    const named = await tables.query<{ label: string }>(
      `SELECT DISTINCT label FROM labels WHERE ${chosen} AND label IS NOT NULL ORDER BY label`,
    )
    const classes = named.map(({ label }) => label)
    const columns = new ColumnBuilder(samples, classes, choice.blockBytes)
    for await (const rows of tables.batches<Row>(
      `SELECT digest, pack, uri, etag, "offset", "sizeBytes", label
       FROM facts JOIN (SELECT digest, label FROM labels WHERE ${chosen}) USING (digest)
       ORDER BY pack NULLS LAST, uri, "offset"`,
    ))
      for (const row of rows) columns.add(row)
    return columns.built()
  })
}

function conditionOf({ split, unlabelled }: Choice): string {
  const conditions = ['excluded IS NULL']
  if (split !== 'all') conditions.push(`split = '${split}'`)
  if (!unlabelled) conditions.push('label IS NOT NULL')
  return conditions.join(' AND ')
}

function nothingChosen({ dataset, version }: VersionName, { split, unlabelled }: Choice): PlatformError {
  const where = split === 'all' ? 'any split' : `the ${split} split`
  return new PlatformError(
    'DATASET_EMPTY',
    `version ${version.slice(0, 12)} of ${dataset} has no ${unlabelled ? '' : 'labelled '}image in ${where}; ` +
      `${unlabelled ? 'ask' : 'label some, or ask'} for another split`,
    { dataset, version, split, unlabelled },
  )
}

/** Takes rows in the order of their bytes. */
class ColumnBuilder {
  readonly #places: Place[] = []
  readonly #blockStarts: number[] = []
  readonly #place: Uint32Array
  readonly #offset: Uint32Array
  readonly #size: Uint32Array
  readonly #label: Int32Array
  readonly #digest: Buffer
  readonly #classOf: ReadonlyMap<string, number>
  #count = 0
  #placeName = ''

  constructor(
    samples: number,
    private readonly classes: readonly string[],
    private readonly blockBytes: number,
  ) {
    this.#place = new Uint32Array(samples)
    this.#offset = new Uint32Array(samples)
    this.#size = new Uint32Array(samples)
    this.#label = new Int32Array(samples)
    this.#digest = Buffer.alloc(samples * DIGEST_BYTES)
    this.#classOf = new Map(classes.map((name, number) => [name, number]))
  }

  add({ digest, pack, uri, etag, offset, sizeBytes, label }: Row): void {
    const name = pack ?? `~${uri}`
    const elsewhere = name !== this.#placeName
    if (elsewhere) this.#places.push(pack === null ? { uri: uri!, etag } : { sha256: pack })
    if (elsewhere || !this.#joinsBlock(offset, sizeBytes)) this.#blockStarts.push(this.#count)
    this.#placeName = name
    this.#place[this.#count] = this.#places.length - 1
    this.#offset[this.#count] = offset
    this.#size[this.#count] = sizeBytes
    this.#label[this.#count] = label === null ? -1 : this.#classOf.get(label)!
    this.#digest.write(digest, this.#count * DIGEST_BYTES, 'hex')
    this.#count++
  }

  /** A block is read at once: its images lie near each other, and take `blockBytes` or are one alone. */
  #joinsBlock(offset: number, sizeBytes: number): boolean {
    const first = this.#blockStarts.at(-1)!
    const last = this.#count - 1
    const gap = offset - (this.#offset[last]! + this.#size[last]!)
    return offset + sizeBytes - this.#offset[first]! <= this.blockBytes && gap <= MOST_GAP_BYTES
  }

  built(): Columns {
    return {
      classes: this.classes,
      places: this.#places,
      blockStarts: Uint32Array.from([...this.#blockStarts, this.#count]),
      place: this.#place,
      offset: this.#offset,
      size: this.#size,
      label: this.#label,
      digest: this.#digest,
    }
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
