/**
 * What an import has done so far, part by part: each part is the log of some thousand files and, where they held new
 * images, one pack with those. A part is recorded in the store when its pack is there, so that an attempt that starts
 * again skips what the parts hold.
 *
 * Kept under `datasets/<dataset>/imports/<import>/<number>.parquet` until the version is published.
 */
import path from 'node:path'
import { factColumns, PackWriter, type StoredFacts } from '#core/datasets'
import { putBlobFile, type ObjectStore } from '#core/storage'
import { openTableSession, writeParquet, type Columns, type TableSession } from '#core/tables'

/** A part ends with its pack, or after so many files: what a kill costs is a few seconds of work. */
const PART_FILES = 16_384

/** What a source says of the image in a file, as in a part. */
export interface Said {
  readonly saidLabel: string | null
  readonly saidTags: readonly string[] | null
  /** A canonical JSON object. */
  readonly saidAttributes: string | null
  readonly saidSplit: string | null
  /** A JSON list; null where the source does not speak of boxes. */
  readonly saidBoxes: string | null
}

/** One file of the source: refused for a reason, or an image; facts only where its bytes were met for the first time. */
export interface PartRow extends Said, Partial<{ -readonly [K in keyof StoredFacts]: StoredFacts[K] }> {
  readonly path: string
  /** What changes when the file does; null where nothing tells. */
  readonly stamp: string | null
  readonly digest: string
  readonly reason: string | null
}

/** Stands for the digest of a refused file. */
export const NO_IMAGE = ''

const { group: _, source: __, ...placeAndFacts } = factColumns

export const partColumns: Columns = {
  ...placeAndFacts,
  path: 'text',
  stamp: 'text',
  reason: 'text',
  saidLabel: 'text',
  saidTags: 'texts',
  saidAttributes: 'text',
  saidSplit: 'text',
  saidBoxes: 'text',
}

export interface PartsOptions {
  readonly store: ObjectStore
  /** A local folder. */
  readonly directory: string
  /** Key prefix of the records, ending with `/`; null keeps none: what is small is done again. */
  readonly records: string | null
  readonly partFiles?: number
}

/** Writes parts, after those that an earlier attempt left. */
export class Parts {
  readonly #options: PartsOptions
  /** Local Parquet files of all parts so far. */
  readonly files: string[]
  #rows: PartRow[] = []
  #packed: PartRow[] = []
  #pack: PackWriter | null = null

  constructor(options: PartsOptions, former: readonly string[]) {
    this.#options = options
    this.files = [...former]
  }

  /** @param bytes - of a new image that is to be packed. */
  async add(row: PartRow, bytes: Uint8Array | null): Promise<void> {
    if (
      this.#rows.length >= (this.#options.partFiles ?? PART_FILES) ||
      (bytes && this.#pack && !this.#pack.hasRoomFor(bytes.length))
    )
      await this.end()
    this.#rows.push(row)
    if (!bytes) return
    this.#pack ??= new PackWriter(path.join(this.#options.directory, `pack-${this.files.length}.tar`))
    row.offset = this.#pack.add({ digest: row.digest, format: row.format! }, bytes)
    this.#packed.push(row)
  }

  /** Stores what was added since the last part. */
  async end(): Promise<void> {
    if (this.#rows.length === 0) return
    const { store, directory, records } = this.#options
    if (this.#pack) {
      this.#pack.close()
      const { sha256 } = await putBlobFile(store, this.#pack.file)
      for (const row of this.#packed) row.pack = sha256
    }
    const file = path.join(directory, `part-${this.files.length}.parquet`)
    await writeParquet(file, partColumns, this.#rows)
    // Where another attempt was faster, its part holds the same files; this one goes on with its own.
    if (records !== null) await store.createFromFile(recordKey(records, this.files.length), file)
    this.files.push(file)
    this.#rows = []
    this.#packed = []
    this.#pack = null
  }
}

function recordKey(records: string, number: number): string {
  return `${records}${String(number).padStart(6, '0')}.parquet`
}

/** @returns local files of the parts that an earlier attempt recorded, in order. */
export async function formerParts({ store, directory, records }: PartsOptions): Promise<string[]> {
  const files: string[] = []
  if (records !== null)
    for await (const { key } of store.list(records)) files.push(await store.localFile(key, directory))
  return files
}

/** When the version is published, nobody needs the records any more. */
export async function forgetParts({ store, records }: PartsOptions): Promise<void> {
  if (records !== null) for await (const { key } of store.list(records)) await store.delete(key)
}

/** Rows of parts as the view `parts`. @param directory - for what memory does not hold. */
export function openParts(files: readonly string[], directory: string): Promise<TableSession> {
  return openTableSession({ views: { parts: { base: files, deltas: [], columns: partColumns } }, directory })
}
