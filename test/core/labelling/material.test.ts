import { describe, expect, it } from 'vitest'
import { clusterEmbeddings } from '#core/clustering'
import { commitChange, openVersion, type ImageLabel } from '#core/datasets'
import { embedImages } from '#core/embedding'
import type { annotate, DatasetVersion, StepInput } from '#core/steps'
import { createMemoryStore, type ObjectStore } from '#core/storage'
import { openMaterial } from '../../../core/labelling/material.ts'
import { pngImage } from '../../support/images.ts'
import { makeDataset, type MadeImage } from '../exports/support.ts'
import { stepContext } from '../imports/support.ts'

const CLASSES = ['dent', 'scratch']
const IMAGES = 40

async function datasetOf(store: ObjectStore, said: (i: number) => Partial<MadeImage>): Promise<DatasetVersion> {
  const images = Array.from({ length: IMAGES }, async (_, i) => ({
    ...{ source: `${i}.png`, bytes: await pngImage(i) },
    ...said(i),
  }))
  return makeDataset(store, await Promise.all(images))
}

async function inputOf(
  store: ObjectStore,
  version: DatasetVersion,
  more: Partial<StepInput<typeof annotate>> = {},
): Promise<StepInput<typeof annotate>> {
  const ctx = stepContext({ store })
  const embeddings = await embedImages({ version, model: 'fitted', dims: 32, seed: 7 } as never, ctx)
  const clusters = await clusterEmbeddings({ embeddings, k: 3, seed: 7 }, ctx)
  const asked = { classes: CLASSES, annotator: 'web' as const, targetAccuracy: 0.9, seed: 7 }
  return { version, embeddings, clusters, ...asked, ...more }
}

const human = { origin: 'human', humanSeen: true } as const
const predicted = { origin: 'predicted', humanSeen: false } as const

describe('what a session starts from', () => {
  it("is people's words, and what models said only as suggestions", async () => {
    const store = createMemoryStore()
    const version = await datasetOf(store, (i) =>
      i % 4 === 0 ? { label: 'dent', ...human } : i % 4 === 1 ? { label: 'scratch', ...predicted } : {},
    )
    const { problem } = await openMaterial(await inputOf(store, version), stepContext({ store }))
    expect(problem.known.filter((label) => label === 0)).toHaveLength(10)
    expect(problem.suggested!.filter((label) => label === 1)).toHaveLength(10)
    expect([...problem.known].some((label, i) => label >= 0 && problem.suggested![i]! >= 0)).toBe(false)
  })

  it('of several labels an image is what was judged as a whole: tags are shown, and what has no tag is not', async () => {
    const store = createMemoryStore()
    const version = await datasetOf(store, (i) => {
      if (i % 4 === 0) return { tags: ['dent', 'wet'], ...human }
      if (i % 4 === 1) return { tags: ['scratch'], ...predicted }
      return i % 4 === 2 ? { label: 'part', ...human } : {}
    })
    const input = await inputOf(store, version, { task: 'multi' })
    const { problem, commit } = await openMaterial(input, stepContext({ store }))
    const rows = await (await openVersion(store, version)).labels()
    const pairs = (values: Int8Array, row: number): number[] => [...values.subarray(row * 2, row * 2 + 2)]
    rows.forEach((row, i) => {
      expect(pairs(problem.knownPairs!, i)).toEqual(row.tags && row.humanSeen ? [1, 0] : [-1, -1])
      expect(pairs(problem.suggestedPairs!, i)).toEqual(row.tags && !row.humanSeen ? [0, 1] : [-1, -1])
    })

    const said = { label: null, tags: ['scratch'], origin: 'predicted', humanSeen: false } as const
    const made = await commit(rows.map(({ digest }) => ({ digest, ...said, randomDraw: false, excluded: null })))
    const after = await (await openVersion(store, made)).labels()
    after.forEach((row, i) => {
      const before = rows[i]!
      expect(row.tags).toEqual(before.tags?.includes('wet') ? ['scratch', 'wet'] : ['scratch'])
      // The one label stays, and whose it is.
      expect(row.label).toBe(before.label)
      expect(row.origin).toBe(before.label === null ? 'predicted' : 'human')
    })
  })

  it('of several labels an image leaves a class open that the schema did not have', async () => {
    const store = createMemoryStore()
    const blank = await datasetOf(store, () => ({ tags: ['dent'], ...human }))
    const schema = { task: 'multi' as const, classes: ['dent'], boxes: null, attributes: {} }
    const { version } = await commitChange(store, blank, { schema }, { by: 'test', note: 'schema' })
    const { problem } = await openMaterial(await inputOf(store, version, { task: 'multi' }), stepContext({ store }))
    expect([...problem.knownPairs!.subarray(0, 4)]).toEqual([1, -1, 1, -1])
    await expect(openMaterial(await inputOf(store, version), stepContext({ store }))).rejects.toThrow(
      /labels of the task "multi", and the session's is "single"/,
    )
  })

  it('is refused where classes cannot be told apart, before anything is read', async () => {
    const open = (classes: string[], task?: 'multi'): Promise<unknown> =>
      openMaterial({ classes, ...(task && { task }) } as never, stepContext())
    await expect(open(['dent'])).rejects.toThrow(/"dent" is the only class.*with the task "multi"/)
    await expect(open(['dent', 'dent'])).rejects.toThrow(/class "dent" is named twice/)
  })

  it('keeps what was known as it was, where the session says the same', async () => {
    const store = createMemoryStore()
    const version = await datasetOf(store, () => ({ label: 'dent', origin: 'imported', humanSeen: true }))
    const { commit } = await openMaterial(await inputOf(store, version), stepContext({ store }))
    const rows: readonly ImageLabel[] = await (await openVersion(store, version)).labels()
    const same = rows.map(({ digest }) => ({ digest, label: 'dent', ...human, randomDraw: false, excluded: null }))
    expect(await commit(same)).toEqual(version)
  })
})
