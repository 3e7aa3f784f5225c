import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { beforeAll, expect, it } from 'vitest'
import type { DatasetVersion } from '#core/steps'
import { createMemoryStore, sha256Hex, type ObjectStore } from '#core/storage'
import type { Annotation } from '../../../core/imports/arrivals.ts'
import { exifRotatedJpeg, encodedAs, pngImage } from '../../support/images.ts'
import { temporaryFolder } from '../imports/support.ts'
import { box, everything } from '../imports/formats/support.ts'
import { makeDataset, runExport, type MadeImage } from './support.ts'

const inFolder = temporaryFolder()
const imported = { origin: 'imported', humanSeen: true, randomDraw: true } as const

let boxed: DatasetVersion
let plain: DatasetVersion
let images: readonly MadeImage[]
const stores: { boxed: ObjectStore; plain: ObjectStore } = { boxed: createMemoryStore(), plain: createMemoryStore() }

beforeAll(async () => {
  images = [
    {
      source: 'raw/a "quoted", name.v2.png',
      bytes: await pngImage(1, { width: 40, height: 20 }),
      ...imported,
      label: 'nut, large',
      tags: ['wet', 'x|y'],
      attributes: '{"camera":"left","depth":2.5,"new":true}',
      boxes: [box('nut', 1, 2, 10, 15.5, '{"rusty":true}'), box('bolt "M4"', 0, 0, 40, 20)] as never,
    },
    {
      source: 'raw/../../b.jpg',
      bytes: await exifRotatedJpeg(2),
      ...imported,
      label: '../etc',
      split: 'test',
      boxes: [box('nut', 3, 3, 4, 4)] as never,
    },
    { source: 'other/B.webp', bytes: await encodedAs('webp', 3), ...imported, label: 'nut, large', tags: ['wet'] },
    { source: 'слон 🐘.gif', bytes: await encodedAs('gif', 4), split: 'test' },
    { source: '', bytes: await encodedAs('tiff', 5), ...imported, origin: 'human', label: 'test' },
    { source: 'broken.png', bytes: await pngImage(6), excluded: 'broken' },
  ]
  boxed = await makeDataset(stores.boxed, images)
  plain = await makeDataset(
    stores.plain,
    images.map(({ boxes: _, tags: __, attributes: ___, ...image }) => image),
  )
})

/** What an import of `target` would know, by digest of the image. */
async function readBack(
  target: string,
  format: Parameters<typeof everything>[1],
): Promise<{ said: Record<string, Annotation | null>; notes: readonly string[] }> {
  const { images: given, bytes, refused, notes } = await everything(target, format)
  expect(refused).toEqual({})
  return {
    said: Object.fromEntries(
      Object.entries(given).map(([path, annotation]) => [sha256Hex(bytes.get(path)!), annotation]),
    ),
    notes,
  }
}

/** What it should know where a format holds these things. */
function expected(keep: readonly (keyof Annotation)[], all: readonly MadeImage[] = images): Record<string, Annotation> {
  return Object.fromEntries(
    all
      .filter(({ excluded }) => !excluded)
      .map(({ bytes, label, tags, attributes, boxes, split = 'train' }) => {
        const said = {
          ...(label != null && { label }),
          ...(tags && { tags }),
          ...(attributes && { attributes: JSON.parse(attributes) as Annotation['attributes'] }),
          ...(boxes && { boxes }),
          split,
        }
        return [
          sha256Hex(bytes),
          Object.fromEntries(Object.entries(said).filter(([key]) => keep.includes(key as keyof Annotation))),
        ]
      }),
  )
}

it.each(['csv', 'huggingface', 'webdataset', 'parquet'] as const)(
  '%s holds labels, tags, attributes, boxes and splits',
  async (format) => {
    const target = inFolder(`boxed-${format}`)
    const { cannotExpress, ...done } = await runExport(stores.boxed, { version: boxed, target, format })
    expect(done).toMatchObject({ dataset: 'things', version: boxed.version, format, images: 5 })
    expect(cannotExpress).toEqual(['1 image that is excluded'])
    for (const named of ['auto', format] as const) {
      const { said, notes } = await readBack(target, named)
      expect(said).toEqual(expected(['label', 'tags', 'attributes', 'boxes', 'split']))
      expect(notes).toEqual([])
    }
  },
)

