/** Matrices in files: float32, little-endian, row-major, nothing else. */

import { open } from 'node:fs/promises'
import { PlatformError } from '#core/errors'
import { matrix, type Matrix } from './matrix.ts'

const BYTES_PER_READ = 64 << 20

/**
 * Reads a whole matrix, or some of its rows.
 *
 * @param options.rows - number of rows in the file.
 * @param options.only - indices of the rows wanted, ascending; neighbours are read together.
 * @throws {PlatformError} `OBJECT_CORRUPT` when the file is too short.
 */
export async function readMatrixFile(
  file: string,
  { rows, cols, only }: { rows: number; cols: number; only?: ArrayLike<number> },
): Promise<Matrix> {
  const out = matrix(only?.length ?? rows, cols)
  const bytes = new Uint8Array(out.data.buffer)
  const rowBytes = cols * Float32Array.BYTES_PER_ELEMENT
  const rowsPerRead = Math.max(1, Math.floor(BYTES_PER_READ / rowBytes))
  const rowAt = (i: number) => only?.[i] ?? i
  const handle = await open(file)
  try {
    for (let start = 0; start < out.rows;) {
      let end = start + 1
      while (end < out.rows && end - start < rowsPerRead && rowAt(end) === rowAt(end - 1) + 1) end++
      const length = (end - start) * rowBytes
      const { bytesRead } = await handle.read(bytes, start * rowBytes, length, rowAt(start) * rowBytes)
      if (bytesRead !== length)
        throw new PlatformError(
          'OBJECT_CORRUPT',
          `${file} ends before row ${rowAt(end - 1)} of ${rows}; restore it from a backup`,
        )
      start = end
    }
  } finally {
    await handle.close()
  }
  return out
}
