/** Matrices in files: float32, little-endian, row-major, nothing else. */

import { open, type FileHandle } from 'node:fs/promises'
import { PlatformError } from '#core/errors'
import { matrix, rowsOf, type Matrix } from './matrix.ts'

/** 64 MiB. */
const VALUES_PER_READ = 16 << 20
/** Rows from one that is wanted to the next, up to which reading those between costs less than another read. */
const MAX_GAP = 8

/**
 * Reads a whole matrix, or some of its rows.
 *
 * @param options.rows - number of rows in the file.
 * @param options.only - indices of the rows wanted, ascending; those that lie near each other are read together.
 * @throws {PlatformError} `OBJECT_CORRUPT` when the file is too short.
 */
export async function readMatrixFile(
  file: string,
  { rows, cols, only }: { rows: number; cols: number; only?: ArrayLike<number> },
): Promise<Matrix> {
  const out = matrix(only?.length ?? rows, cols)
  const rowAt = (i: number) => only?.[i] ?? i
  const handle = await open(file)
  try {
    for (let start = 0; start < out.rows;) {
      const end = endOfRead(start, out.rows, Math.max(1, Math.floor(VALUES_PER_READ / cols)), rowAt)
      const [first, last] = [rowAt(start), rowAt(end - 1)]
      const dense = last - first === end - 1 - start
      const read = dense ? rowsOf(out, start, end) : matrix(last - first + 1, cols)
      await readInto(handle, read, first, { file, rows })
      if (!dense) for (let i = start; i < end; i++) copyRow(read, rowAt(i) - first, out, i)
      start = end
    }
  } finally {
    await handle.close()
  }
  return out
}

/** The first of the wanted rows that the read from `start` on leaves out: it would be too long, or read too much in vain. */
function endOfRead(start: number, wanted: number, rowsPerRead: number, rowAt: (i: number) => number): number {
  let end = start + 1
  while (end < wanted && rowAt(end) - rowAt(end - 1) <= MAX_GAP && rowAt(end) - rowAt(start) < rowsPerRead) end++
  return end
}

async function readInto(
  handle: FileHandle,
  { data, rows: count, cols }: Matrix,
  first: number,
  { file, rows }: { file: string; rows: number },
): Promise<void> {
  const { bytesRead } = await handle.read(
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    0,
    data.byteLength,
    first * cols * Float32Array.BYTES_PER_ELEMENT,
  )
  if (bytesRead !== data.byteLength)
    throw new PlatformError(
      'OBJECT_CORRUPT',
      `${file} ends before row ${first + count - 1} of ${rows}; restore it from a backup`,
    )
}

function copyRow(from: Matrix, row: number, to: Matrix, place: number): void {
  to.data.set(from.data.subarray(row * from.cols, (row + 1) * from.cols), place * to.cols)
}
