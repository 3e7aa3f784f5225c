/**
 * What we read of Linux programs and libraries: which libraries they need, and how much of the file is ever loaded.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

const HEADER_BYTES = 64
const LITTLE_ENDIAN_64 = [0x7f, 0x45, 0x4c, 0x46, 2, 1]
/** Offsets in the header of a 64-bit file: of the segment table's place, entry size and count; of the sections' place and counts. */
const SEGMENTS = { at: 32, entryBytes: 54, count: 56 }
const SECTIONS = { at: 40, count: 60, names: 62 }
/** Offsets in an entry of the segment table. */
const SEGMENT = { at: 8, bytes: 32 }

/**
 * A program without its symbol tables and debugging notes: they lie after everything that is loaded, and are a seventh of
 * the official Node binary.
 *
 * @returns `head`, to put in place of the first bytes, and `sizeBytes`, where to cut; null when it is no such file.
 */
export function withoutSymbols(file) {
  const fd = openSync(file, 'r')
  try {
    const head = readAt(fd, 0, HEADER_BYTES)
    if (head.length < HEADER_BYTES || !LITTLE_ENDIAN_64.every((byte, at) => head[at] === byte)) return null
    const [place, entryBytes, count] = [
      Number(head.readBigUInt64LE(SEGMENTS.at)),
      head.readUInt16LE(SEGMENTS.entryBytes),
      head.readUInt16LE(SEGMENTS.count),
    ]
    const table = readAt(fd, place, entryBytes * count)
    let end = place + table.length
    for (let at = 0; at < table.length; at += entryBytes) {
      const [start, bytes] = [SEGMENT.at, SEGMENT.bytes].map((field) => Number(table.readBigUInt64LE(at + field)))
      end = Math.max(end, start + bytes)
    }
    if (count === 0 || end > fstatSync(fd).size) return null
    head.writeBigUInt64LE(0n, SECTIONS.at)
    head.writeUInt16LE(0, SECTIONS.count)
    head.writeUInt16LE(0, SECTIONS.names)
    return { head, sizeBytes: end }
  } finally {
    closeSync(fd)
  }
}

/**
 * The libraries of this machine that a program or library loads at its start, the loader among them.
 *
 * @returns their absolute paths; none for a static program.
 * @throws {Error} naming a library that this machine lacks.
 */
export function librariesOf(file) {
  let told
  try {
    told = execFileSync('ldd', [file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    if (/not a dynamic executable|statically linked/.test(`${error.stdout}${error.stderr}`)) return []
    throw error
  }
  const missing = /^\s*(\S+) => not found/m.exec(told)
  if (missing) throw new Error(`${file} needs ${missing[1]}, which this machine lacks`)
  return [...told.matchAll(/(?:=> |^\s+)(\/\S+)/gm)].map(([, library]) => library)
}

function readAt(fd, position, length) {
  const bytes = Buffer.alloc(length)
  return bytes.subarray(0, readSync(fd, bytes, 0, length, position))
}
