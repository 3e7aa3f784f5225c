import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { datasetHistory, listDatasets, openVersion, resolveVersion, snapshotDataset } from '#core/datasets'
import { addImages } from '#core/imports'
import { createMemoryStore } from '#core/storage'
import { tarGzOf, tarOf, zipOf } from '../../support/archives.ts'
import { jpegImage, pngImage, truncated, writeFiles } from '../../support/images.ts'
import { reportOf, runImport, stepContext, temporaryFolder } from './support.ts'

const inFolder = temporaryFolder()

async function pictures(from: number, to: number): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {}
  for (let seed = from; seed < to; seed++) files[`${seed % 2 ? 'odd' : 'even'}/${seed}.png`] = await pngImage(seed)
  return files
}

async function folderWith(name: string, files: Readonly<Record<string, Uint8Array>>): Promise<string> {
  await mkdir(inFolder(name), { recursive: true })
  await writeFiles(inFolder(name), files)
  return inFolder(name)
}

describe('an import', () => {
  it('gives the same version and report whatever the order and the container of the files', async () => {
    const files = await pictures(0, 40)
    const entries = Object.entries(files).map(([name, bytes]) => ({ name, bytes }))
    const sources = [await folderWith('plain', files), inFolder('a.zip'), inFolder('b.tar'), inFolder('c.tar.gz')]
    await writeFile(sources[1]!, zipOf([...entries].reverse()))
    await writeFile(sources[2]!, await tarOf([...entries.slice(20), ...entries.slice(0, 20)]))
    await writeFile(sources[3]!, await tarGzOf([...entries].sort((a, b) => a.bytes.length - b.bytes.length)))
    const results = await Promise.all(
      sources.map(async (source) => {
        const ctx = stepContext()
        const version = await runImport(ctx, { source, labels: 'folders' })
        const facts = await (await openVersion(ctx.store, version)).facts()
        return {
          version: version.version,
          report: version.report.sha256,
          packs: new Set(facts.map(({ pack }) => pack)).size,
        }
      }),
    )
    for (const result of results) expect(result).toEqual(results[0])
    expect(results[0]!.packs).toBe(1)
  })

  it('adds to what the dataset holds, and keeps every split that was given', async () => {
    const ctx = stepContext()
    const first = await runImport(ctx, { source: await folderWith('first', await pictures(100, 160)) })
    const second = await runImport(ctx, {
      source: await folderWith('second', await pictures(140, 220)),
      heldOutShare: 0.5,
      seed: 99,
    })
    expect([first.images, second.images]).toEqual([60, 120])
    const before = await (await openVersion(ctx.store, first)).labels()
    const after = new Map((await (await openVersion(ctx.store, second)).labels()).map((row) => [row.digest, row.split]))
    for (const { digest, split } of before) expect(after.get(digest)).toBe(split)
    expect([...after.values()].filter((split) => split === 'test').length).toBeLessThan(40)
    expect(await resolveVersion(ctx.store, 'things')).toMatchObject({ version: second.version })
    expect((await datasetHistory(ctx.store, 'things')).map(({ seq, images, by }) => [seq, images, by])).toEqual([
      [1, 60, 'run-1'],
      [2, 120, 'run-1'],
    ])
  })

  it('made twice gives the same answer and moves nothing', async () => {
    const ctx = stepContext()
    const source = await folderWith('again', { ...(await pictures(300, 320)), 'x.jpg': new Uint8Array(0) })
    const first = await runImport(ctx, { source, labels: 'folders' })
    expect(await runImport(ctx, { source, labels: 'folders' })).toEqual(first)
    expect(await datasetHistory(ctx.store, 'things')).toHaveLength(1)
  })

  it('leaves labels null by default', async () => {
    const ctx = stepContext()
    const version = await runImport(ctx, { source: await folderWith('unlabelled', await pictures(400, 404)) })
    for (const label of await (await openVersion(ctx.store, version)).labels())
      expect(label).toMatchObject({ label: null, origin: null, humanSeen: false, randomDraw: false, excluded: null })
  })

  it('takes class folders as labels, below folders that wrap the whole set', async () => {
    const ctx = stepContext()
    const image = (seed: number): Promise<Uint8Array> => pngImage(seed)
    const source = await folderWith('wrapped', {
      'train/cat/1.png': await image(500),
      'train/cat/indoors/2.png': await image(501),
      'train/dog/3.png': await image(502),
    })
    const reader = await openVersion(ctx.store, await runImport(ctx, { source, labels: 'folders' }))
    const bySource = new Map((await reader.facts()).map(({ digest, source }) => [source, digest]))
    const labels = new Map((await reader.labels()).map((row) => [row.digest, row]))
    expect(await reader.classes()).toEqual(['cat', 'dog'])
    expect(labels.get(bySource.get('train/cat/indoors/2.png')!)).toMatchObject({
      label: 'cat',
      origin: 'imported',
      humanSeen: true,
      randomDraw: true,
    })
  })

  it('keeps a single class folder as a class', async () => {
    const ctx = stepContext()
    const source = await folderWith('one-class', { 'cat/1.png': await pngImage(510), 'cat/2.png': await pngImage(511) })
    expect(await (await openVersion(ctx.store, await runImport(ctx, { source, labels: 'folders' }))).classes()).toEqual(
      ['cat'],
    )
  })

  it('leaves an image unlabelled whose copies lie in folders of different classes, and says so', async () => {
    const ctx = stepContext()
    const both = await pngImage(520)
    const source = await folderWith('torn', { 'cat/1.png': both, 'dog/1.png': both, 'dog/2.png': await pngImage(521) })
    const version = await runImport(ctx, { source, labels: 'folders' })
    expect(version).toMatchObject({ images: 2, duplicates: 1 })
    const { labelConflicts } = await reportOf(ctx.store, version)
    expect(labelConflicts.map(({ classes }) => classes)).toEqual([['cat', 'dog']])
    expect(await (await openVersion(ctx.store, version)).classes()).toEqual(['dog'])
  })

  it('fills labels that are missing and overrides none', async () => {
    const ctx = stepContext()
    const [one, two] = [await pngImage(530), await pngImage(531)]
    await runImport(ctx, { source: await folderWith('known', { 'cat/1.png': one }), labels: 'folders' })
    await runImport(ctx, { source: await folderWith('bare', { '2.png': two }) })
    const source = await folderWith('late', { 'dog/1.png': one, 'dog/2.png': two, 'cat/3.png': await pngImage(532) })
    const reader = await openVersion(ctx.store, await runImport(ctx, { source, labels: 'folders' }))
    const sources = new Map((await reader.facts()).map(({ digest, source }) => [digest, source]))
    const labels = (await reader.labels()).map(({ digest, label }) => [sources.get(digest), label])
    expect(Object.fromEntries(labels)).toEqual({ 'cat/1.png': 'cat', '2.png': 'dog', 'cat/3.png': 'cat' })
  })

  it('reports how the classes lie in the splits', async () => {
    const ctx = stepContext()
    const version = await runImport(ctx, {
      source: await folderWith('balance', { ...(await pictures(600, 640)), 'rare/1.png': await pngImage(641) }),
      labels: 'folders',
    })
    const { balance } = await reportOf(ctx.store, version)
    expect(balance.train + balance.test).toBe(41)
    expect(balance.classes['even']!.train + balance.classes['even']!.test).toBe(20)
    expect(balance.warnings).toHaveLength(1)
    expect(balance.warnings[0]).toMatch(/^class rare has no /)
  })

  it('ignores hidden files and reads no link that leads outside', async () => {
    const ctx = stepContext()
    const source = await folderWith('links', { 'a/1.png': await pngImage(700), '.git/2.png': await pngImage(701) })
    const outside = await folderWith('outside', { 'secret.png': await pngImage(702) })
    await symlink(`${outside}/secret.png`, `${source}/stolen.png`)
    await symlink(outside, `${source}/stolen-folder`)
    await symlink('nowhere', `${source}/dangling.png`)
    await symlink('a/1.png', `${source}/same.png`)
    await symlink('..', `${source}/a/loop`)
    const version = await runImport(ctx, { source })
    expect(version).toMatchObject({ images: 1, duplicates: 1 })
    expect((await reportOf(ctx.store, version)).rejected).toEqual([
      { path: 'dangling.png', reason: 'a link that leads nowhere' },
      { path: 'stolen-folder', reason: 'a link that leads outside the folder' },
      { path: 'stolen.png', reason: 'a link that leads outside the folder' },
    ])
  })

  it('says how far it is, in images', async () => {
    const ctx = stepContext()
    await runImport(ctx, { source: await folderWith('progress', await pictures(710, 720)) })
    expect(ctx.said.at(-1)).toEqual({ done: 10, total: 10, unit: 'images', note: 'writing the version' })
  })

  it('stops when it is cancelled, leaves no file behind and nothing in the dataset', async () => {
    const scratchDir = inFolder('scratch-of-cancelled')
    await mkdir(scratchDir)
    const cancellation = new AbortController()
    const ctx = stepContext({ signal: cancellation.signal, scratchDir })
    const source = await folderWith('cancelled', await pictures(720, 760))
    const stopping = { ...ctx, progress: () => cancellation.abort(new Error('cancelled by ada')) }
    await expect(runImport(stopping, { source })).rejects.toThrow('cancelled by ada')
    expect(await listDatasets(ctx.store)).toEqual([])
    expect(await readdir(scratchDir)).toEqual([])
  })
})

