import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { commitLabels, openVersion, type ImageLabel } from '#core/datasets'
import { evaluate, type Report } from '#core/evaluation'
import { addImages } from '#core/imports'
import { setAlias } from '#core/registry'
import type { DatasetVersion, EvaluationReport, TrainedModel } from '#core/steps'
import { createMemoryStore, readBlob, type ObjectStore } from '#core/storage'
import { COLOURS, colourImage, registerColourModel, storeColourModel } from '../../support/colour-model.ts'

const IMAGES = 60
let files: { name: string; bytes: Uint8Array }[]
let store: ObjectStore
let base: DatasetVersion
let model: TrainedModel
/** Held-out images, ascending by digest, with their true class. */
let heldOut: { digest: string; truth: string }[]

beforeAll(async () => {
  files = await Promise.all(
    Array.from({ length: IMAGES }, async (_, i) => ({
      name: `${COLOURS[i % 3]}-${i}.png`,
      bytes: await colourImage(COLOURS[i % 3]!, { salt: i }),
    })),
  )
})

beforeEach(async () => {
  store = createMemoryStore()
  base = await addImages(store, 'colours', files, { by: 'test' })
  model = await storeColourModel(store)
  const reader = await openVersion(store, base)
  const [facts, labels] = [await reader.facts(), await reader.labels()]
  heldOut = facts
    .filter((_, i) => labels[i]?.split === 'test')
    .map(({ digest, source }) => ({ digest, truth: source.split('-')[0]! }))
  expect(heldOut.length).toBeGreaterThan(5)
})

const seen = {
  origin: 'human',
  humanSeen: true,
  randomDraw: true,
  excluded: null,
  split: 'test',
  tags: null,
  attributes: null,
} as const

/** Labels the held-out images: each gets its truth as a person's randomly drawn label, changed by `change`. */
function label(change: (label: ImageLabel, i: number) => ImageLabel): Promise<DatasetVersion> {
  const labels = heldOut.map(({ digest, truth }, i) => change({ ...seen, digest, label: truth }, i))
  return commitLabels(store, base, labels, { by: 'test', note: 'labels' })
}

async function run(version: DatasetVersion, options: { champion?: string; minGain?: number } = {}) {
  const scratchDir = await mkdtemp(path.join(tmpdir(), 'gyre-evaluate-'))
  onTestFinished(() => rm(scratchDir, { recursive: true, force: true }))
  const signal = new AbortController().signal
  return evaluate({ model, version, minGain: 0, ...options }, { store, scratchDir, signal, progress: () => {} })
}

async function reportOf({ report }: EvaluationReport): Promise<Report> {
  return JSON.parse(Buffer.from(await readBlob(store, report)).toString()) as Report
}

