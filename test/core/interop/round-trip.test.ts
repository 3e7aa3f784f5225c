import { writeFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { openVersion } from '#core/datasets'
import { exportLabels, importAnnotations, LABEL_FORMATS, type LabelFormat } from '#core/interop'
import type { DatasetVersion } from '#core/steps'
import { createMemoryStore, type ObjectStore } from '#core/storage'
import { openSessionRecord, recordOutcome } from '../../../core/labelling/records.ts'
import { pngImage } from '../../support/images.ts'
import { makeDataset, type MadeImage } from '../exports/support.ts'
import { stepContext, temporaryFolder } from '../imports/support.ts'

const inFolder = temporaryFolder()
const CLASSES = ['dent', 'scratch & co', 'clean']

async function imagesOf(said: (i: number) => Partial<MadeImage>): Promise<MadeImage[]> {
  return Promise.all(
    Array.from({ length: 12 }, async (_, i) => ({
      ...{ source: `set/part ${i}.png`, bytes: await pngImage(i, { width: 40, height: 32 }) },
      ...said(i),
    })),
  )
}

/** A session over a version, as it lies in the store when it has ended with these labels. */
async function endedSession(store: ObjectStore, version: DatasetVersion, task: 'single' | 'multi'): Promise<string> {
  const id = 'run-1.annotate'
  await openSessionRecord(store, {
    ...{ id, run: 'run-1', node: 'annotate', dataset: version.dataset, version: version.version },
    ...{ images: version.images, classes: CLASSES, annotator: 'simulated', targetAccuracy: 0.9, task },
    openedAt: '2026-01-01T00:00:00.000Z',
  })
  const output = { version, session: id, certificate: null, stats: {} as never }
  await recordOutcome(store, id, { output, state: { classes: CLASSES } as never, endedAt: '2026-01-02T00:00:00.000Z' })
  return id
}

async function textOf(store: ObjectStore, session: string, format: LabelFormat): Promise<string> {
  const parts: string[] = []
  const { text } = await exportLabels(store, session, { format, imageBase: '/data/local-files/?d=' })
  for await (const part of text()) parts.push(part)
  return parts.join('')
}

/** What a version says of its images that an export can hold. */
async function saidIn(store: ObjectStore, version: DatasetVersion): Promise<unknown> {
  const reader = await openVersion(store, version)
  const boxes = await reader.boxes()
  return (await reader.labels()).map(({ digest, label, tags, humanSeen }) => ({
    ...{ digest, label, tags, humanSeen },
    boxes: boxes
      .filter((box) => box.digest === digest)
      .map(({ class: name, x, y, width, height }) => [name, x, y, width, height]),
  }))
}

async function takeIn(store: ObjectStore, version: DatasetVersion, text: string, name: string) {
  await writeFile(inFolder(name), text)
  return importAnnotations({ version, file: inFolder(name), format: 'auto' }, stepContext({ store }))
}

const box = { class: 'nut', x: 4, y: 8.5, width: 10, height: 16, attributes: null, origin: 'imported' as const }

it('labels, predictions and boxes go to Label Studio and CVAT and come back the same', async () => {
  const labelled = await imagesOf((i) => {
    if (i === 0) return { boxes: [box] }
    const model = i % 3 === 0
    return {
      ...{ label: CLASSES[i % 3]!, origin: model ? 'predicted' : 'human', humanSeen: !model },
      ...(i === 4 && { boxes: [box, { ...box, class: 'bolt' }] }),
    }
  })
  for (const format of ['label-studio', 'cvat'] as const) {
    const store = createMemoryStore()
    const version = await makeDataset(store, labelled)
    const text = await textOf(store, await endedSession(store, version, 'single'), format)
    const blank = await makeDataset(store, await imagesOf(() => ({})))
    const back = await takeIn(store, blank, text, `labels.${format}`)
    expect(back).toMatchObject({ unmatched: 0, labelled: 8, predicted: 3, boxes: 3, notes: [] })
    expect(await saidIn(store, back)).toEqual(await saidIn(store, version))
  }
})

it('several classes an image go out as tags and come back as tags', async () => {
  const tagged = await imagesOf((i) =>
    i % 4 === 0
      ? { origin: 'predicted', tags: ['clean'] }
      : { origin: 'human', humanSeen: true, tags: i % 2 ? ['dent', 'scratch & co'] : ['dent'] },
  )
  for (const format of ['label-studio', 'cvat'] as const) {
    const store = createMemoryStore()
    const version = await makeDataset(store, tagged)
    const text = await textOf(store, await endedSession(store, version, 'multi'), format)
    const back = await takeIn(store, await makeDataset(store, await imagesOf(() => ({}))), text, `tags.${format}`)
    expect(back).toMatchObject({ labelled: 9, predicted: 3 })
    expect(await saidIn(store, back)).toEqual(await saidIn(store, version))
  }
})

it('tables have a line for every image, with who said it and what is left out', async () => {
  const store = createMemoryStore()
  const version = await makeDataset(
    store,
    await imagesOf((i) =>
      i === 0 ? { excluded: 'broken' } : { label: 'scratch & co', origin: 'human', humanSeen: true },
    ),
  )
  const session = await endedSession(store, version, 'single')
  const lines = (await textOf(store, session, 'jsonl')).trim().split('\n')
  const rows = lines.map(
    (line) => JSON.parse(line) as { label: string | null; excluded: string | null; source: string },
  )
  expect(rows).toHaveLength(12)
  expect(rows.filter(({ excluded }) => excluded === 'broken')).toMatchObject([
    { label: null, source: 'set/part 0.png' },
  ])
  const csv = (await textOf(store, session, 'csv')).trim().split('\n')
  expect(csv[0]).toBe('digest,source,label,tags,origin,human_seen,excluded,annotators,at,boxes')
  expect(csv.filter((line) => line.includes('scratch & co,,human,true'))).toHaveLength(11)
  expect(LABEL_FORMATS).toHaveLength(4)
})

it('a model never overrules a person, and a person overrules a model and what was said before', async () => {
  const store = createMemoryStore()
  const version = await makeDataset(
    store,
    await imagesOf((i) => ({ label: 'dent', origin: i < 6 ? 'human' : 'predicted', humanSeen: i < 6 })),
  )
  const task = (i: number, kind: 'annotations' | 'predictions') => ({
    data: { image: `part ${i}.png` },
    [kind]: [{ result: [{ type: 'choices', from_name: 'label', value: { choices: ['clean'] } }] }],
  })
  const tasks = Array.from({ length: 12 }, (_, i) => task(i, i % 2 ? 'annotations' : 'predictions'))
  const text = JSON.stringify([...tasks, task(99, 'annotations')])
  const back = await takeIn(store, version, text, 'mixed.json')
  expect(back).toMatchObject({ matched: 12, unmatched: 1, labelled: 6, predicted: 3 })
  expect(back.notes.join()).toMatch(/not in the dataset/)
  const reader = await openVersion(store, back)
  const sources = new Map((await reader.facts()).map(({ digest, source }) => [digest, source]))
  for (const { digest, label, origin } of await reader.labels()) {
    const i = Number(/\d+/.exec(sources.get(digest)!)![0])
    const expected = i % 2 ? ['clean', 'imported'] : i < 6 ? ['dent', 'human'] : ['clean', 'predicted']
    expect([i, label, origin]).toEqual([i, ...expected])
  }
})

it('files that are none, and such as speak of other images, are refused with the reason', async () => {
  const store = createMemoryStore()
  const version = await makeDataset(store, await imagesOf(() => ({})))
  const refused = async (text: string, name: string): Promise<string> =>
    takeIn(store, version, text, name).then(
      () => 'taken',
      (error: Error) => error.message,
    )
  expect(await refused('PK\u0003\u0004', 'a.zip')).toMatch(/is an archive; unpack it/)
  expect(
    await refused(JSON.stringify([{ data: { image: 'x.png' }, annotations: [{ result: [] }] }]), 'x.json'),
  ).toMatch(/none of the 1 images .* is in things|none of the 1 images/)
  const ctx = stepContext({ store })
  await expect(importAnnotations({ version, file: 'a.json', format: 'auto' }, ctx)).rejects.toThrow(/no absolute path/)
  await expect(importAnnotations({ version, file: inFolder('none'), format: 'auto' }, ctx)).rejects.toThrow(
    /nothing is at/,
  )
})
