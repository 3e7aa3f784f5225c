import { describe, expect, it } from 'vitest'
import { PlatformError } from '#core/errors'
import type { InferenceSession } from '#core/inference'
import type { RunAlgorithm } from '#core/algorithm'
import { Predictor } from '../../../apps/inference/predictor.ts'

/** A model of 1 × 1 images whose scores are the first two of the three values; it refuses an image that begins with 99. */
function harness(algorithm: RunAlgorithm | null = null) {
  const batches: number[] = []
  const session: InferenceSession = {
    inputs: [],
    outputs: [],
    run: async ({ images }) => {
      const n = images!.dims[0]!
      const pixels = images!.data as Uint8Array
      batches.push(n)
      const rows = Array.from({ length: n }, (_, i) => [pixels[i * 3]!, pixels[i * 3 + 1]!])
      if (rows.some(([first]) => first === 99)) throw new PlatformError('INVALID_INPUT', 'the model refused its input')
      return { scores: { type: 'float32', data: Float32Array.from(rows.flat()), dims: [n, 2] } }
    },
    release: async () => undefined,
  }
  const decode = async (file: Uint8Array) => {
    if (file[0] === 0) throw new PlatformError('IMAGE_UNREADABLE', 'damaged')
    return Uint8Array.from([file[0]!, file[0]! * 2, 0])
  }
  const inputSize = { height: 1, width: 1 }
  return {
    batches,
    predictor: new Predictor({ session, inputSize, classes: ['a', 'b'], maxBatch: 4, decode, algorithm }),
  }
}

const files = (...bytes: number[]) => ({
  kind: 'encoded' as const,
  files: bytes.map((byte) => Uint8Array.from([byte])),
})
const pixels = (...values: number[]) => ({
  kind: 'pixels' as const,
  pixels: Uint8Array.from(values),
  count: values.length / 3,
})
const scores = (...values: number[]) => ({ scores: Float32Array.from(values), results: null })

describe('the predictor', () => {
  it('runs the images of all requests together and gives each its own', async () => {
    const { predictor, batches } = harness()
    expect(await predictor.predict([files(1, 2), pixels(7, 8, 9), files(3)])).toEqual([
      scores(1, 2, 2, 4),
      scores(7, 8),
      scores(3, 6),
    ])
    expect(batches).toEqual([4])
  })

  it('runs more images than a batch holds in several, in order', async () => {
    const { predictor, batches } = harness()
    expect(await predictor.predict([files(1, 2, 3, 4, 5)])).toEqual([scores(1, 2, 2, 4, 3, 6, 4, 8, 5, 10)])
    expect(batches).toEqual([4, 1])
  })

  it('fails only the request with a broken file, and says which one it is', async () => {
    const [good, alone, among] = await harness().predictor.predict([files(1), files(0), files(1, 0)])
    expect(good).toEqual(scores(1, 2))
    expect(alone).toMatchObject({ code: 'IMAGE_UNREADABLE', message: 'damaged' })
    expect(among).toMatchObject({ code: 'IMAGE_UNREADABLE', message: 'element 1: damaged' })
  })

  it('fails only the request that the model refuses', async () => {
    const [good, bad] = await harness().predictor.predict([files(1), pixels(99, 0, 0)])
    expect(good).toEqual(scores(1, 2))
    expect(bad).toMatchObject({ code: 'INVALID_INPUT' })
  })

  it('runs nothing for no image', async () => {
    const { predictor, batches } = harness()
    expect(await predictor.predict([pixels()])).toEqual([scores()])
    expect(batches).toEqual([])
  })

  it('gives an algorithm the images and their scores without running the model twice', async () => {
    const { predictor, batches } = harness(async (images, model) => {
      const { rows, columns, data } = await model.run(images)
      return Array.from({ length: rows }, (_, i) => `${model.classes.join()} ${images.count} ${data[i * columns]}`)
    })
    expect(await predictor.predict([files(1), files(2)])).toEqual([
      { scores: Float32Array.from([1, 2]), results: ['a,b 2 1'] },
      { scores: Float32Array.from([2, 4]), results: ['a,b 2 2'] },
    ])
    expect(batches).toEqual([2])
  })

  it('runs the model again on images that an algorithm changed', async () => {
    const { predictor } = harness(async (images, model) => {
      const half = await model.run({ ...images, data: images.data.map((value) => value / 2) })
      return [String(half.row(0))]
    })
    expect(await predictor.predict([pixels(8, 4, 0)])).toEqual([
      { scores: Float32Array.from([8, 4]), results: ['4,2'] },
    ])
  })
})
