/** What an import reads from: one file after the other, wherever it lies. */
import type { Box, LabelSchema, Split } from '#core/datasets'
import { PlatformError } from '#core/errors'

/** A file that may be an image. */
export interface Arrival {
  /** Relative to the source, `/`-separated. Shown to people, opaque to the engine. */
  readonly path: string
  /** Bytes that `read` gives. */
  readonly sizeBytes: number
  /** @throws {PlatformError} `IMAGE_UNREADABLE`: the file is refused, the import goes on. */
  read(): Promise<Uint8Array>
  /** Changes whenever the file does: size and time of change, an ETag. Left out where nobody can tell. */
  readonly stamp?: string
  /** Where the bytes stay when they are not copied. */
  readonly location?: { readonly uri: string; readonly etag: string }
  /** What the source says of the image; there once the arrival is. */
  readonly annotation?: Annotation
}

/** What a source says of one image; what it does not speak of is left out. */
export interface Annotation {
  /** Null: looked at, and without a label. */
  readonly label?: string | null
  readonly tags?: readonly string[]
  /** In pixels of the upright image; none: looked at, and nothing there. */
  readonly boxes?: readonly Omit<Box, 'digest' | 'number'>[]
  readonly attributes?: Readonly<Record<string, string | number | boolean>>
  readonly split?: Split
}

/** What an import reads: files, and what is said of them all. `schema` and `notes` are complete when `files` has ended. */
export interface Source {
  /** Number of files, where it is known beforehand. */
  readonly total?: number
  readonly files: AsyncIterable<Arrival>
  readonly schema?: LabelSchema
  /** What was found and not understood, one sentence each. */
  readonly notes?: readonly string[]
}

/**
 * Which files of a source are wanted, and how much of each: the first so many bytes, none of it for 0. Where nothing is
 * said, every file is given, but only images whole.
 */
export type Take = (path: string, sizeOf: () => number) => number

/** Larger files are refused unread: no image of 100 megapixels needs more. */
export const MAX_FILE_BYTES = 512 * 1024 * 1024

/** A file whose bytes are in memory already. */
export function arrived(path: string, bytes: Uint8Array): Arrival {
  return { path, sizeBytes: bytes.length, read: () => Promise.resolve(bytes) }
}

/** A file that is refused whatever its bytes are. */
export function refused(path: string, reason: string): Arrival {
  return { path, sizeBytes: 0, read: () => Promise.reject(new PlatformError('IMAGE_UNREADABLE', reason, { path })) }
}

/** A file that is refused for its size, or null when it is small enough. */
export function refusedBySize(path: string, sizeBytes: number): Arrival | null {
  if (sizeBytes <= MAX_FILE_BYTES) return null
  const mebibytes = (bytes: number): number => Math.ceil(bytes / (1024 * 1024))
  const reason = `has ${mebibytes(sizeBytes)} MiB; an image file may have at most ${mebibytes(MAX_FILE_BYTES)} MiB`
  return refused(path, reason)
}

/** Hidden files and folders are not part of an image set: `.DS_Store`, `.git`, `__MACOSX` of zips made on a Mac. */
export function isHidden(path: string): boolean {
  return path.split('/').some((segment) => segment.startsWith('.') || segment === '__MACOSX')
}
