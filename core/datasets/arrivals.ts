/** What an import reads from: one file after the other, wherever it lies. */
import { PlatformError } from '#core/errors'

/** A file that may be an image. */
export interface Arrival {
  /** Relative to the source, `/`-separated. Shown to people, opaque to the engine. */
  readonly path: string
  /** @throws {PlatformError} `IMAGE_UNREADABLE`, `IMAGE_TOO_LARGE`: the file is refused, the import goes on. */
  read(): Promise<Uint8Array>
}

export interface Source {
  /** Number of files, where it is known beforehand. */
  readonly total?: number
  readonly files: AsyncIterable<Arrival>
}

/** Larger files are refused unread: no image of 100 megapixels needs more. */
export const MAX_FILE_BYTES = 512 * 1024 * 1024

/** A file that is refused whatever its bytes are. */
export function refused(path: string, reason: string): Arrival {
  return { path, read: () => Promise.reject(new PlatformError('IMAGE_UNREADABLE', reason, { path })) }
}

/** @throws {PlatformError} `IMAGE_TOO_LARGE`. */
export function checkFileSize(sizeBytes: number): void {
  if (sizeBytes <= MAX_FILE_BYTES) return
  const megabytes = (bytes: number): number => Math.ceil(bytes / (1024 * 1024))
  throw new PlatformError(
    'IMAGE_TOO_LARGE',
    `has ${megabytes(sizeBytes)} MiB; an image file may have at most ${megabytes(MAX_FILE_BYTES)} MiB`,
    { sizeBytes, mostBytes: MAX_FILE_BYTES },
  )
}

/** Hidden files and folders are not part of an image set: `.DS_Store`, `.git`, `__MACOSX` of zips made on a Mac. */
export function isHidden(path: string): boolean {
  return path.split('/').some((segment) => segment.startsWith('.') || segment === '__MACOSX')
}
