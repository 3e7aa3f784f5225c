import { describe, expect, it } from 'vitest'
import { commitLabels, openVersion } from '#core/datasets'
import { CHECKPOINT, INPUT, layOutTraining, type TrainerManifest } from '#core/self-supervised'
import type { DatasetVersion } from '#core/steps'
import { readBlob, type ObjectStore } from '#core/storage'
import { SIDE, stepContext, stripedDataset } from '../embedding/striped-images.ts'

const options = {
  trainer: 'vicreg',
  network: 'small',
  epochs: 3,
  batchImages: 32,
  mirror: true,
  colour: 1,
  compile: false,
  seed: 7,
  gpus: 0,
} as const

async function laidOut(store: ObjectStore, version: DatasetVersion, changes: { gpus?: number } = {}) {
  const { inputs } = await layOutTraining({ version, ...options, ...changes }, await stepContext(store))
  const bytes = async (name: string) => Buffer.from(await readBlob(store, inputs[name]!))
  const manifest = JSON.parse((await bytes(INPUT)).toString()) as TrainerManifest
  return { inputs, manifest, pixels: await bytes(manifest.images.file), rows: await bytes(manifest.training.file) }
}

describe('what a self-supervised trainer is given', () => {
  it('is the pixels of all images, and the rows of those of the training split that are not excluded', async () => {
    const { store, version } = await stripedDataset(90)
    const labels = await (await openVersion(store, version)).labels()
    const left = labels.findIndex(({ split }) => split === 'train')
    const changed = await commitLabels(
      store,
      version,
      labels.map((row, i) => (i === left ? { ...row, excluded: 'blurred' } : row)),
      { by: 'test', note: 'one excluded' },
    )
    const { manifest, pixels, rows } = await laidOut(store, changed)
    expect(manifest.images).toMatchObject({ count: 90, height: SIDE, width: SIDE })
    expect(pixels).toHaveLength(90 * SIDE * SIDE * 3)
    const taken = Array.from({ length: rows.length / 4 }, (_, i) => rows.readUInt32LE(4 * i))
    expect(taken).toEqual(labels.flatMap(({ split }, row) => (split === 'train' && row !== left ? [row] : [])))
    expect(manifest.training.count).toBe(taken.length)
  })

  it('is the same each time, and not a matter of labels', async () => {
    const { store, version } = await stripedDataset(60)
    const reader = await openVersion(store, version)
    const bare = await commitLabels(
      store,
      version,
      (await reader.labels()).map((row) => ({ ...row, label: null, humanSeen: false, origin: null })),
      { by: 'test', note: 'no labels' },
    )
    expect((await laidOut(store, bare)).inputs).toEqual((await laidOut(store, version)).inputs)
  })

  it('asks for a GPU where the step does', async () => {
    const { store, version } = await stripedDataset(60)
    expect((await laidOut(store, version)).manifest.device).toBe('auto')
    expect((await laidOut(store, version, { gpus: 1 })).manifest.device).toBe('cuda')
  })

  it('is refused where there are too few training images', async () => {
    const { store, version } = await stripedDataset(12)
    await expect(laidOut(store, version)).rejects.toMatchObject({
      code: 'EMBEDDER_TOO_FEW_IMAGES',
      details: { dataset: 'stripes', needed: 32 },
    })
  })

  it('names its checkpoint as the trainer does', () => {
    expect(CHECKPOINT).toBe('checkpoint')
  })
})
