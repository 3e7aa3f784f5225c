import { expect, it } from 'vitest'
import { commitLabels, datasetHistory, openVersion, resolveVersion, type ImageLabel } from '#core/datasets'
import { addImages } from '#core/imports'
import type { DatasetVersion } from '#core/steps'
import { createMemoryStore, type ObjectStore } from '#core/storage'
import { pngImage } from '../../support/images.ts'

async function fourImages(): Promise<{ store: ObjectStore; base: DatasetVersion; rows: readonly ImageLabel[] }> {
  const store = createMemoryStore()
  const images = await Promise.all([1, 2, 3, 4].map(async (seed) => ({ name: `${seed}`, bytes: await pngImage(seed) })))
  const base = await addImages(store, 'things', images, { by: 'ada' })
  return { store, base, rows: await (await openVersion(store, base)).labels() }
}

function judged(row: ImageLabel, label: string): ImageLabel {
  return { ...row, label, origin: 'human', humanSeen: true, randomDraw: false }
}

it('labels make a new version, share the images, and move latest', async () => {
  const { store, base, rows } = await fourImages()
  const version = await commitLabels(store, base, [judged(rows[2]!, 'dent')], { by: 'ada', note: 'first session' })
  expect(version.version).not.toBe(base.version)
  expect(await resolveVersion(store, 'things')).toEqual(version)
  const [before, after] = await Promise.all([openVersion(store, base), openVersion(store, version)])
  expect(await after.facts()).toEqual(await before.facts())
  expect((await after.labels()).map(({ label }) => label)).toEqual([null, null, 'dent', null])
  expect((await datasetHistory(store, 'things')).at(-1)).toMatchObject({ by: 'ada', note: 'first session' })
})

it('the same labels, committed again after a crash, give the same version and move nothing', async () => {
  const { store, base, rows } = await fourImages()
  const labels = rows.map((row) => judged(row, 'clean'))
  const first = await commitLabels(store, base, labels, { by: 'ada', note: '' })
  expect(await commitLabels(store, base, labels, { by: 'ada', note: '' })).toEqual(first)
  expect(await datasetHistory(store, 'things')).toHaveLength(2)
})

it('two sessions on one version keep what each of them changed', async () => {
  const { store, base, rows } = await fourImages()
  await commitLabels(store, base, [judged(rows[0]!, 'dent'), ...rows.slice(1)], { by: 'ada', note: '' })
  await commitLabels(store, base, [...rows.slice(0, 3), judged(rows[3]!, 'clean')], { by: 'bob', note: '' })
  const latest = await openVersion(store, await resolveVersion(store, 'things'))
  expect((await latest.labels()).map(({ label }) => label)).toEqual(['dent', null, null, 'clean'])
})

it('what is known of a label is part of the version', async () => {
  const { store, base, rows } = await fourImages()
  const seen = judged(rows[0]!, 'dent')
  const variants: ImageLabel[] = [
    seen,
    { ...seen, humanSeen: false, origin: 'inferred' },
    { ...seen, randomDraw: true },
    { ...seen, label: null, excluded: 'broken' },
  ]
  const versions = []
  for (const row of variants) versions.push((await commitLabels(store, base, [row], { by: 'ada', note: '' })).version)
  expect(new Set(versions).size).toBe(4)
})

it('labels never change a split, and name only images of the version', async () => {
  const { store, base, rows } = await fourImages()
  const turned = rows.map(
    (row) => ({ ...judged(row, 'dent'), split: row.split === 'train' ? 'test' : 'train' }) as const,
  )
  const version = await commitLabels(store, base, turned, { by: 'ada', note: '' })
  expect((await (await openVersion(store, version)).labels()).map(({ split }) => split)).toEqual(
    rows.map(({ split }) => split),
  )
  const foreign = { ...rows[0]!, digest: 'f'.repeat(64) }
  await expect(commitLabels(store, base, [foreign], { by: 'ada', note: '' })).rejects.toMatchObject({
    code: 'INVALID_INPUT',
  })
})