describe('evaluate', () => {
  it('counts right answers among the images that people judged', async () => {
    // A person calls the first image by a wrong class, so that the model disagrees with one of n.
    const version = await label((row, i) => (i === 0 ? { ...row, label: row.label === 'red' ? 'blue' : 'red' } : row))
    const result = await run(version)
    const n = heldOut.length
    expect(result).toMatchObject({ images: n, humanSeen: n, accuracy: (n - 1) / n, beatsChampion: true })
    expect(result.interval[0]).toBeLessThan(result.accuracy)
    expect(result.perClass.reduce((sum, { images }) => sum + images, 0)).toBe(n)
  })

  it('never uses labels that were accepted unseen, nor those of images chosen for being hard', async () => {
    const wrong = (row: ImageLabel) => ({ ...row, label: row.label === 'red' ? 'blue' : 'red' })
    const version = await label((row, i) => {
      if (i === 0) return { ...wrong(row), origin: 'predicted', humanSeen: false, randomDraw: false }
      if (i === 1) return { ...wrong(row), origin: 'inferred', humanSeen: false }
      if (i === 2) return { ...wrong(row), randomDraw: false }
      return row
    })
    const result = await run(version)
    expect(result).toMatchObject({ images: heldOut.length, humanSeen: heldOut.length - 3, accuracy: 1 })
    expect(await reportOf(result)).toMatchObject({ labelsLeftOut: 3, mistakes: 0 })
  })

  it('answers every held-out image that is not excluded, in the order of the digests', async () => {
    const version = await label((row, i) =>
      i === 1 ? { ...row, label: null, excluded: 'broken' } : i > 2 ? { ...row, label: null, humanSeen: false } : row,
    )
    const result = await run(version)
    expect(result).toMatchObject({ images: heldOut.length - 1, humanSeen: 2 })
    const lines = Buffer.from(await readBlob(store, result.predictions))
      .toString()
      .trimEnd()
      .split('\n')
    const answers = lines.map((line) => JSON.parse(line) as { digest: string; class: string; score: number })
    expect(answers.map((answer) => [answer.digest, answer.class])).toEqual(
      heldOut.filter((_, i) => i !== 1).map(({ digest, truth }) => [digest, truth]),
    )
    expect(answers.every(({ score }) => score > 0.9 && score <= 1)).toBe(true)
  })

  it('refuses to speak where no held-out image was judged by a person', async () => {
    const version = await label((row) => ({ ...row, origin: 'predicted', humanSeen: false, randomDraw: false }))
    await expect(run(version)).rejects.toMatchObject({ code: 'TOO_FEW_LABELS' })
  })

  it('counts imported labels as seen', async () => {
    const version = await label((row) => ({ ...row, origin: 'imported' }))
    expect((await run(version)).humanSeen).toBe(heldOut.length)
  })

  it('gives the same report for the same model and labels', async () => {
    const version = await label((row) => row)
    const [first, second] = [await run(version), await run(version)]
    expect(second).toEqual(first)
  })

  it('shows the worst mistakes with their pictures in one page that needs nothing else', async () => {
    const version = await label((row, i) => (i < 2 ? { ...row, label: row.label === 'red' ? 'blue' : 'red' } : row))
    const result = await run(version)
    const page = Buffer.from(await readBlob(store, result.html)).toString()
    expect(page.match(/<img src="data:image\/webp;base64,/g)).toHaveLength(2)
    expect(page).not.toMatch(/<script|https?:/)
    expect((await reportOf(result)).worst.map(({ digest }) => digest).sort()).toEqual(
      heldOut.slice(0, 2).map(({ digest }) => digest),
    )
  })
})

describe('the champion', () => {
  /** A champion that calls red blue and blue red, and sees the world at another size. */
  async function crown(): Promise<number> {
    const swapped = await storeColourModel(store, { side: 4, classes: ['blue', 'green', 'red'] })
    await registerColourModel(store, 'colours', swapped)
    await setAlias(store, 'colours', 'champion', 1, 'test')
    return heldOut.filter(({ truth }) => truth === 'green').length
  }

  it('is beaten by a model that is better by the gain asked for, on the same images', async () => {
    const greens = await crown()
    const version = await label((row) => row)
    const n = heldOut.length
    const gain = (n - greens) / n
    const result = await run(version, { champion: 'colours@champion', minGain: gain })
    expect(result.beatsChampion).toBe(true)
    expect((await reportOf(result)).champion).toMatchObject({
      name: 'colours@1',
      accuracy: greens / n,
      bothRight: greens,
      onlyThis: n - greens,
      onlyChampion: 0,
    })
    expect((await run(version, { champion: 'colours@champion', minGain: gain + 0.01 })).beatsChampion).toBe(false)
  })

  it('stays when a model is worse', async () => {
    await registerColourModel(store, 'colours', model)
    await setAlias(store, 'colours', 'champion', 1, 'test')
    model = await storeColourModel(store, { classes: ['green', 'red', 'blue'] })
    expect((await run(await label((row) => row), { champion: 'colours@champion' })).beatsChampion).toBe(false)
  })

  it('needs no beating where there is none yet; a number that does not exist is a mistake', async () => {
    const version = await label((row) => row)
    expect((await run(version, { champion: 'colours@champion' })).beatsChampion).toBe(true)
    await expect(run(version, { champion: 'colours@7' })).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' })
  })
})
