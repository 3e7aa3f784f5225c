import exifReader from 'exif-reader'
import { describe, expect, it } from 'vitest'
import sharp from 'sharp'
import { imageOrigin, inspectImage } from '#core/images'
import { randomNumbers, scene } from '../../support/images.ts'

const size = { width: 40, height: 30 }

async function photo(
  format: 'jpeg' | 'png' | 'webp',
  { make, model, taken, offset }: { make?: string; model?: string; taken?: string; offset?: string },
): Promise<Buffer> {
  const image = sharp(scene(1, size), { raw: { ...size, channels: 3 } })
  const IFD0 = { ...(make && { Make: make }), ...(model && { Model: model }) }
  const IFD2 = { ...(taken && { DateTimeOriginal: taken }), ...(offset && { OffsetTimeOriginal: offset }) }
  return image.toFormat(format).withExif({ IFD0, IFD2 }).toBuffer()
}

/** EXIF data is a TIFF structure without pixels. */
function tiffInside(jpeg: Buffer): Buffer {
  return jpeg.subarray(jpeg.indexOf('Exif\0\0') + 6)
}

describe('imageOrigin', () => {
  it('reads camera and time out of every format that can hold them', async () => {
    for (const format of ['jpeg', 'png', 'webp'] as const) {
      const bytes = await photo(format, {
        make: 'Basler',
        model: 'acA1920',
        taken: '2026:11:05 10:04:59',
        offset: '+01:00',
      })
      expect(imageOrigin(bytes, format)).toEqual({ camera: 'Basler acA1920', takenAt: '2026-11-05T10:04:59+01:00' })
      expect(await inspectImage(bytes)).toMatchObject({
        camera: 'Basler acA1920',
        takenAt: '2026-11-05T10:04:59+01:00',
      })
    }
  })

  it('gives the same as a general reader of EXIF', async () => {
    const bytes = await photo('jpeg', { make: 'Sony', model: 'ILCE-7M3', taken: '2024:02:29 23:59:59' })
    const { exif } = await sharp(bytes).metadata()
    const { Image, Photo } = exifReader(exif!)
    expect(imageOrigin(bytes, 'jpeg')).toEqual({
      camera: `${Image!.Make} ${Image!.Model}`,
      takenAt: Photo!.DateTimeOriginal!.toISOString().slice(0, 19),
    })
  })

  it('reads it where a TIFF keeps it', async () => {
    const bytes = await photo('jpeg', { make: 'Epson', model: 'V600', taken: '2019:01:02 03:04:05' })
    expect(imageOrigin(tiffInside(bytes), 'tiff')).toEqual({ camera: 'Epson V600', takenAt: '2019-01-02T03:04:05' })
  })

  it('names a maker once', async () => {
    const canon = await photo('jpeg', { make: 'Canon', model: 'Canon EOS 80D' })
    expect(imageOrigin(canon, 'jpeg').camera).toBe('Canon EOS 80D')
    expect(imageOrigin(await photo('jpeg', { make: 'Canon' }), 'jpeg').camera).toBe('Canon')
  })

  it('knows nothing of images without it, nor of clocks that were never set', async () => {
    const bare = await sharp(scene(1, size), { raw: { ...size, channels: 3 } })
      .jpeg()
      .toBuffer()
    expect(imageOrigin(bare, 'jpeg')).toEqual({ camera: null, takenAt: null })
    const unset = await photo('jpeg', { make: 'X', taken: '0000:00:00 00:00:00' })
    expect(imageOrigin(unset, 'jpeg')).toEqual({ camera: 'X', takenAt: null })
  })

  it('survives 20,000 damaged files, and gives names of bounded length or none', async () => {
    const draw = randomNumbers(3)
    for (const format of ['jpeg', 'png', 'webp', 'tiff'] as const) {
      let whole = await photo(format === 'tiff' ? 'jpeg' : format, {
        make: 'M'.repeat(300),
        model: 'N',
        taken: '2026:11:05 10:04:59',
      })
      if (format === 'tiff') whole = tiffInside(whole)
      for (let round = 0; round < 5000; round++) {
        const bytes = Buffer.from(whole.subarray(0, draw() < 0.3 ? Math.floor(draw() * whole.length) : whole.length))
        const reach = draw() < 0.5 ? Math.min(300, bytes.length) : bytes.length
        for (let change = 0; change < 6; change++) bytes[Math.floor(draw() * reach)] = Math.floor(draw() * 256)
        const { camera, takenAt } = imageOrigin(bytes, format)
        if ((camera?.length ?? 0) > 200 || (takenAt?.length ?? 0) > 25) expect.fail(`${camera} ${takenAt}`)
      }
    }
  })

  it('follows no directory into itself and reads no more entries than a camera writes', () => {
    const loop = Buffer.alloc(64 * 1024, 0)
    loop.write('II*\0', 0, 'latin1')
    loop.writeUInt32LE(8, 4)
    loop.writeUInt16LE(65_535, 8)
    for (let at = 10; at + 12 <= loop.length; at += 12) {
      loop.writeUInt16LE(0x8769, at)
      loop.writeUInt16LE(4, at + 2)
      loop.writeUInt32LE(1, at + 4)
      loop.writeUInt32LE(8, at + 8)
    }
    expect(imageOrigin(loop, 'tiff')).toEqual({ camera: null, takenAt: null })
  })
})
