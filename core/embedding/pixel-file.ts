/** Reads images out of a file of pixels: uint8 [n, height, width, 3], one image after the other. */

import { open } from 'node:fs/promises'
import type { PixelSize } from '#core/images'

export interface PixelFile {
  readonly images: number
  readonly size: PixelSize
  /** Bytes of one image. */
  readonly imageBytes: number
  /** Images [start, end) in a buffer of their own. */
  read(start: number, end: number): Promise<Uint8Array>
  close(): Promise<void>
}

export async function openPixelFile(path: string, images: number, size: PixelSize): Promise<PixelFile> {
  const file = await open(path)
  const imageBytes = size.height * size.width * 3
  return {
    images,
    size,
    imageBytes,
    async read(start, end) {
      const bytes = new Uint8Array((end - start) * imageBytes)
      const { bytesRead } = await file.read(bytes, 0, bytes.length, start * imageBytes)
      if (bytesRead !== bytes.length) throw new Error(`${path} ends before image ${end}`)
      return bytes
    },
    close: () => file.close(),
  }
}
