import { describe, expect, it } from 'vitest'
import { changeImages, listViews, readView, removeView, saveView, selectImages } from '#core/catalog'
import { datasetHistory, openVersion, resolveVersion } from '#core/datasets'
import { silentLogger } from '#core/log'
import type { DatasetVersion } from '#core/steps'
import { createMemoryStore, type ObjectStore } from '#core/storage'
import { digestOf, madeVersion, type Made } from './made.ts'

const context = (store: ObjectStore) => ({
  ...{ store, runId: 'run-1', nodeId: 'select', attempt: 1, scratchDir: '/tmp' },
  ...{ signal: new AbortController().signal, log: silentLogger(), progress: () => undefined },
})

async function made(images: Readonly<Record<string, Made>>): Promise<{ store: ObjectStore; base: DatasetVersion }> {
  const store = createMemoryStore()
  return { store, base: await madeVersion(store, 'parts', images) }
}

/** What a version says of the images named, in that order. */
async function labelsOf(store: ObjectStore, version: DatasetVersion, ...names: string[]) {
  const rows = new Map((await (await openVersion(store, version)).labels()).map((row) => [row.digest, row]))
  return names.map((name) => rows.get(digestOf(name)))
}

const by = { by: 'ada', reason: 'out of focus' }

describe('changes to images', () => {
  it('exclude and include, with the reason as the note of the version', async () => {
    const { store, base } = await made({ a: { blur: 0.9 }, b: { blur: 0.1 }, c: { blur: 0.8, excluded: 'broken' } })
    const out = await changeImages(store, base, { where: 'blur > 0.5' }, { action: 'exclude' }, by)
    expect(out.images).toBe(1)
    expect(await labelsOf(store, out.version, 'a', 'b', 'c')).toMatchObject([
      { excluded: 'out of focus' },
      { excluded: null },
      { excluded: 'broken' },
    ])
    expect(await resolveVersion(store, 'parts')).toEqual(out.version)
    expect((await datasetHistory(store, 'parts')).at(-1)).toMatchObject({ by: 'ada', note: 'out of focus' })
    const back = await changeImages(store, out.version, { where: 'true' }, { action: 'include' }, by)
    expect(back.images).toBe(2)
    expect(await labelsOf(store, back.version, 'a', 'c')).toMatchObject([{ excluded: null }, { excluded: null }])
  })

  it('to images picked one by one give labels that a person saw', async () => {
    const { store, base } = await made({ a: { label: 'dent', origin: 'predicted' }, b: {} })
    const change = { action: 'label', label: "it's" } as const
    const { version, images } = await changeImages(store, base, { digests: [digestOf('a'), digestOf('a')] }, change, by)
    expect(images).toBe(1)
    expect(await labelsOf(store, version, 'a', 'b')).toMatchObject([
      { label: "it's", origin: 'human', humanSeen: true },
      { label: null },
    ])
  })

  it('by a condition give inferred labels, and leave alone what a person saw', async () => {
    const { store, base } = await made({ a: { label: 'dent', origin: 'human', humanSeen: true }, b: {}, c: {} })
    const { version, images } = await changeImages(
      store,
      base,
      { where: 'true' },
      { action: 'label', label: 'clean' },
      by,
    )
    expect(images).toBe(2)
    expect(await labelsOf(store, version, 'a', 'b')).toMatchObject([
      { label: 'dent', origin: 'human' },
      { label: 'clean', origin: 'inferred', humanSeen: false },
    ])
  })

  it('asked for again lose labels that no person saw', async () => {
    const { store, base } = await made({
      a: { label: 'dent', origin: 'human', humanSeen: true },
      b: { label: 'dent', origin: 'predicted' },
    })
    const { version, images } = await changeImages(store, base, { where: 'true' }, { action: 'ask' }, by)
    expect(images).toBe(1)
    expect(await labelsOf(store, version, 'a', 'b')).toMatchObject([{ label: 'dent' }, { label: null, origin: null }])
  })

  it('add and remove a tag', async () => {
    const { store, base } = await made({ a: { tags: ['wet'] }, b: {} })
    const tagged = await changeImages(store, base, { where: 'true' }, { action: 'tag', label: 'night' }, by)
    expect(await labelsOf(store, tagged.version, 'a', 'b')).toMatchObject([
      { tags: ['night', 'wet'] },
      { tags: ['night'] },
    ])
    const again = await changeImages(store, tagged.version, { where: 'true' }, { action: 'tag', label: 'wet' }, by)
    expect(again.images).toBe(1)
    const rest = await changeImages(store, again.version, { where: 'true' }, { action: 'untag', label: 'wet' }, by)
    expect(await labelsOf(store, rest.version, 'a', 'b')).toMatchObject([{ tags: ['night'] }, { tags: ['night'] }])
    const none = await changeImages(store, rest.version, { where: 'true' }, { action: 'untag', label: 'night' }, by)
    expect(await labelsOf(store, none.version, 'a', 'b')).toMatchObject([{ tags: null }, { tags: null }])
  })

  it('that change nothing make no version', async () => {
    const { store, base } = await made({ a: {} })
    const same = await changeImages(store, base, { where: 'blur > 0.5' }, { action: 'exclude' }, by)
    expect(same).toEqual({ version: base, images: 0 })
    expect(await datasetHistory(store, 'parts')).toHaveLength(1)
  })

  it('refuse to guess which images are meant', async () => {
    const { store, base } = await made({ a: {} })
    for (const selection of [{}, { where: 'true', digests: [] }, { where: 'select 1' }])
      await expect(changeImages(store, base, selection, { action: 'exclude' }, by)).rejects.toMatchObject({
        code: 'INVALID_INPUT',
      })
  })
})

