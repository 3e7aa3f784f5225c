/**
 * What the outer structure of an image file says without decoding it: how many pixels it claims (asking libvips costs
 * a third of a small image's decoding), and whether its end is missing (libvips keeps one text of errors for all
 * threads, so that of several broken images at a time it cannot be asked which error is whose).
 */
import type { ImageFormat } from './format.ts'

/** @returns width · height as the header has them; null where this short look does not find them. */
export function claimedPixels(bytes: Uint8Array, format: ImageFormat): number | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  try {
    if (format === 'png') return view.getUint32(16) * view.getUint32(20)
    if (format === 'gif') return view.getUint16(6, true) * view.getUint16(8, true)
    if (format === 'jpeg') return pixelsOfJpeg(view)
    return null
  } catch (error) {
    if (error instanceof RangeError) return null // The file ends inside its header.
    throw error
  }
}

/** @returns whether a file that cannot be decoded was cut short, rather than damaged inside. */
export function endsTooEarly(bytes: Uint8Array, format: ImageFormat): boolean {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (file.length < 12) return true
  if (format === 'png') return !file.includes('IEND')
  if (format === 'gif') return file.at(-1) !== 0x3b
  if (format === 'webp') return file.readUInt32LE(4) + 8 > file.length
  if (format === 'tiff') return tiffEndsTooEarly(file)
  const frame = frameHeaderOf(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  return frame === null || file.indexOf(END_OF_JPEG, frame) < 0
}

const END_OF_JPEG = Buffer.of(0xff, 0xd9)

/** Whether the first directory, a value that it points to, or a strip or tile lies behind the end (TIFF 6.0, section 2). */
function tiffEndsTooEarly(file: Buffer): boolean {
  const little = file[0] === 0x49
  const short = (at: number): number => (little ? file.readUInt16LE(at) : file.readUInt16BE(at))
  const long = (at: number): number => (little ? file.readUInt32LE(at) : file.readUInt32BE(at))
  const value = (at: number, isLong: boolean): number => (isLong ? long(at) : short(at))
  try {
    const directory = long(4)
    const arrays = new Map<number, number[]>()
    for (let entry = directory + 2; entry < directory + 2 + 12 * short(directory); entry += 12) {
      const type = short(entry + 2)
      const count = long(entry + 4)
      const bytes = (TIFF_TYPE_BYTES[type] ?? 0) * count
      const at = bytes > 4 ? long(entry + 8) : entry + 8
      if (at + bytes > file.length) return true
      if (!STRIP_TAGS.has(short(entry))) continue
      const isLong = TIFF_TYPE_BYTES[type] === 4
      const values = Array.from({ length: count }, (_, i) => value(at + i * (isLong ? 4 : 2), isLong))
      arrays.set(short(entry), values)
    }
    const starts = arrays.get(273) ?? arrays.get(324) ?? []
    const sizes = arrays.get(279) ?? arrays.get(325) ?? []
    return starts.some((start, i) => start + (sizes[i] ?? 0) > file.length)
  } catch (error) {
    if (error instanceof RangeError) return true
    throw error
  }
}

/** Bytes of one value by field type, from 1 on. */
const TIFF_TYPE_BYTES = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8]
/** Strip offsets and sizes, tile offsets and sizes. */
const STRIP_TAGS = new Set([273, 279, 324, 325])

function pixelsOfJpeg(view: DataView): number | null {
  const at = frameHeaderOf(view)
  return at === null ? null : view.getUint16(at + 5) * view.getUint16(at + 7)
}

/** Walks the marker segments to the frame header (ITU-T T.81, section B.2.2); null where the file ends before. */
function frameHeaderOf(view: DataView): number | null {
  let at = 2
  while (at + 9 <= view.byteLength && view.getUint8(at) === 0xff) {
    const marker = view.getUint8(at + 1)
    if (marker === 0xff) at += 1
    else if (isFrameHeader(marker)) return at
    else at += 2 + view.getUint16(at + 2)
  }
  return null
}

/** SOF0 … SOF15 without the three markers in that range that define tables. */
function isFrameHeader(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc
}
