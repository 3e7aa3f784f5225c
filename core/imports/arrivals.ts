/** What an import reads from: one file after the other, wherever it lies. */
import { PlatformError } from '#core/errors'

/** A file that may be an image. */
export interface Arrival {
  /** Relative to the source, `/`-separated. Shown to people, opaque to the engine. */
  readonly path: string
  /** Bytes that `read` gives. */
  readonly sizeBytes: number
  /** @throws {PlatformError} `IMAGE_UNREADABLE`: the file is refused, the import goes on. */
  read(): Promise<Uint8Array>
}

export interface Source {
  /** Number of files, where it is known beforehand. */
  readonly total?: number
  readonly files: AsyncIterable<Arrival>
}

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
