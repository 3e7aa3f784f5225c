/**
 * Where a format lies: a tree of files (folder, archive, bucket), or one file of annotations with its images beside it.
 * Either is gone through twice: once for what is said, once for the images.
 */
import { readFileSync } from 'node:fs'
import { open, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { isPlatformError, PlatformError } from '#core/errors'
import {
  MAX_FILE_BYTES,
  refused,
  refusedBySize,
  type Annotation,
  type Arrival,
  type Source,
  type Take,
} from '../arrivals.ts'
import { openSource } from '../source.ts'
import type { Book } from './book.ts'
import { cleanPath } from './paths.ts'

export interface OpenOptions {
  readonly signal?: AbortSignal
  /** Of a video: seconds from one frame to the next. */
  readonly everySeconds?: number
}

export interface Place {
  /** As the person wrote it. */
  readonly source: string
  /** The file that the source itself is, where it is no tree. */
  readonly file: string | null
}

/** A tree when it is a folder, an archive or a bucket; else a file. @throws {PlatformError} `DATASET_SOURCE_NOT_FOUND`. */
export async function placeOf(source: string): Promise<Place> {
  if (source.startsWith('s3://')) return { source, file: null }
  const facts = await stat(source).catch((cause: unknown) => {
    throw new PlatformError('DATASET_SOURCE_NOT_FOUND', `nothing is at ${source}`, { source }, { cause })
  })
  const tree = facts.isDirectory() || isArchive(await firstBytes(source, 512))
  return { source, file: tree ? null : source }
}

export function isArchive(start: Uint8Array): boolean {
  const text = Buffer.from(start).toString('latin1')
  return (
    text.startsWith('PK\x03\x04') ||
    text.startsWith('PK\x05\x06') ||
    text.startsWith('\x1f\x8b') ||
    text.slice(257, 262) === 'ustar'
  )
}

export async function firstBytes(file: string, count: number): Promise<Uint8Array> {
  const handle = await open(file, 'r')
  try {
    const { buffer, bytesRead } = await handle.read(new Uint8Array(count), 0, count, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}

export interface SideFile {
  readonly path: string
  readonly bytes: Uint8Array
}

/**
 * Gives the files that speak of images, one after the other. Those larger than `most` says are named in the notes.
 *
 * @param most - bytes that a file may have, 0 for one that is no such file.
 */
export async function* sideFiles(
  place: Place,
  most: (path: string) => number,
  { notes }: Book,
  { signal }: OpenOptions = {},
): AsyncIterable<SideFile> {
  const take: Take = (name, sizeOf) => {
    const bound = most(name)
    if (bound === 0 || sizeOf() <= bound) return bound
    notes.add(`a file of annotations has more than ${bound / 1024 / 1024} MiB and was left out`, name)
    return 0
  }
  const files = place.file === null ? (await openSource(place.source, take)).files : oneFile(place.file, take)
  for await (const arrival of files) {
    signal?.throwIfAborted()
    const bytes = await arrival.read().catch((error: unknown) => {
      if (!isPlatformError(error) || !error.code.startsWith('IMAGE_')) throw error
      notes.add(`a file of annotations ${error.message}`, arrival.path)
      return null
    })
    if (bytes) yield { path: arrival.path, bytes }
  }
}

async function* oneFile(file: string, take: Take): AsyncIterable<Arrival> {
  const name = path.basename(file)
  const { size } = await stat(file)
  if (take(name, () => size) > 0) yield { path: name, sizeBytes: size, read: () => Promise.resolve(readFileSync(file)) }
}

export interface Images {
  readonly book: Book
  /** Files that are no images; they are passed over, where all else is an image or refused. */
  readonly isSide: (path: string) => boolean
  /** What is said of an image; by the book alone where left out. */
  readonly annotationOf?: (arrival: Arrival) => Promise<Said> | Said
}

/** An annotation, with the arrival again where its bytes had to be read for it. */
export interface Said {
  readonly annotation: Annotation | undefined
  readonly arrival?: Arrival
}

/** The images of a place, each with what is said of it. */
export async function annotatedImages(place: Place, { book, isSide, annotationOf }: Images): Promise<Source> {
  const images: Source = place.file === null ? await openSource(place.source) : namedFiles(place.file, book)
  const say = annotationOf ?? (({ path: name }: Arrival): Said => ({ annotation: book.find(name) }))
  async function* files(): AsyncIterable<Arrival> {
    for await (const arrival of images.files) {
      if (isSide(arrival.path)) continue
      const said = await say(arrival)
      const given = said.arrival ?? arrival
      yield said.annotation ? { ...given, annotation: said.annotation } : given
    }
    book.countMissing()
  }
  return sourceOf(book, files(), images.total)
}

/** A source whose notes and schema are read off the book when they are asked for. */
export function sourceOf(book: Book, files: AsyncIterable<Arrival>, total?: number): Source {
  return {
    files,
    ...(total !== undefined && { total }),
    get notes() {
      return book.notes.sentences()
    },
    get schema() {
      return book.schema.build()
    },
  } as Source
}

/** Only the images that the file names, as far as they lie in its folder: the rest of the folder is somebody else's. */
function namedFiles(file: string, book: Book): Source {
  async function* files(): AsyncIterable<Arrival> {
    const root = await realpath(path.dirname(file))
    for (const name of book.paths()) {
      const arrival = await namedFile(root, name)
      if (arrival) yield arrival
    }
  }
  return { files: files() }
}

/** Null where there is no such file: the book tells of it. */
async function namedFile(root: string, name: string): Promise<Arrival | null> {
  if (name.includes('\0')) return null
  const location = await realpath(path.join(root, cleanPath(name))).catch(() => null)
  if (location === null) return null
  if (!location.startsWith(root.endsWith(path.sep) ? root : root + path.sep))
    return refused(name, 'a name that leads outside the folder')
  const facts = await stat(location)
  if (!facts.isFile()) return refused(name, 'not a regular file')
  const read = (): Promise<Uint8Array> => readNamed(location, facts.size)
  return refusedBySize(name, facts.size) ?? { path: name, sizeBytes: facts.size, read }
}

async function readNamed(location: string, sizeBytes: number): Promise<Uint8Array> {
  try {
    return sizeBytes <= 256 * 1024
      ? readFileSync(location)
      : await firstBytes(location, Math.min(sizeBytes, MAX_FILE_BYTES))
  } catch (cause) {
    throw new PlatformError('IMAGE_UNREADABLE', 'vanished while it was being imported', {}, { cause })
  }
}
