import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { decodePixels, inspectImage } from '#core/images'
import { headerOf, pngOfChunks, scene, type PngShape } from '../../support/images.ts'

/** A text chunk changes no pixel but sends a file to the general decoder. */
const text: readonly [string, Uint8Array] = ['tEXt', Buffer.from('Comment\0hello')]

function png(
  shape: PngShape,
  scanlines: Uint8Array,
  extra: readonly (readonly [string, Uint8Array])[] = [],
): Uint8Array {
  return pngOfChunks([
    ['IHDR', headerOf(shape)],
    ...extra,
    ['IDAT', deflateSync(scanlines)],
    ['IEND', new Uint8Array(0)],
  ])
}

const anyPng = fc
  .record({
    width: fc.integer({ min: 1, max: 40 }),
    height: fc.integer({ min: 1, max: 12 }),
    channels: fc.constantFrom(1, 3),
  })
  .chain(({ width, height, channels }) =>
    fc.record({
      shape: fc.constant({ width, height, channels: channels as 1 | 3 }),
      rows: fc.array(
        fc.tuple(
          fc.integer({ min: 0, max: 4 }),
          fc.uint8Array({ minLength: width * channels, maxLength: width * channels }),
        ),
        { minLength: height, maxLength: height },
      ),
    }),
  )

describe('the short way through plain PNG files', () => {
  it('gives the pixels of the general decoder for every row filter', async () => {
    await fc.assert(
      fc.asyncProperty(anyPng, async ({ shape, rows }) => {
        const scanlines = Buffer.concat(rows.map(([filter, row]) => Buffer.concat([Buffer.of(filter), row])))
        const short = await decodePixels(png(shape, scanlines), shape)
        const general = await decodePixels(png(shape, scanlines, [text]), shape)
        expect(Buffer.from(short).equals(Buffer.from(general))).toBe(true)
      }),
      { numRuns: 200 },
    )
  })

  it('gives the same pixels, size and grey picture as the general decoder for encoded scenes', async () => {
    for (const palette of [false, true])
      for (const progressive of [false, true]) {
        const shape = { width: 33, height: 47, channels: 3 } as const
        const raw = sharp(scene(1, shape), { raw: shape })
        const plain = await raw.clone().png({ palette, progressive, adaptiveFiltering: true }).toBuffer()
        const general = await sharp(plain).withMetadata({ density: 300 }).png().toBuffer()
        expect(await decodePixels(plain, shape)).toEqual(await decodePixels(general, shape))
        expect(await inspectImage(plain)).toEqual(await inspectImage(general))
      }
  })

  it('leaves to the general decoder what it would decode otherwise: transparency', async () => {
    const shape = { width: 2, height: 1, channels: 1 } as const
    const black = ['tRNS', Uint8Array.of(0, 0)] as const
    expect([...(await decodePixels(png(shape, Uint8Array.of(0, 0, 9), [black]), shape))]).toEqual([
      255, 255, 255, 9, 9, 9,
    ])
  })

  it('refuses what the general decoder refuses: a wrong checksum, too little data', async () => {
    const shape = { width: 4, height: 4, channels: 1 } as const
    const wrong = Uint8Array.from(png(shape, new Uint8Array(20)))
    wrong[45] = wrong[45]! ^ 0xff
    await expect(decodePixels(wrong, shape)).rejects.toMatchObject({ code: 'IMAGE_UNREADABLE' })
    await expect(decodePixels(png(shape, new Uint8Array(7)), shape)).rejects.toMatchObject({
      code: 'IMAGE_UNREADABLE',
    })
  })
})
