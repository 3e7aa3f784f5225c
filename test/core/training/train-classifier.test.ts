import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { commitLabels, openVersion } from '#core/datasets'
import { embedImages, imagesTensor } from '#core/embedding'
import { openOnnxSession } from '#core/inference'
import type { DatasetVersion, Embeddings, TrainedModel } from '#core/steps'
import { readBlob, sha256Hex, type ObjectStore } from '#core/storage'
import { goldenSet, modelDescription, runTrainer, trainClassifier, trainWith } from '#core/training'
import { directionOf, SIZE, stepContext, stripedDataset, stripes } from '../embedding/striped-images.ts'

let store: ObjectStore
let version: DatasetVersion
let embeddings: Embeddings
let model: TrainedModel

beforeAll(async () => {
  ;({ store, version } = await stripedDataset(90))
  embeddings = await embedImages({ version, model: 'fitted', dims: 80, seed: 7 }, await stepContext(store))
  model = await trainClassifier({ version, embeddings, trainer: 'head', seed: 7 }, await stepContext(store))
})

/** The version with every label changed by `change`. */
async function relabelled(change: (label: string | null) => string | null): Promise<DatasetVersion> {
  const rows = await (await openVersion(store, version)).labels()
  const labels = rows.map((row) => ({ ...row, label: change(row.label) }))
  return commitLabels(store, version, labels, { by: 'test', note: 'relabelled' })
}

const describeModel = async ({ description }: TrainedModel) =>
  modelDescription.parse(JSON.parse(Buffer.from(await readBlob(store, description)).toString()))

describe('training a classifier', () => {
  it('tells new images apart', async () => {
    expect(model).toMatchObject({
      kind: 'trained-model',
      trainer: 'head',
      classes: ['across', 'down'],
      inputSize: SIZE,
    })
    const session = await openOnnxSession(await readBlob(store, model.onnx))
    for (let i = 200; i < 220; i++) {
      const { scores } = await session.run(imagesTensor(stripes(i), SIZE))
      const [across, down] = scores!.data as Float32Array
      expect(across! > down! ? 'across' : 'down').toBe(directionOf(i))
    }
    await session.release()
  })

  it('gives an equal model each time', async () => {
    const again = await trainClassifier({ version, embeddings, trainer: 'head', seed: 7 }, await stepContext(store))
    expect(again).toEqual(model)
  })

  it('describes what it takes, what it gives, and what it was made from', async () => {
    expect(await describeModel(model)).toMatchObject({
      classes: ['across', 'down'],
      preprocessing: { height: 28, width: 28, channels: 3, resize: 'stretch' },
      signature: {
        inputs: [{ name: 'images', type: 'uint8', dims: [-1, 28, 28, 3] }],
        outputs: [{ name: 'scores', type: 'float32', dims: [-1, 2] }],
      },
      seeds: { training: 7 },
      inputs: { version: version.version, embedder: embeddings.embedder.sha256 },
    })
  })

  it('stores golden images that the stored model answers as it said', async () => {
    const { golden } = await describeModel(model)
    expect(golden.images).toBe(8)
    const session = await openOnnxSession(await readBlob(store, model.onnx))
    const answers = await goldenSet(session, await readBlob(store, golden.pixels), SIZE)
    expect(answers).toEqual(golden.scores)
    await session.release()
  })

  it('learns nothing from labels of held-out images', async () => {
    const rows = await (await openVersion(store, version)).labels()
    const labels = rows.map((row) => (row.split === 'test' ? { ...row, label: 'across' } : row))
    const spoiled = await commitLabels(store, version, labels, { by: 'test', note: 'spoiled' })
    expect(spoiled.version).not.toBe(version.version)
    const input = { version: spoiled, embeddings, trainer: 'head', seed: 7 } as const
    expect((await trainClassifier(input, await stepContext(store))).onnx).toEqual(model.onnx)
  })

  it('needs a label', async () => {
    const input = { version: await relabelled(() => null), embeddings, trainer: 'head', seed: 7 } as const
    await expect(trainClassifier(input, await stepContext(store))).rejects.toMatchObject({ code: 'TOO_FEW_LABELS' })
  })

  it('needs a second class', async () => {
    const input = { version: await relabelled(() => 'across'), embeddings, trainer: 'head', seed: 7 } as const
    await expect(trainClassifier(input, await stepContext(store))).rejects.toMatchObject({ code: 'DATASET_ONE_CLASS' })
  })

  it('refuses embeddings of other images', async () => {
    const other = await stripedDataset(30, (i) => `other-${directionOf(i)}`)
    const rows = await (await openVersion(other.store, other.version)).facts()
    for await (const { key } of other.store.list('')) await store.create(key, await other.store.get(key))
    const few = { ...embeddings, dataset: { ...other.version, images: rows.length }, images: rows.length }
    const input = { version, embeddings: few, trainer: 'head', seed: 7 } as const
    await expect(trainClassifier(input, await stepContext(store))).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })
})

describe('a trainer', () => {
  it('finds its manifest, writes three files, and tells its progress', async () => {
    const notes: string[] = []
    const ctx = await stepContext(store, { onProgress: ({ note }) => void notes.push(note ?? '') })
    const files: Record<string, Buffer> = {}
    await trainWith(
      async (run) => {
        await runTrainer(run)
        for (const name of ['model.onnx', 'model.json', 'metrics.json'])
          files[name] = await readFile(path.join(run.outputDir, name))
      },
      { version, embeddings, trainer: 'head', seed: 7 },
      ctx,
    )
    expect(sha256Hex(files['model.onnx']!)).toBe(model.onnx.sha256)
    expect(sha256Hex(files['model.json']!)).toBe(model.description.sha256)
    expect(JSON.parse(files['metrics.json']!.toString())).toMatchObject({ leaveOneOut: { accuracy: 1 } })
    expect(notes.at(-1)).toBe('done')
  })

  it('refuses a manifest that does not fit, with the path of the mistake', async () => {
    const ctx = await stepContext(store)
    const inputManifestPath = path.join(ctx.scratchDir, 'input.json')
    await writeFile(inputManifestPath, JSON.stringify({ schema: 1, trainer: 'head', seed: 'seven' }))
    await expect(runTrainer({ inputManifestPath, outputDir: ctx.scratchDir })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining('seed') as string,
    })
  })
})
