import { describe, expect, it } from 'vitest'
import sharp from 'sharp'
import { decodePixels, encodePixels, inspectImage, probeImage, thumbnail } from '#core/images'
import {
  animatedGif,
  cmykJpeg,
  encodedAs,
  exifRotatedJpeg,
  grey16Png,
  jpegImage,
  pngClaiming,
  pngImage,
  scene,
  truncated,
} from '../../support/images.ts'

const formats = ['jpeg', 'png', 'webp', 'tiff', 'gif'] as const

describe('decodePixels', () => {
  it('gives back the very pixels of a lossless image of the size asked for', async () => {
    const size = { width: 24, height: 20 }
    const bytes = await encodedAs('tiff', 1, size)
    expect(await decodePixels(bytes, size)).toEqual(scene(1, size))
  })

  it('gives [height, width, 3] whatever format, size and channels the image has', async () => {
    for (const format of formats) {
      const pixels = await decodePixels(await encodedAs(format, 2, { width: 300, height: 200 }), {
        height: 17,
        width: 31,
      })
      expect(pixels).toHaveLength(17 * 31 * 3)
    }
  })

  it('stretches an image of another shape, keeping its left half left', async () => {
    const halves = new Uint8Array(60 * 20).map((_, i) => (i % 60 < 30 ? 0 : 255))
    const bytes = await encodePixels(halves, { width: 60, height: 20, channels: 1 })
    const pixels = await decodePixels(bytes, { height: 2, width: 4 })
    const rows = [0, 12].map((from) => [...pixels.subarray(from, from + 12)])
    expect(rows[0]).toEqual(rows[1])
    expect(rows[0]!.slice(0, 3)).toEqual([0, 0, 0])
    expect(rows[0]!.slice(9)).toEqual([255, 255, 255])
  })

  it('turns a photo upright by its EXIF orientation', async () => {
    const lying = await exifRotatedJpeg(3, { width: 40, height: 30 })
    expect(await probeImage(lying)).toMatchObject({ width: 30, height: 40 })
    const stored = await decodePixels(await jpegWithoutExif(lying), { height: 30, width: 40 })
    const upright = await decodePixels(lying, { height: 40, width: 30 })
    // Orientation 6: what is stored at the left bottom is seen at the left top.
    expect([...upright.subarray(0, 3)]).toEqual([...stored.subarray(29 * 40 * 3, 29 * 40 * 3 + 3)])
  })

  it('puts transparent images on white', async () => {
    const halfRed = new Uint8Array([255, 0, 0, 0, 255, 0, 0, 255])
    const bytes = await encodePixels(halfRed, { width: 2, height: 1, channels: 4 })
    expect([...(await decodePixels(bytes, { height: 1, width: 2 }))]).toEqual([255, 255, 255, 255, 0, 0])
  })

  it('turns CMYK into sRGB', async () => {
    const size = { width: 32, height: 32 }
    const plain = await decodePixels(await jpegImage(4, size), size)
    const cmyk = await decodePixels(await cmykJpeg(4, size), size)
    expect(cmyk).toHaveLength(plain.length)
    const meanDifference = plain.reduce((sum, value, i) => sum + Math.abs(value - cmyk[i]!), 0) / plain.length
    expect(meanDifference).toBeLessThan(40)
  })

  it('scales 16 bits to 8 by the high byte', async () => {
    const bytes = await grey16Png(Uint16Array.of(0, 0x0100, 0x80ff, 0xffff), 4)
    const pixels = await decodePixels(bytes, { height: 1, width: 4 })
    expect([...pixels]).toEqual([0, 0, 0, 1, 1, 1, 128, 128, 128, 255, 255, 255])
  })

  it('takes the first frame of an animation', async () => {
    const size = { width: 24, height: 24 }
    const animation = await animatedGif(5, size)
    expect(await probeImage(animation)).toMatchObject({ format: 'gif', pages: 2, ...size })
    const first = await decodePixels(animation, size)
    const [here, there] = [scene(5, size), scene(6, size)].map((expected) =>
      first.reduce((sum, value, i) => sum + Math.abs(value - expected[i]!), 0),
    )
    expect(here).toBeLessThan(there! / 4)
  })

  it('decodes the same image equally often asked and many at a time', async () => {
    const bytes = await jpegImage(6, { width: 640, height: 480 })
    const all = await Promise.all(Array.from({ length: 12 }, () => decodePixels(bytes, { height: 32, width: 32 })))
    for (const pixels of all) expect(pixels).toEqual(all[0])
  })
})

