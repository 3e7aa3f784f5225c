import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { imagesTensor, loadUserEmbedder } from '#core/embedding'
import { OnnxGraph, openOnnxSession, type TensorSignature } from '#core/inference'

let folder: string
beforeAll(async () => (folder = await mkdtemp(path.join(tmpdir(), 'gyre-embedder-'))))
afterAll(() => rm(folder, { recursive: true }))

/** Mean colour, [N, 3], with the given names and input. */
async function meanColour({
  input = 'images',
  output = 'embedding',
  dims = ['N', 4, 4, 3],
  type = 'uint8' as TensorSignature['type'],
} = {}) {
  const graph = new OnnxGraph('mean colour')
  const images = graph.input(input, type, dims)
  const axes = graph.constant('axes', BigInt64Array.of(1n, 2n), [2])
  const mean = graph.node('ReduceMean', [graph.node('Cast', [images], { to: 1 }), axes], { keepdims: 0 })
  graph.output(output, 'float32', ['N', 'D'], mean)
  const file = path.join(folder, `${input}-${output}-${dims.join('x')}-${type}.onnx`)
  await writeFile(file, graph.toBytes())
  return file
}

describe('a user’s embedder', () => {
  it('is taken as it is when its names are Gyre’s', async () => {
    const { size, dims } = await loadUserEmbedder(await meanColour())
    expect({ size, dims }).toEqual({ size: { height: 4, width: 4 }, dims: 3 })
  })

  it('gets Gyre’s names when it has others', async () => {
    const { model, size } = await loadUserEmbedder(await meanColour({ input: 'pixel_values', output: 'pooled' }))
    const session = await openOnnxSession(model)
    expect(session.inputs).toEqual([{ name: 'images', type: 'uint8', dims: [-1, 4, 4, 3] }])
    expect(session.outputs).toEqual([{ name: 'embedding', type: 'float32', dims: [-1, 3] }])
    const pixels = new Uint8Array(48).map((_, i) => [10, 20, 30][i % 3]!)
    expect([...(await session.run(imagesTensor(pixels, size))).embedding!.data]).toEqual([10, 20, 30])
    await session.release()
  })

  it.each([
    ['float input', { type: 'float32' as const }, 'takes float32 [?, 4, 4, 3]'],
    ['channels before pixels', { dims: ['N', 3, 4, 4] }, 'takes uint8 [?, 3, 4, 4]'],
    ['a free size', { dims: ['N', 'H', 'W', 3] as (string | number)[] }, 'takes uint8 [?, ?, ?, 3]'],
    ['one fixed image', { dims: [1, 4, 4, 3] as (string | number)[] }, 'takes uint8 [1, 4, 4, 3]'],
  ])('with %s is refused', async (_what, options, message) => {
    await expect(loadUserEmbedder(await meanColour(options as never))).rejects.toMatchObject({
      code: 'EMBEDDER_INVALID',
      message: expect.stringContaining(message) as string,
    })
  })

  it('that is no ONNX file is refused', async () => {
    const file = path.join(folder, 'text.onnx')
    await writeFile(file, 'hello')
    await expect(loadUserEmbedder(file)).rejects.toMatchObject({ code: 'EMBEDDER_INVALID' })
  })

  it('that does not exist, or is a name with a slip, is refused with the names there are', async () => {
    for (const named of [path.join(folder, 'missing.onnx'), 'whitened-patch'])
      await expect(loadUserEmbedder(named)).rejects.toMatchObject({
        code: 'EMBEDDER_INVALID',
        message: expect.stringContaining(`${named} is none of patches, whitened-patches, hog, colour`) as string,
      })
  })
})
