import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { openVersion } from '#core/datasets'
import { embedImages, imagesTensor, loadEmbeddings } from '#core/embedding'
import { decodePixels } from '#core/images'
import { OnnxGraph, openOnnxSession } from '#core/inference'
import type { DatasetVersion } from '#core/steps'
import { putBlob, readBlob, type ObjectStore } from '#core/storage'
import { SIZE, stepContext, stripedDataset } from './striped-images.ts'

let store: ObjectStore
let version: DatasetVersion
beforeAll(async () => void ({ store, version } = await stripedDataset(90)))

describe('embedding a version', () => {
  it('stores one row per image in order of digest, as the stored embedder gives it', async () => {
    const ctx = await stepContext(store)
    const embeddings = await embedImages({ version, model: 'fitted', dims: 80, seed: 7 }, ctx)
    expect(embeddings).toMatchObject({ kind: 'embeddings', dataset: version, images: 90, dims: 80, inputSize: SIZE })
    const matrix = await loadEmbeddings(store, embeddings, ctx.scratchDir)
    const reader = await openVersion(store, version)
    const { digest } = (await reader.facts())[17]!
    const pixels = await decodePixels(await reader.imageBytes(digest), SIZE)
    const session = await openOnnxSession(await readBlob(store, embeddings.embedder))
    const { embedding } = await session.run(imagesTensor(pixels, SIZE))
    await session.release()
    expect(matrix.data.subarray(17 * 80, 18 * 80)).toEqual(embedding!.data)
  })

  it('gives the same references each time', async () => {
    const once = await embedImages({ version, model: 'fitted', dims: 80, seed: 7 }, await stepContext(store))
    const again = await embedImages({ version, model: 'fitted', dims: 80, seed: 7 }, await stepContext(store))
    expect(again).toEqual(once)
  })

  it('tells its progress in images and ends with all of them', async () => {
    const told: unknown[] = []
    const ctx = await stepContext(store, { onProgress: (progress) => void told.push(progress) })
    await embedImages({ version, model: 'fitted', dims: 32, seed: 7 }, ctx)
    expect(told.at(-1)).toEqual({ done: 90, total: 90, unit: 'images', note: 'embedding' })
  })

  it('uses an ONNX file of the user at the size that it wants', async () => {
    const graph = new OnnxGraph('corner')
    const images = graph.input('images', 'uint8', ['N', 2, 2, 3])
    const flat = graph.node('Flatten', [graph.node('Cast', [images], { to: 1 })])
    graph.output('embedding', 'float32', ['N', 12], flat)
    const ctx = await stepContext(store)
    const file = path.join(ctx.scratchDir, '..', 'own.onnx')
    await writeFile(file, graph.toBytes())
    const embeddings = await embedImages({ version, model: file, dims: 1600, seed: 7 }, ctx)
    expect(embeddings).toMatchObject({ images: 90, dims: 12, inputSize: { height: 2, width: 2 } })
  })

  it('takes an embedder that a step trained, alone or beside fitted ones', async () => {
    const graph = new OnnxGraph('corner')
    const images = graph.input('images', 'uint8', ['N', 28, 28, 3])
    const flat = graph.node('Flatten', [graph.node('Cast', [images], { to: 1 })])
    const weights = graph.constant('first', new Float32Array(2352 * 5).fill(1 / 2352), [2352, 5])
    graph.output('embedding', 'float32', ['N', 5], graph.node('MatMul', [flat, weights]))
    const model = await putBlob(store, graph.toBytes())
    const embedder = { kind: 'embedder' as const, name: 'mean', dims: 5, model }
    const input = { version, embedder, dims: 80, seed: 7 }
    const alone = await embedImages(input, await stepContext(store))
    expect(alone).toMatchObject({ images: 90, dims: 5, embedder: model, inputSize: SIZE })
    const beside = await embedImages({ ...input, model: 'hog', whiten: 20 }, await stepContext(store))
    expect(beside).toMatchObject({ images: 90, dims: 20, inputSize: SIZE })
  })

  it('says of an embedder that names no file what it is called', async () => {
    const wrong = { kind: 'embedder' as const, name: 'vicreg', dims: 5, model: await putBlob(store, Buffer.from('x')) }
    await expect(
      embedImages({ version, embedder: wrong, dims: 80, seed: 7 }, await stepContext(store)),
    ).rejects.toMatchObject({ code: 'EMBEDDER_INVALID', message: expect.stringContaining('vicreg') as string })
  })

  it('measures without labels that edges differ in more directions than lightness does', async () => {
    const measured = async (model: string) =>
      (await embedImages({ version, model, dims: 80, seed: 7 }, await stepContext(store))).quality!
    const [edges, lightness] = [await measured('hog'), await measured('colour')]
    expect(edges.images).toBe(90)
    expect(edges.effectiveRank).toBeGreaterThan(lightness.effectiveRank)
  })

  it('stops with the reason of its signal', async () => {
    const stop = new AbortController()
    const ctx = await stepContext(store, { signal: stop.signal, onProgress: () => stop.abort(new Error('cancelled')) })
    await expect(embedImages({ version, model: 'fitted', dims: 32, seed: 7 }, ctx)).rejects.toThrow('cancelled')
  })
})
