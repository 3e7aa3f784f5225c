import { describe, expect, it } from 'vitest'
import sharp from 'sharp'
import { encodePixels, inspectImage, measuresOf } from '#core/images'
import { encodedAs, pngImage, randomNumbers, scene } from '../../support/images.ts'

const greyMeasures = (pixels: readonly number[], width: number) =>
  measuresOf(Uint8Array.from(pixels), null, { width, height: pixels.length / width })

describe('measuresOf', () => {
  it('gives half of everything for a black row over a white one', () => {
    // The one difference of a column is 255; of the means of nine, 255 / 9 is left.
    expect(greyMeasures([0, 0, 255, 255], 2)).toEqual({
      brightness: 0.5,
      contrast: 0.5,
      blur: 0.1111,
      entropy: 1,
      colour: 0,
    })
  })

  it('gives an even image no contrast, no information and no edge', () => {
    const even = greyMeasures(new Array<number>(36).fill(51), 6)
    expect(even).toEqual({ brightness: 0.2, contrast: 0, blur: 1, entropy: 0, colour: 0 })
  })

  it('calls a slope blurred but at its borders', () => {
    // 19 differences of 10, times nine: 1,710; the mean takes 40, 30, 20 and 10 at either end.
    const slope = greyMeasures(
      Array.from({ length: 20 }, (_, x) => 10 * x),
      20,
    )
    expect(slope.blur).toBeCloseTo(1 - 200 / 1710, 4)
  })

  it('counts bits of the grey levels, not of their order', () => {
    const levels = Array.from({ length: 64 }, (_, i) => (i % 16) * 16)
    expect(greyMeasures(levels, 8).entropy).toBe(4)
    expect(greyMeasures(levels.toSorted(), 8).entropy).toBe(4)
  })

  it('tells colour by the mean distance of the channels', () => {
    const red = Uint8Array.of(255, 0, 0, 90, 90, 90)
    expect(measuresOf(Uint8Array.of(77, 90), red, { width: 2, height: 1 }).colour).toBe(0.5)
  })

  it('ignores the direction along stripes, and takes the more blurred one of motion', () => {
    const stripes = Array.from({ length: 1024 }, (_, i) => (i % 32 < 16 ? 30 : 220))
    expect(greyMeasures(stripes, 32).blur).toBeCloseTo(1 / 9, 3)
    const draw = randomNumbers(1)
    const dots = Array.from({ length: 1024 }, () => Math.floor(256 * draw()))
    const moved = dots.map((_, i) => {
      const row = i - (i % 32)
      const around = Array.from({ length: 9 }, (_, t) => dots[row + Math.max(0, Math.min(31, (i % 32) + t - 4))]!)
      return Math.round(around.reduce((sum, value) => sum + value, 0) / 9)
    })
    expect(greyMeasures(dots, 32).blur).toBeLessThan(0.4)
    expect(greyMeasures(moved, 32).blur).toBeGreaterThan(greyMeasures(dots, 32).blur + 0.15)
  })
})

describe('inspectImage measures what it decodes', () => {
  it('alike by the decoder of plain PNG files and by the general one', async () => {
    for (const seed of [1, 2, 3]) {
      const [plain, general] = await Promise.all(
        [pngImage(seed), encodedAs('tiff', seed)].map(async (b) => inspectImage(await b)),
      )
      const { format: png, ...measured } = plain!
      const { format: tiff, ...same } = general!
      expect([png, tiff]).toEqual(['png', 'tiff'])
      expect(measured).toEqual(same)
    }
  })

  it('more blurred the more an image was blurred', async () => {
    const size = { width: 96, height: 96, channels: 3 as const }
    const sharpOne = scene(4, size).map((value, i) => (value + ((Math.floor(i / 3) * 7919) % 61)) & 255)
    const blurs: number[] = []
    for (const sigma of [0, 0.8, 1.6, 3.2]) {
      const image = sharp(sharpOne, { raw: size })
      blurs.push((await inspectImage(await (sigma ? image.blur(sigma) : image).png().toBuffer())).blur)
    }
    expect(blurs.toSorted((a, b) => a - b)).toEqual(blurs)
    expect(blurs[0]).toBeLessThan(0.25)
    expect(blurs[3]).toBeGreaterThan(0.5)
  })

  it('nearly alike in a large and a small copy, also of a long one', async () => {
    const small = await inspectImage(await encodedAs('png', 5, { width: 250, height: 100 }))
    const large = await inspectImage(await encodedAs('png', 5, { width: 2000, height: 800 }))
    expect(large).toMatchObject({ width: 2000, height: 800 })
    for (const key of ['brightness', 'contrast', 'blur', 'colour'] as const)
      expect(Math.abs(large[key] - small[key])).toBeLessThan(0.05)
    const line = await inspectImage(await encodedAs('png', 5, { width: 4000, height: 3 }))
    expect(line).toMatchObject({ width: 4000, height: 3 })
  })

  it('without colour where the file is grey', async () => {
    const grey = await encodePixels(
      Uint8Array.from({ length: 900 }, (_, i) => i % 251),
      { width: 30, height: 30, channels: 1 },
    )
    expect(await inspectImage(grey)).toMatchObject({ colour: 0, camera: null, takenAt: null })
  })
})