describe('an import that cannot be', () => {
  it('names a source that is not there', async () => {
    await expect(runImport(stepContext(), { source: inFolder('nothing-here') })).rejects.toMatchObject({
      code: 'DATASET_SOURCE_NOT_FOUND',
    })
  })

  it('names a folder without images, and the first file that it refused', async () => {
    const empty = await folderWith('empty', {})
    await expect(runImport(stepContext(), { source: empty })).rejects.toMatchObject({ code: 'DATASET_EMPTY' })
    const texts = await folderWith('texts', { 'a.txt': Buffer.from('hello'), 'b.txt': Buffer.from('world') })
    await expect(runImport(stepContext(), { source: texts })).rejects.toThrow(
      `${texts} holds no image that can be read; 2 files were refused, the first, a.txt: a text file`,
    )
  })

  it('names a file that is no archive, and an archive that ends too early', async () => {
    const files = Object.entries(await pictures(800, 820)).map(([name, bytes]) => ({ name, bytes }))
    const sources = {
      'plain.txt': Buffer.from('hello'),
      'cut.zip': truncated(zipOf(files)),
      'cut.tar': truncated(await tarOf(files)),
      'cut.tar.gz': truncated(await tarGzOf(files)),
    }
    for (const [name, bytes] of Object.entries(sources)) {
      await writeFile(inFolder(name), bytes)
      await expect(runImport(stepContext(), { source: inFolder(name) })).rejects.toMatchObject({
        code: 'DATASET_SOURCE_UNREADABLE',
      })
    }
  })
})