describe('what cannot be decoded is refused with a reason', () => {
  const reasonOf = async (bytes: Uint8Array): Promise<string> => {
    const error = await inspectImage(bytes).catch((caught: unknown) => caught)
    await expect(decodePixels(bytes, { height: 8, width: 8 })).rejects.toThrow((error as Error).message)
    return `${(error as { code: string }).code}: ${(error as Error).message}`
  }

  it('an empty file', async () => {
    expect(await reasonOf(new Uint8Array(0))).toBe('IMAGE_UNREADABLE: the file is empty')
  })

  it('a text file, a drawing, an image of another kind, and noise', async () => {
    const read = 'Gyre reads JPEG, PNG, WebP, TIFF and GIF'
    expect(await reasonOf(Buffer.from('not an image, née text\n'))).toBe(`IMAGE_UNREADABLE: a text file; ${read}`)
    expect(await reasonOf(Buffer.from('<?xml version="1.0"?><svg width="9" height="9"></svg>'))).toBe(
      `IMAGE_UNREADABLE: an SVG drawing; ${read}`,
    )
    expect(await reasonOf(Buffer.from('BM\x10\0\0\0\0\0\0\0', 'latin1'))).toBe(`IMAGE_UNREADABLE: a BMP image; ${read}`)
    expect(await reasonOf(Uint8Array.of(0, 1, 2, 3, 250, 251))).toBe(`IMAGE_UNREADABLE: not an image; ${read}`)
  })

  it('every format cut short anywhere', async () => {
    for (const format of formats) {
      const bytes = await encodedAs(format, 7, { width: 90, height: 70 })
      const name = format === 'webp' ? 'WebP' : format.toUpperCase()
      // All at once: the decoder's own error texts are shared by its threads.
      const reasons = [0.1, 0.2, 0.5, 0.7, 0.9, 0.99].map((share) => reasonOf(truncated(bytes, share)))
      for (const reason of await Promise.all(reasons))
        expect(reason).toBe(`IMAGE_UNREADABLE: truncated: the ${name} data ends before the image does`)
    }
  })

  it('a PNG whose pixels are overwritten', async () => {
    const bytes = Uint8Array.from(await pngImage(8, { width: 60, height: 60 }))
    bytes.fill(0x55, 200, 400)
    expect(await reasonOf(bytes)).toBe('IMAGE_UNREADABLE: damaged: the PNG data cannot be decoded')
  })

  it('an image that claims more than 100 megapixels, in a few bytes or in many', async () => {
    expect(await reasonOf(pngClaiming(30_000, 30_000))).toBe(
      'IMAGE_TOO_LARGE: claims 30000 × 30000 pixels (900 megapixels); at most 100 megapixels are read',
    )
    const huge = await sharp({ create: { width: 12_000, height: 9_000, channels: 3, background: 'red' } })
      .png({ compressionLevel: 1 })
      .toBuffer()
    expect(await reasonOf(huge)).toBe(
      'IMAGE_TOO_LARGE: claims 12000 × 9000 pixels (108 megapixels); at most 100 megapixels are read',
    )
  })
})

describe('inspectImage', () => {
  it('gives format and upright size', async () => {
    for (const format of formats)
      expect(await inspectImage(await encodedAs(format, 9, { width: 40, height: 30 }))).toMatchObject({
        format,
        width: 40,
        height: 30,
      })
    expect(await inspectImage(await exifRotatedJpeg(9, { width: 40, height: 30 }))).toMatchObject({
      width: 30,
      height: 40,
    })
  })

  it('sees nearly the same grey picture in a small and a large copy', async () => {
    const small = await inspectImage(await jpegImage(10, { width: 64, height: 64 }))
    const large = await inspectImage(await jpegImage(10, { width: 900, height: 900 }))
    const difference = small.grey32.reduce((sum, value, i) => sum + Math.abs(value - large.grey32[i]!), 0) / 1024
    expect(difference).toBeLessThan(2)
  })
})

describe('thumbnail', () => {
  it('fits the longer side and never enlarges', async () => {
    const large = await thumbnail(await jpegImage(11, { width: 400, height: 200 }), 96)
    const small = await thumbnail(await pngImage(11, { width: 28, height: 20 }), 96)
    expect(await probeImage(large)).toMatchObject({ format: 'webp', width: 96, height: 48 })
    expect(await probeImage(small)).toMatchObject({ format: 'webp', width: 28, height: 20 })
  })
})

async function jpegWithoutExif(bytes: Uint8Array): Promise<Uint8Array> {
  return sharp(await sharp(bytes).raw().toBuffer(), { raw: { width: 40, height: 30, channels: 3 } })
    .tiff({ compression: 'none' })
    .toBuffer()
}
