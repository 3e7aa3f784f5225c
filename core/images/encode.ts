/** Writes pixels as an image file: rendered examples and thumbnails. */

import sharp from 'sharp'

export interface EncodeOptions {
  readonly format: 'jpeg' | 'png'
  /** JPEG quality, 1–100; PNG is lossless. */
  readonly quality?: number
}

/**
 * @param pixels - `data` uint8 [height, width, 3], RGB, row-major.
 * @returns the bytes of the file; the same pixels always give the same bytes.
 */
export async function encodeImage(
  pixels: { readonly data: Uint8Array; readonly width: number; readonly height: number },
  { format, quality = 90 }: EncodeOptions,
): Promise<Uint8Array> {
  const image = sharp(pixels.data, { raw: { width: pixels.width, height: pixels.height, channels: 3 } })
  return format === 'png' ? image.png({ compressionLevel: 6 }).toBuffer() : image.jpeg({ quality }).toBuffer()
}
