import { expect, it } from 'vitest'
import { openVersion, type ImageLabel } from '#core/datasets'
import { importImages } from '#core/imports'
import type { DatasetVersion } from '#core/steps'
import { createMemoryStore, type ObjectStore } from '#core/storage'
import { pngImage } from '../../support/images.ts'
import { stepContext, temporaryFolder } from '../imports/support.ts'
import { box } from '../imports/formats/support.ts'
import { makeDataset, runExport } from './support.ts'

const inFolder = temporaryFolder()

/** What a version says of its images, as far as a format can hold it. */
async function saidIn(store: ObjectStore, version: DatasetVersion, keep: readonly string[]): Promise<unknown> {
  const reader = await openVersion(store, version)
  const boxes = await reader.boxes()
  return (await reader.labels()).map(({ digest, label, tags, attributes, split }: ImageLabel) => {
    const own = boxes.filter((drawn) => drawn.digest === digest)
    const drawn = own.map(({ class: name, x, y, width, height }) => [name, x, y, width, height])
    const said = { label, tags, attributes, split, boxes: drawn }
    return { digest, ...Object.fromEntries(Object.entries(said).filter(([key]) => keep.includes(key))) }
  })
}

it('an import of an export has the labels, tags, attributes, boxes and splits that the format holds', async () => {
  const store = createMemoryStore()
  const images = await Promise.all(
    Array.from({ length: 30 }, async (_, i) => ({
      source: `${i}.png`,
      bytes: await pngImage(i, { width: 40, height: 32 }),
      origin: 'imported' as const,
      humanSeen: true,
      randomDraw: true,
      label: i % 3 ? 'odd' : 'even',
      split: i % 5 ? ('train' as const) : ('test' as const),
      ...(i % 4 === 0 && { tags: ['dry', 'wet'] }),
      ...(i % 6 === 0 && { attributes: `{"depth":${i},"new":true}` }),
      ...(i % 2 === 0 && { boxes: [box('nut', 1, 2, 8, 4), box('bolt', i / 2, 2.5, 4, 8)] as never }),
    })),
  )
  const version = await makeDataset(store, images)
  const all = ['label', 'tags', 'attributes', 'boxes', 'split']
  const holds = {
    csv: all,
    coco: all,
    huggingface: all,
    webdataset: all,
    parquet: all,
    yolo: ['boxes', 'split'],
    folder: ['label', 'split'],
  }
  for (const [format, keep] of Object.entries(holds)) {
    const target = inFolder(format)
    await runExport(store, { version, target, format: format as 'csv' })
    const again = createMemoryStore()
    const imported = await importImages(
      {
        dataset: 'again',
        source: target,
        format: format === 'folder' ? 'imagenet' : 'auto',
        labels: 'none',
        heldOutShare: 0.2,
        seed: 7,
      },
      stepContext({ store: again }),
    )
    expect([format, await saidIn(again, imported, keep)]).toEqual([format, await saidIn(store, version, keep)])
  }
})