describe('a selection', () => {
  const images = { a: { blur: 0.9, label: 'dent' }, b: { blur: 0.1, boxes: ['dent'] }, c: { split: 'test' } } as const

  it('is a version of the images that fit, the same each time, and moves no ref', async () => {
    const { store, base } = await made(images)
    const where = "blur > 0.5 or split = 'test'"
    const selected = await selectImages({ version: base, where }, context(store))
    expect(selected).toMatchObject({ kind: 'dataset-version', dataset: 'parts', images: 2, where })
    const rows = await (await openVersion(store, selected)).labels()
    expect(rows.map(({ digest }) => digest)).toEqual([digestOf('a'), digestOf('c')].sort())
    expect(await selectImages({ version: base, where }, context(store))).toEqual(selected)
    expect(await resolveVersion(store, 'parts')).toEqual(base)
  })

  it('takes a view as it is now', async () => {
    const { store, base } = await made(images)
    await saveView(store, 'parts', { name: 'mine', where: 'boxes > 0', note: '' }, 'ada')
    expect(await selectImages({ version: base, view: 'mine' }, context(store))).toMatchObject({ images: 1 })
    await saveView(store, 'parts', { name: 'mine', where: 'boxes = 0', note: '' }, 'ada')
    expect(await selectImages({ version: base, view: 'mine' }, context(store))).toMatchObject({ images: 2 })
  })

  it('of nothing, by nothing, by two things or by a view that is not there fails', async () => {
    const { store, base } = await made(images)
    const select = (input: { where?: string; view?: string }) =>
      selectImages({ version: base, ...input }, context(store))
    await expect(select({ where: 'blur > 2' })).rejects.toMatchObject({ code: 'SELECTION_EMPTY' })
    await expect(select({})).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(select({ where: 'true', view: 'mine' })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(select({ view: 'mine' })).rejects.toMatchObject({ code: 'VIEW_NOT_FOUND' })
  })
})

it('views say who wrote them, and a removed one is gone until it is written again', async () => {
  const store = createMemoryStore()
  await saveView(store, 'parts', { name: 'dark', where: 'brightness < 0.2', note: 'too dark' }, 'ada')
  await saveView(store, 'parts', { name: 'all', where: 'true', note: '' }, 'bob')
  expect((await listViews(store, 'parts')).map(({ name, by: who }) => [name, who])).toEqual([
    ['all', 'bob'],
    ['dark', 'ada'],
  ])
  await removeView(store, 'parts', 'dark', 'bob')
  await expect(readView(store, 'parts', 'dark')).rejects.toMatchObject({ code: 'VIEW_NOT_FOUND' })
  expect((await listViews(store, 'parts')).map(({ name }) => name)).toEqual(['all'])
  await saveView(store, 'parts', { name: 'dark', where: 'brightness < 0.1', note: '' }, 'ada')
  expect(await readView(store, 'parts', 'dark')).toMatchObject({ where: 'brightness < 0.1' })
})
