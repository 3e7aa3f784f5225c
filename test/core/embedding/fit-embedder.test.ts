import { describe, expect, it } from 'vitest'
import { fitEmbedder, imagesTensor, inputSizeFor, type Embed } from '#core/embedding'
import { matrix, openOnnxSession, ridge, oneHot, predictRidge, rowsOf, type Matrix } from '#core/inference'
import { directionOf, SIZE, stripes } from './striped-images.ts'

async function embed(model: Uint8Array, images: readonly Uint8Array[]): Promise<Matrix> {
  const session = await openOnnxSession(model)
  const { embedding } = await session.run(imagesTensor(new Uint8Array(Buffer.concat(images)), SIZE))
  await session.release()
  return matrix(embedding!.dims[0]!, embedding!.dims[1]!, embedding!.data as Float32Array)
}

const images = Array.from({ length: 60 }, (_, i) => stripes(i))
const embedThem: Embed = (model) => embed(model, images)
const fit = (options: { dims: number; seed: number }) => fitEmbedder(images, SIZE, embedThem, options)

describe('a fitted embedder', () => {
  it('has the same bytes for the same images and seed, others for another seed', async () => {
    const first = await fit({ dims: 80, seed: 1 })
    expect((await fit({ dims: 80, seed: 1 })).model).toEqual(first.model)
    expect((await fit({ dims: 80, seed: 2 })).model).not.toEqual(first.model)
  })

  it('gives five numbers for each filter at two scales, at most as many as asked for', async () => {
    const { model, dims } = await fit({ dims: 99, seed: 1 })
    expect(dims).toBe(90)
    const session = await openOnnxSession(model)
    expect(session.inputs).toEqual([{ name: 'images', type: 'uint8', dims: [-1, 28, 28, 3] }])
    expect(session.outputs).toEqual([{ name: 'embedding', type: 'float32', dims: [-1, 90] }])
    await session.release()
  })

  it('gives numbers with mean 0 and variance 1 over the images that it was fitted on', async () => {
    const { model } = await fit({ dims: 80, seed: 1 })
    const { data, rows, cols } = await embed(model, images)
    for (let j = 0; j < cols; j++) {
      const column = Array.from({ length: rows }, (_, i) => data[i * cols + j]!)
      const mean = column.reduce((a, b) => a + b, 0) / rows
      expect(mean).toBeCloseTo(0, 3)
      expect(column.reduce((a, b) => a + (b - mean) ** 2, 0) / rows).toBeLessThan(1.001)
    }
  })

  it('lets a linear model tell the direction of stripes that it has not seen', async () => {
    const { model } = await fit({ dims: 160, seed: 1 })
    const all = Array.from({ length: 120 }, (_, i) => stripes(i))
    const features = await embed(model, all)
    const direction = (i: number) => (directionOf(i) === 'across' ? 0 : 1)
    const labels = Array.from({ length: 60 }, (_, i) => direction(i))
    const scores = await predictRidge(
      rowsOf(features, 60, 120),
      await ridge(rowsOf(features, 0, 60), oneHot(labels, 2)),
    )
    for (let i = 0; i < 60; i++)
      expect(scores.data[2 * i + direction(60 + i)]).toBeGreaterThan(scores.data[2 * i + 1 - direction(60 + i)]!)
  })

  it('does not see the brightness or contrast of an image', async () => {
    const { model } = await fit({ dims: 80, seed: 1 })
    const dark = stripes(3)
    const bright = dark.map((value) => value / 2 + 90)
    const { data, cols } = await embed(model, [dark, bright, stripes(4)])
    const distance = (a: number, b: number) =>
      Math.hypot(...Array.from({ length: cols }, (_, j) => data[a * cols + j]! - data[b * cols + j]!))
    expect(distance(0, 1)).toBeLessThan(distance(0, 2) / 2)
  })

  it('survives images without any structure', async () => {
    const blank = Array.from({ length: 4 }, () => new Uint8Array(SIZE.height * SIZE.width * 3).fill(128))
    const { model } = await fitEmbedder(blank, SIZE, (m) => embed(m, blank), { dims: 32, seed: 1 })
    expect([...(await embed(model, [stripes(0)])).data].every(Number.isFinite)).toBe(true)
  })

  it('tells colours apart that are equally bright', async () => {
    const flag = (red: number, blue: number) => {
      const pixels = new Uint8Array(SIZE.height * SIZE.width * 3)
      for (let i = 0; i < pixels.length / 3; i++) {
        const first = i % SIZE.width < 14
        pixels.set(first ? [red, 60, blue] : [blue, 60, red], 3 * i)
      }
      return pixels
    }
    const flags = [flag(200, 20), flag(20, 200), flag(180, 30), flag(30, 180)]
    const { model } = await fitEmbedder(flags, SIZE, (m) => embed(m, flags), { dims: 160, seed: 1 })
    const { data, cols } = await embed(model, flags)
    const distance = (a: number, b: number) =>
      Math.hypot(...Array.from({ length: cols }, (_, j) => data[a * cols + j]! - data[b * cols + j]!))
    expect(distance(0, 2)).toBeLessThan(distance(0, 1))
  })
})

describe('the input size', () => {
  const images = (side: number, count: number) => Array.from({ length: count }, () => ({ height: side, width: side }))

  it.each([
    [8, 28],
    [28, 28],
    [32, 32],
    [41, 48],
    [224, 64],
  ])('for images of %i pixels is %i', (side, expected) => {
    expect(inputSizeFor(images(side, 3))).toEqual({ height: expected, width: expected })
  })

  it('follows the median image, not the largest', () => {
    expect(inputSizeFor([...images(32, 5), ...images(4000, 2)])).toEqual({ height: 32, width: 32 })
  })
})
