/**
 * Reads image files out of .zip, .tar and .tar.gz archives, which may come from anywhere. Nothing is ever unpacked to
 * a path that an archive names: entries go to memory, one after the other, and what does not begin like an image is
 * dropped after its first bytes, so that a bomb of zeros costs little.
 *
 * A1  An entry gives at most `MAX_FILE_BYTES`: one that declares more is refused, none may give more than it declares.
 * A2  An archive gives at most `MAX_ENTRIES` files; one with more is refused.
 */
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { createGunzip } from 'node:zlib'
import { extract, type Header } from 'tar-stream'
import yauzl from 'yauzl'
import { PlatformError, isPlatformError } from '#core/errors'
import { SNIFF_BYTES, startsLikeImage } from '#core/images'
import { arrived, isHidden, refused, refusedBySize, type Arrival, type Source, type Take } from './arrivals.ts'

const MAX_ENTRIES = 20_000_000

/**
 * @param take - which entries, where not all images are meant.
 * @throws {PlatformError} `DATASET_SOURCE_UNREADABLE` when the file is no archive or ends too early.
 */
export async function openArchive(file: string, take?: Take): Promise<Source> {
  const kind = await archiveKind(file)
  if (kind === 'zip') return openZip(file, take)
  return { files: tarFiles(file, kind, take) }
}

async function archiveKind(file: string): Promise<'zip' | 'tar' | 'tar.gz'> {
  const handle = await open(file, 'r')
  const start = Buffer.alloc(512)
  try {
    await handle.read(start, 0, start.length, 0)
  } finally {
    await handle.close()
  }
  if (start.readUInt16BE(0) === 0x1f8b) return 'tar.gz'
  if (start.toString('latin1', 257, 262) === 'ustar') return 'tar'
  const zipMark = start.toString('latin1', 0, 4)
  if (zipMark === 'PK\x03\x04' || zipMark === 'PK\x05\x06') return 'zip'
  throw unreadable(file, 'is neither a folder nor a .zip, .tar or .tar.gz archive')
}

async function openZip(file: string, take?: Take): Promise<Source> {
  // Names are decoded here: yauzl's own check would end the whole import at the first hostile name.
  const zip = await yauzl.openPromise(file, { decodeStrings: false }).catch((error: unknown) => {
    throw unreadable(file, 'is not a readable zip archive', error)
  })
  return { total: zip.entryCount, files: zipFiles(file, zip, take) }
}

async function* zipFiles(file: string, zip: yauzl.ZipFile, take?: Take): AsyncIterable<Arrival> {
  try {
    let count = 0
    for await (const entry of zip.eachEntry()) {
      const name = yauzl.getFileNameLowLevel(entry.generalPurposeBitFlag, entry.fileNameRaw, entry.extraFields, false)
      if (name.endsWith('/')) continue
      checkCount(file, ++count)
      if (isHidden(name) && !leadsOutside(name)) continue
      const most = take?.(name, () => entry.uncompressedSize)
      if (most === 0) continue
      yield leadsOutside(name)
        ? refused(name, 'its path leads outside the archive')
        : entry.isEncrypted()
          ? refused(name, 'encrypted')
          : await zipArrival(name, zip, entry, most)
    }
  } catch (error) {
    throw isPlatformError(error) ? error : unreadable(file, 'is damaged or ends too early', error)
  }
}

/** An entry that cannot be unpacked is refused alone: the central directory tells where the others lie. */
async function zipArrival(name: string, zip: yauzl.ZipFile, entry: yauzl.Entry, most?: number): Promise<Arrival> {
  const tooLarge = refusedBySize(name, Math.min(entry.uncompressedSize, most ?? Infinity))
  if (tooLarge) return tooLarge
  try {
    const gathered = new Gathering(most)
    const body = await zip.openReadStreamPromise(entry)
    for await (const part of body as AsyncIterable<Uint8Array>) if (!gathered.wants(part)) break
    return arrived(name, gathered.bytes())
  } catch {
    return refused(name, 'damaged inside the archive')
  }
}

async function* tarFiles(file: string, kind: 'tar' | 'tar.gz', take?: Take): AsyncIterable<Arrival> {
  const entries = extract()
  const raw = createReadStream(file, { highWaterMark: 1 << 20 })
  const fail = (error: Error): void => void entries.destroy(error)
  const plain = kind === 'tar' ? raw : raw.on('error', fail).pipe(createGunzip())
  plain.on('error', fail).pipe(entries)
  try {
    let count = 0
    for await (const entry of entries) {
      const arrival = await tarArrival(entry.header, entry as unknown as AsyncIterable<Uint8Array>, take)
      entry.resume()
      if (arrival) {
        checkCount(file, ++count)
        yield arrival
      }
    }
  } catch (error) {
    throw isPlatformError(error) ? error : unreadable(file, 'is damaged or ends too early', error)
  } finally {
    raw.destroy()
  }
}

async function tarArrival(
  { name: raw, type, size }: Header,
  body: AsyncIterable<Uint8Array>,
  take?: Take,
): Promise<Arrival | null> {
  const name = raw.replace(/^(\.\/+)+/, '')
  if (type === 'directory' || name === '' || (isHidden(name) && !leadsOutside(name))) return null
  const most = take?.(name, () => size ?? 0)
  if (most === 0) return null
  if (leadsOutside(name)) return refused(name, 'its path leads outside the archive')
  if (type === 'symlink' || type === 'link') return refused(name, 'a link inside an archive')
  if (type !== 'file' && type !== 'contiguous-file') return refused(name, 'not a regular file')
  return refusedBySize(name, Math.min(size ?? 0, most ?? Infinity)) ?? arrived(name, await tarBytes(body, most))
}

/** Reads the entry now, since a tar gives its entries only in passing. */
async function tarBytes(body: AsyncIterable<Uint8Array>, most?: number): Promise<Uint8Array> {
  const gathered = new Gathering(most)
  // Leaving this loop early would end the whole archive, so the rest of what is no image is read and dropped.
  for await (const part of body) gathered.wants(part)
  return gathered.bytes()
}

/** The first bytes of one entry, so many as are wanted; where nobody said how many, all of an image and the start of all else. */
class Gathering {
  readonly #parts: Uint8Array[] = []
  readonly #most: number | null
  #length = 0
  #isImage: boolean | null = null

  constructor(most?: number) {
    this.#most = most ?? null
  }

  /** Takes the next bytes. @returns false when no more are wanted. */
  wants(part: Uint8Array): boolean {
    if (this.#isImage === false || (this.#most !== null && this.#length >= this.#most)) return false
    this.#parts.push(part)
    this.#length += part.length
    if (this.#most !== null) return this.#length < this.#most
    if (this.#isImage === null && this.#length >= SNIFF_BYTES) this.#isImage = startsLikeImage(this.bytes())
    return this.#isImage !== false
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#parts, Math.min(this.#length, this.#most ?? Infinity))
  }
}

function leadsOutside(name: string): boolean {
  return name.startsWith('/') || /^[a-z]:/i.test(name) || name.split(/[/\\]/).includes('..')
}

function checkCount(file: string, count: number): void {
  if (count > MAX_ENTRIES) throw unreadable(file, `holds more than ${MAX_ENTRIES} files; split it`)
}

function unreadable(file: string, trouble: string, cause?: unknown): PlatformError {
  return new PlatformError('DATASET_SOURCE_UNREADABLE', `${file} ${trouble}`, { source: file }, { cause })
}
