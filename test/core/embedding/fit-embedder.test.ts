import { beforeAll, describe, expect, it } from 'vitest'
import { checkEmbedder, fitEmbedder, imagesTensor, inputSizeFor, type Embed } from '#core/embedding'
import {
  covarianceOf,
  matrix,
  OnnxGraph,
  openOnnxSession,
  ridge,
  oneHot,
  predictRidge,
  rowsOf,
  type Matrix,
} from '#core/inference'
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

describe('several embedders', () => {
  const few = images.slice(0, 30)
  const embedFew: Embed = (model) => embed(model, few)
  const together = { parts: ['patches', 'whitened-patches', 'hog', 'colour'] as const, dims: 80, seed: 1, whiten: 16 }
  let fitted: Awaited<ReturnType<typeof fitEmbedder>>
  beforeAll(async () => (fitted = await fitEmbedder(few, SIZE, embedFew, together)))

  it('are one graph that gives the components asked for', async () => {
    expect(fitted.dims).toBe(16)
    const session = await openOnnxSession(fitted.model)
    expect(session.inputs).toEqual([{ name: 'images', type: 'uint8', dims: [-1, 28, 28, 3] }])
    expect(session.outputs).toEqual([{ name: 'embedding', type: 'float32', dims: [-1, 16] }])
    await session.release()
  })

  it('have the same bytes for the same images and seed', async () => {
    expect((await fitEmbedder(few, SIZE, embedFew, together)).model).toEqual(fitted.model)
  })

  it('are whitened half way: components do not go together, and fall in variance, which is 1 on average', async () => {
    const { covariance, mean } = await covarianceOf(await embedFew(fitted.model))
    for (const value of mean) expect(value).toBeCloseTo(0, 3)
    const at = (i: number, j: number) => covariance.data[i * 16 + j]!
    const variances = Array.from({ length: 16 }, (_, i) => at(i, i))
    expect(variances.reduce((a, b) => a + b, 0) / 16).toBeCloseTo(1, 2)
    for (let i = 0; i < 16; i++)
      for (let j = 0; j < i; j++) {
        expect(Math.abs(at(i, j))).toBeLessThan(0.02 * Math.sqrt(at(i, i) * at(j, j)))
        expect(at(i, i)).toBeLessThan(at(j, j) * 1.001)
      }
  })

  it('have the same directions, found among images or among numbers', async () => {
    const hog = { parts: ['hog'] as const, dims: 80, seed: 1, whiten: 3 }
    // 30 images of 128 numbers, and the same images five times over: 150.
    const fivefold = Array.from({ length: 5 }, () => few).flat()
    const [among, over] = [
      await fitEmbedder(few, SIZE, embedFew, hog),
      await fitEmbedder(fivefold, SIZE, (model) => embed(model, fivefold), hog),
    ]
    const [a, b] = [await embedFew(among.model), await embedFew(over.model)]
    for (let j = 0; j < 3; j++) {
      const column = (m: Matrix) => few.map((_, i) => m.data[i * 3 + j]!)
      expect(Math.abs(correlation(column(a), column(b)))).toBeCloseTo(1, 4)
      expect(Math.hypot(...column(a))).toBeCloseTo(Math.hypot(...column(b)), 2)
    }
  })

  it('keep no more components than there are images', async () => {
    const six = images.slice(0, 6)
    const { dims } = await fitEmbedder(six, SIZE, (model) => embed(model, six), { ...together, whiten: 200 })
    expect(dims).toBe(6)
  })

  it('of images without any structure are finite', async () => {
    const blank = Array.from({ length: 4 }, () => new Uint8Array(SIZE.height * SIZE.width * 3).fill(128))
    const { model } = await fitEmbedder(blank, SIZE, (m) => embed(m, blank), together)
    expect([...(await embed(model, [stripes(0)])).data].every(Number.isFinite)).toBe(true)
  })

  it('stand beside an ONNX file whose values have the same names', async () => {
    const graph = new OnnxGraph('corner', 'embedder/')
    const floats = graph.node('Cast', [graph.input('images', 'uint8', ['N', 28, 28, 3])], { to: 1 })
    const corner = graph.node('AveragePool', [graph.node('Transpose', [floats], { perm: [0, 3, 1, 2] })], {
      ...{ kernel_shape: [14, 14], strides: [14, 14] },
    })
    graph.output('embedding', 'float32', ['N', 12], graph.node('Flatten', [corner]))
    const beside = await checkEmbedder('corner', graph.toBytes())
    const options = { parts: ['hog'] as const, beside, dims: 80, seed: 1, whiten: null }
    const { model, dims } = await fitEmbedder(images, SIZE, embedThem, options)
    expect(dims).toBe(128 + 12)
    const [own, joined] = [await embedThem(graph.toBytes()), await embedThem(model)]
    // Standardised, what the file gives for each image comes after the edges: it goes up and down with the original.
    const column = (m: Matrix, j: number) => images.map((_, i) => m.data[i * m.cols + j]!)
    expect(correlation(column(own, 5), column(joined, 128 + 5))).toBeCloseTo(1, 5)
  })

  it('see images of an embedder for larger ones shrunk', async () => {
    const side = 84
    const large = images.slice(0, 12).map((pixels) => enlarged(pixels, 28, 3))
    const graph = new OnnxGraph('first pixel')
    const floats = graph.node('Cast', [graph.input('images', 'uint8', ['N', side, side, 3])], { to: 1 })
    const pooled = graph.node('AveragePool', [floats], { kernel_shape: [side, 3], strides: [side, 3] })
    graph.output('embedding', 'float32', ['N', side], graph.node('Flatten', [pooled]))
    const beside = await checkEmbedder('first pixel', graph.toBytes())
    const run = async (model: Uint8Array) => {
      const session = await openOnnxSession(model)
      const pixels = new Uint8Array(Buffer.concat(large))
      const { embedding } = await session.run(imagesTensor(pixels, { height: side, width: side }))
      await session.release()
      return matrix(embedding!.dims[0]!, embedding!.dims[1]!, embedding!.data as Float32Array)
    }
    const options = { parts: ['patches', 'hog'] as const, beside, dims: 80, seed: 1, whiten: 8 }
    const { dims } = await fitEmbedder(large, { height: side, width: side }, run, options)
    expect(dims).toBe(8)
  })
})

function correlation(a: readonly number[], b: readonly number[]): number {
  const centred = (values: readonly number[]) => {
    const mean = values.reduce((x, y) => x + y, 0) / values.length
    return values.map((x) => x - mean)
  }
  const [x, y] = [centred(a), centred(b)]
  const inner = (p: readonly number[], q: readonly number[]) => p.reduce((sum, value, i) => sum + value * q[i]!, 0)
  return inner(x, y) / Math.sqrt(inner(x, x) * inner(y, y))
}

/** Each pixel of a square image as `times` × `times` equal ones. */
function enlarged(pixels: Uint8Array, side: number, times: number): Uint8Array {
  const large = side * times
  const out = new Uint8Array(large * large * 3)
  for (let y = 0; y < large; y++)
    for (let x = 0; x < large; x++) {
      const from = (Math.floor(y / times) * side + Math.floor(x / times)) * 3
      out.set(pixels.subarray(from, from + 3), (y * large + x) * 3)
    }
  return out
}

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
