import { beforeAll, describe, expect, it } from 'vitest'
import { openVersion, pixelMatrix, readPixelRows } from '#core/datasets'
import { OnnxGraph } from '#core/inference'
import { takeEmbedder } from '#core/self-supervised'
import type { DatasetVersion } from '#core/steps'
import { canonicalJson, putBlob, type ObjectStore } from '#core/storage'
import { SIDE, SIZE, stepContext, stripedDataset } from '../embedding/striped-images.ts'

let store: ObjectStore
let version: DatasetVersion
beforeAll(async () => void ({ store, version } = await stripedDataset(60)))

/** Means of the three channels, 0–1. */
function meansModel(side = SIDE): Uint8Array {
  const graph = new OnnxGraph('means')
  const images = graph.input('images', 'uint8', ['N', side, side, 3])
  const axes = graph.constant('axes', BigInt64Array.from([1n, 2n]), [2])
  const means = graph.node('ReduceMean', [graph.node('Cast', [images], { to: 1 }), axes], { keepdims: 0 })
  graph.output('embedding', 'float32', ['N', 3], graph.node('Mul', [means, graph.constant('scale', [1 / 255], [])]))
  return graph.toBytes()
}

interface Claims {
  readonly off?: number
  readonly dims?: number
  readonly model?: Uint8Array
}

/** Takes a model whose trainer claims that its embeddings of rows 3 and 50 are off by so much. */
async function taken({ off = 0, dims = 3, model = meansModel() }: Claims = {}) {
  const ctx = await stepContext(store)
  const rows = [3, 50]
  const pixels = await readPixelRows(await pixelMatrix(ctx, (await openVersion(store, version)).version, SIZE), rows)
  const area = SIDE * SIDE * 3
  const embedding = rows.map((_, i) => {
    const image = pixels.subarray(i * area, (i + 1) * area)
    return [0, 1, 2].map(
      (c) => off + image.filter((_, at) => at % 3 === c).reduce((sum, x) => sum + x, 0) / ((255 * area) / 3),
    )
  })
  const description = {
    schema: 1,
    trainer: 'vicreg',
    dims,
    preprocessing: { ...SIZE, channels: 3 },
    seeds: { training: 7 },
    golden: { rows, embedding },
  }
  const keep = (value: object) => putBlob(store, Buffer.from(canonicalJson(value)))
  const made = {
    'model.onnx': await putBlob(store, model),
    'model.json': await keep(description),
    'metrics.json': await keep({ epochs: [] }),
  }
  const options = { trainer: 'vicreg', network: 'small', epochs: 1, batchImages: 32, mirror: true, colour: 1 } as const
  return { made, embedder: await takeEmbedder({ version, ...options, compile: false, seed: 7, made }, ctx) }
}

describe('a trained embedder', () => {
  it('is taken when ONNX Runtime computes what its trainer did', async () => {
    const { embedder, made } = await taken()
    expect(embedder).toEqual({ kind: 'embedder', name: 'vicreg', dims: 3, model: made['model.onnx'] })
  })

  it('may differ by rounding', async () => {
    await expect(taken({ off: 0.005 })).resolves.toBeDefined()
  })

  it('is refused when it computes something else', async () => {
    await expect(taken({ off: 0.02 })).rejects.toMatchObject({
      code: 'EMBEDDER_INVALID',
      message: expect.stringMatching(/differs by 0.02/) as string,
    })
  })

  it('is refused when it has another length or size than its description says', async () => {
    const refused = { code: 'EMBEDDER_INVALID', message: expect.stringMatching(/dimensions for/) as string }
    await expect(taken({ dims: 4 })).rejects.toMatchObject(refused)
    await expect(taken({ model: meansModel(32) })).rejects.toMatchObject(refused)
  })

  it('is refused when it is no ONNX', async () => {
    await expect(taken({ model: Buffer.from('weights') })).rejects.toMatchObject({ code: 'EMBEDDER_INVALID' })
  })
})
