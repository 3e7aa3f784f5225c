import fc from 'fast-check'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { decodePlainJpeg } from '../../../core/images/plain-jpeg.ts'
import { jpegImage, randomNumbers } from '../../support/images.ts'

interface Shape {
  readonly width: number
  readonly height: number
  readonly channels: 1 | 3
}

const anyShape = fc.record({
  width: fc.integer({ min: 1, max: 128 }),
  height: fc.integer({ min: 1, max: 40 }),
  channels: fc.constantFrom<1 | 3>(1, 3),
})
const anyEncoding = fc.record({
  quality: fc.integer({ min: 1, max: 100 }),
  chromaSubsampling: fc.constantFrom('4:2:0', '4:4:4'),
  optimiseCoding: fc.boolean(),
})

/** Noise, a slope or an edge: what is hard for a transform, and what is easy. */
function picture(seed: number, { width, height, channels }: Shape): Uint8Array {
  const draw = randomNumbers(seed)
  const pixels = new Uint8Array(width * height * channels)
  return pixels.map((_, i) => [draw() * 256, (7 * i + (i >> 5)) & 255, i > pixels.length / 2 ? 255 : 0][seed % 3]!)
}

async function general(bytes: Uint8Array, { channels }: Pick<Shape, 'channels'>): Promise<Uint8Array> {
  const image = sharp(bytes, { failOn: 'error' }).toColourspace(channels === 1 ? 'b-w' : 'srgb')
  return new Uint8Array(await image.raw().toBuffer())
}

describe('the short way through plain JPEG files', () => {
  it('gives the pixels of the general decoder, bit by bit', async () => {
    await fc.assert(
      fc.asyncProperty(anyShape, anyEncoding, fc.nat(), async (shape, encoding, seed) => {
        const raw = sharp(picture(seed, shape), { raw: shape }).toColourspace(shape.channels === 1 ? 'b-w' : 'srgb')
        const bytes = await raw.jpeg(encoding).toBuffer()
        const { pixels, ...seen } = decodePlainJpeg(bytes)!
        expect(seen).toEqual(shape)
        expect(Buffer.from(pixels).equals(await general(bytes, shape))).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  it('leaves to the general decoder what is not plain: progressive, turned, with a profile, larger, CMYK', async () => {
    const shape: Shape = { width: 24, height: 16, channels: 3 }
    const raw = sharp(picture(1, shape), { raw: shape })
    expect(decodePlainJpeg(await raw.clone().jpeg().toBuffer())).not.toBeNull()
    const others = [
      raw.clone().jpeg({ progressive: true }),
      raw.clone().withMetadata({ orientation: 6 }).jpeg(),
      raw.clone().withIccProfile('p3').jpeg(),
      raw.clone().resize(129, 16).jpeg(),
      raw.clone().toColourspace('cmyk').jpeg(),
    ]
    for (const other of others) expect(decodePlainJpeg(await other.toBuffer())).toBeNull()
  })

  it('gives of a damaged file nothing that the general decoder would not give', async () => {
    const draw = randomNumbers(3)
    const whole = await jpegImage(5)
    expect(decodePlainJpeg(whole)).not.toBeNull()
    let accepted = 0
    for (let i = 0; i < 1500; i++) {
      const bytes = Uint8Array.from(whole)
      for (let n = 0; n <= i % 3; n++) bytes[2 + Math.floor(draw() * (bytes.length - 2))] = Math.floor(draw() * 256)
      const cut = i % 5 === 0 ? bytes.subarray(0, Math.floor(draw() * bytes.length)) : bytes
      const short = decodePlainJpeg(cut)
      if (!short) continue
      accepted++
      expect(Buffer.from(short.pixels).equals(await general(cut, short)), `mutation ${i}`).toBe(true)
    }
    expect(accepted).toBeGreaterThan(100)
  })
})
