/** How many pixels an image file claims, read from its first bytes: asking libvips costs a third of a small image's decoding. */
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

/** Walks the marker segments to the frame header (ITU-T T.81, section B.2.2). */
function pixelsOfJpeg(view: DataView): number | null {
  for (let at = 2; view.getUint8(at) === 0xff;) {
    const marker = view.getUint8(at + 1)
    if (marker === 0xff) at += 1
    else if (isFrameHeader(marker)) return view.getUint16(at + 5) * view.getUint16(at + 7)
    else at += 2 + view.getUint16(at + 2)
  }
  return null
}

/** SOF0 … SOF15 without the three markers in that range that define tables. */
function isFrameHeader(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc
}
