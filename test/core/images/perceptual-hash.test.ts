import { describe, expect, it } from 'vitest'
import { inspectImage, perceptualHash } from '#core/images'
import { jpegImage, pngImage } from '../../support/images.ts'

function bitsApart(a: string, b: string): number {
  return (BigInt(`0x${a}`) ^ BigInt(`0x${b}`)).toString(2).replaceAll('0', '').length
}

describe('perceptualHash', () => {
  it('sets the bits of the cosine waves that an image holds', () => {
    // One wave across: only the frequency (down 0, across 1) is strong, and the hash leaves "down 0" out, as it does
    // for a mean; a product of two waves is the frequency (1, 1), the first bit.
    const wave = (i: number): number => Math.cos((Math.PI * (2 * i + 1)) / 64)
    const product = Uint8Array.from({ length: 1024 }, (_, i) => 128 + 100 * wave(i % 32) * wave(Math.floor(i / 32)))
    expect(parseInt(perceptualHash(product)[0]!, 16) & 8).toBe(8)
    const negative = product.map((value) => 256 - value)
    expect(parseInt(perceptualHash(negative)[0]!, 16) & 8).toBe(0)
  })

  it('is 0 for an image without structure', () => {
    expect(perceptualHash(new Uint8Array(1024))).toBe('0000000000000000')
  })

  it('changes little with size and compression and much from picture to picture', async () => {
    const hashOf = async (bytes: Uint8Array): Promise<string> => perceptualHash((await inspectImage(bytes)).grey32)
    const original = await hashOf(await pngImage(1, { width: 128, height: 128 }))
    expect(
      bitsApart(original, await hashOf(await jpegImage(1, { width: 300, height: 300, quality: 40 }))),
    ).toBeLessThan(8)
    expect(bitsApart(original, await hashOf(await pngImage(2, { width: 128, height: 128 })))).toBeGreaterThan(16)
  })
})
