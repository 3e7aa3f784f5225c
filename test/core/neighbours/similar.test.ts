import { afterAll, beforeAll, expect, it } from 'vitest'
import sharp from 'sharp'
import { commitLabels, openVersion } from '#core/datasets'
import { embedImages } from '#core/embedding'
import { indexNeighbours, openSimilar, type SimilarImages } from '#core/neighbours'
import type { DatasetVersion, Neighbours } from '#core/steps'
import { createMemoryStore, type ObjectStore } from '#core/storage'
import { pngImage } from '../../support/images.ts'
import { stepContext, temporaryFolder } from '../imports/support.ts'
import { importedScenes } from '../streaming/support.ts'
import { mkdir } from 'node:fs/promises'

const folder = temporaryFolder()
let store: ObjectStore
let version: DatasetVersion
let neighbours: Neighbours
let similar: SimilarImages
beforeAll(async () => {
  store = createMemoryStore()
  version = await importedScenes(store, folder())
  await expect(openSimilar(store, version)).rejects.toMatchObject({ code: 'DATASET_NOT_MAPPED' })
  await mkdir(folder('scratch'))
  const ctx = stepContext({ store, scratchDir: folder('scratch') })
  const embeddings = await embedImages({ version, model: 'fitted', dims: 64, seed: 7 }, ctx)
  neighbours = await indexNeighbours({ embeddings }, ctx)
  similar = await openSimilar(store, version)
})
afterAll(() => similar.close())

it('the images most like one of the version are others, best first', async () => {
  const [first] = await (await openVersion(store, version)).facts()
  const found = await similar.toImage(first!.digest, 5)
  expect(found).toHaveLength(5)
  expect(found.map(({ digest }) => digest)).not.toContain(first!.digest)
  expect(found.map(({ similarity }) => similarity)).toEqual(
    found.map(({ similarity }) => similarity).toSorted((a, b) => b - a),
  )
})

it('an uploaded file finds the image that it was made from', async () => {
  const { digests, of } = await sources()
  const brighter = await sharp(await pngImage(17))
    .resize(40, 40)
    .modulate({ brightness: 1.04 })
    .jpeg()
    .toBuffer()
  const [best] = await similar.toBytes(brighter, 3)
  expect(of.get(best!.digest)).toMatch(/17\.png$/)
  expect(best!.similarity).toBeGreaterThan(0.8)
  const same = await similar.toBytes(await pngImage(17), 1)
  expect(same).toEqual([{ digest: digests.get('17.png'), similarity: expect.closeTo(1, 4) as number }])
})

it('what is no image is refused', async () => {
  await expect(similar.toBytes(Buffer.from('hello'), 3)).rejects.toMatchObject({ code: 'IMAGE_UNREADABLE' })
})

it('a digest that the version lacks is not found', async () => {
  await expect(similar.toImage('0'.repeat(64), 3)).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' })
})

it('the map has a place for each image, and stays that of a version with other labels', async () => {
  const map = await similar.map()
  expect(map).toHaveLength(2 * version.images)
  const reader = await openVersion(store, version)
  const labels = (await reader.labels()).map((row) => ({ ...row, label: 'other' }))
  const relabelled = await commitLabels(store, version, labels, { by: 'test', note: 'other labels' })
  const other = await openSimilar(store, relabelled)
  expect(await other.map()).toEqual(map)
  await other.close()
})

it('the same embeddings give the same vectors and map', async () => {
  const ctx = stepContext({ store, scratchDir: folder('scratch') })
  const embeddings = await embedImages({ version, model: 'fitted', dims: 64, seed: 7 }, ctx)
  expect(await indexNeighbours({ embeddings }, ctx)).toEqual(neighbours)
})

async function sources(): Promise<{ digests: Map<string, string>; of: Map<string, string> }> {
  const facts = await (await openVersion(store, version)).facts()
  return {
    digests: new Map(facts.map(({ digest, source }) => [source.split('/').at(-1)!, digest])),
    of: new Map(facts.map(({ digest, source }) => [digest, source])),
  }
}