describe('addImages', () => {
  it('adds unlabelled images and counts what is known or broken', async () => {
    const store = createMemoryStore()
    const [one, two] = [await jpegImage(900), await jpegImage(901)]
    const images = [
      { name: 'a', bytes: one },
      { name: 'b', bytes: two },
      { name: 'c', bytes: one },
      { name: 'd', bytes: truncated(two) },
    ]
    const first = await addImages(store, 'captured', images, { by: 'gateway' })
    expect(first).toMatchObject({ dataset: 'captured', images: 2, added: 2, duplicates: 1, rejected: 1 })
    const second = await addImages(store, 'captured', images, { by: 'gateway' })
    expect(second).toMatchObject({ version: first.version, images: 2, added: 0, duplicates: 3, rejected: 1 })
    expect(await listDatasets(store)).toMatchObject([{ name: 'captured', version: first.version, images: 2 }])
  })
})

describe('a version by name', () => {
  it('is found by dataset, ref and the first digits of its digest', async () => {
    const store = createMemoryStore()
    const { version, images } = await addImages(store, 'things', [{ name: 'a', bytes: await pngImage(1) }], {
      by: 'ada',
    })
    const expected = { kind: 'dataset-version', dataset: 'things', version, images }
    for (const spec of ['things', 'things@latest', `things@${version.slice(0, 8)}`, `things@${version}`])
      expect(await resolveVersion(store, spec)).toEqual(expected)
    expect(await snapshotDataset({ dataset: 'things', ref: 'latest' }, { store })).toEqual(expected)
  })

  it('that nobody made is not found, and the message tells a missing dataset from a missing version', async () => {
    const store = createMemoryStore()
    await addImages(store, 'things', [{ name: 'a', bytes: await pngImage(1) }], { by: 'ada' })
    await expect(resolveVersion(store, 'others')).rejects.toThrow('no dataset is called others')
    await expect(resolveVersion(store, 'things@0123456789')).rejects.toThrow('things has no version 0123456789')
    await expect(resolveVersion(store, '../things')).rejects.toMatchObject({ code: 'DATASET_NOT_FOUND' })
    await expect(datasetHistory(store, 'others')).rejects.toMatchObject({ code: 'DATASET_NOT_FOUND' })
    await expect(openVersion(store, { dataset: 'things', version: '0'.repeat(64) })).rejects.toMatchObject({
      code: 'DATASET_NOT_FOUND',
    })
  })
})