it('COCO holds labels, tags, attributes, boxes and splits', async () => {
  const target = inFolder('boxed-coco')
  const { cannotExpress } = await runExport(stores.boxed, { version: boxed, target, format: 'coco' })
  expect(cannotExpress).toEqual([
    'who gave the labels of 1 image, and which were drawn at random',
    '1 image that is excluded',
  ])
  const { said, notes } = await readBack(target, 'auto')
  const withEmpty = Object.fromEntries(
    Object.entries(expected(['label', 'tags', 'attributes', 'boxes', 'split'])).map(([digest, known]) => [
      digest,
      { boxes: [], ...known },
    ]),
  )
  expect(said).toEqual(withEmpty)
  expect(notes).toEqual([])
})

it('YOLO holds boxes and splits, or labels where there are no boxes', async () => {
  const target = inFolder('boxed-yolo')
  const { cannotExpress } = await runExport(stores.boxed, { version: boxed, target, format: 'yolo' })
  expect(cannotExpress).toEqual([
    'labels of 4 images',
    'tags of 2 images',
    'attributes of 1 image',
    'who gave the labels of 1 image, and which were drawn at random',
    'attributes of 1 box',
    '1 image that is excluded',
  ])
  const { said } = await readBack(target, 'auto')
  const bare = images.map((image) => ({
    ...image,
    ...(image.boxes && { boxes: image.boxes.map((drawn) => ({ ...drawn, attributes: null })) }),
  }))
  expect(said).toEqual(expected(['boxes', 'split'], bare))

  const classes = inFolder('plain-yolo')
  const second = await runExport(stores.plain, { version: plain, target: classes, format: 'yolo' })
  expect(second.cannotExpress).toContain('1 class under the own name, which cannot be that of a folder')
  const renamed = images.map((image) => (image.label === '../etc' ? { ...image, label: '_._etc' } : image))
  expect((await readBack(classes, 'yolo')).said).toEqual(expected(['label', 'split'], renamed))
})

it('folders hold labels and splits, and nothing that leads out of them', async () => {
  const target = inFolder('plain-folder')
  const { cannotExpress } = await runExport(stores.boxed, { version: boxed, target, format: 'folder' })
  expect(cannotExpress).toContain('boxes of 2 images')
  const renamed = images.map((image) => (image.label === '../etc' ? { ...image, label: '_._etc' } : image))
  expect((await readBack(target, 'imagenet')).said).toEqual(expected(['label', 'split'], renamed))
  expect(existsSync(inFolder('etc'))).toBe(false)
  expect(existsSync(`${target}/train/nut, large/a_quoted_name_v2.png`)).toBe(true)
})

it.each(['coco', 'csv', 'parquet', 'webdataset'] as const)(
  'a .tar file holds the same tree as a folder: %s',
  async (format) => {
    const target = inFolder(`${format}.tar`)
    await runExport(stores.boxed, { version: boxed, target, format })
    expect(existsSync(`${target}.part`)).toBe(false)
    if (format === 'parquet' || format === 'webdataset') return // Tables and archives inside an archive are not read.
    const { format: found, images: given } = await everything(target)
    expect([found, Object.keys(given).length]).toEqual([format, 5])
  },
)

it('the same version gives the same files', async () => {
  for (const format of ['csv', 'coco', 'webdataset'] as const) {
    const [one, two] = [inFolder(`${format}-1.tar`), inFolder(`${format}-2.tar`)]
    await runExport(stores.boxed, { version: boxed, target: one, format })
    await runExport(stores.boxed, { version: boxed, target: two, format })
    expect(sha256Hex(await readFile(one))).toBe(sha256Hex(await readFile(two)))
  }
})
