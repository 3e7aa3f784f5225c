import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { commitLabels, diffVersions, openVersion, resolveVersion, versionHistory } from '#core/datasets'
import { createMemoryStore, movePointer, putBlobFile, type ObjectStore } from '#core/storage'
import { writeParquet, type ColumnType } from '#core/tables'
import { digestOf, emptyModel, factsOf, labelOf, nameOf, rules } from './rows.ts'

let folder: string
beforeAll(async () => void (folder = await mkdtemp(path.join(tmpdir(), 'gyre-test-'))))
afterAll(() => rm(folder, { recursive: true, force: true }))

const factColumns: Readonly<Record<string, ColumnType>> = {
  ...{ digest: 'text', pack: 'text', offset: 'integer', sizeBytes: 'integer', width: 'integer', height: 'integer' },
  ...{ format: 'text', group: 'text', source: 'text', look: 'text' },
}
const labelColumns: Readonly<Record<string, ColumnType>> = {
  ...{ digest: 'text', split: 'text', label: 'text', origin: 'text' },
  ...{ humanSeen: 'boolean', randomDraw: 'boolean', excluded: 'text' },
}

/** A version as it was written before manifests had a format: base shards alone, without the columns that came later. */
async function firstVersion(store: ObjectStore, images: number, note: string): Promise<string> {
  const model = emptyModel()
  for (let n = 0; n < images; n++) {
    model.facts.set(digestOf(n), factsOf(n))
    model.labels.set(digestOf(n), labelOf(n, { label: n % 2 ? 'dent' : null }))
  }
  const shard = async (columns: Readonly<Record<string, ColumnType>>, rows: ReadonlyMap<string, object>) => {
    const file = path.join(folder, 'shard')
    await writeParquet(file, columns, [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row) as never)
    return [{ prefix: '', rows: rows.size, blob: await putBlobFile(store, file) }]
  }
  const version = nameOf(model)
  const manifest = {
    ...{ dataset: 'parts', version, images, imageSet: 'an old digest', rules },
    facts: await shard(factColumns, model.facts),
    labels: await shard(labelColumns, model.labels),
  }
  await store.create(`datasets/parts/versions/${version}.json`, Buffer.from(JSON.stringify(manifest)))
  await movePointer(store, 'datasets/parts/refs/latest', { version, images, note }, { by: 'ada' })
  return version
}

it('a version of an earlier release is read, compared, changed and found in the log', async () => {
  const store = createMemoryStore()
  const [first, second] = [await firstVersion(store, 4, 'four'), await firstVersion(store, 6, 'six')]
  const version = await resolveVersion(store, 'parts')
  expect(version).toMatchObject({ version: second, images: 6 })
  const reader = await openVersion(store, version)
  expect(await reader.boxes()).toEqual([])
  expect((await reader.facts()).find(({ digest }) => digest === digestOf(3))).toEqual(factsOf(3))
  expect(await diffVersions(store, { dataset: 'parts', version: first }, version)).toMatchObject({
    added: 2,
    removed: 0,
  })

  const labelled = await commitLabels(store, version, [labelOf(0, { label: 'clean' })], { by: 'bob', note: 'one' })
  expect((await openVersion(store, labelled)).manifest).toMatchObject({
    format: 2,
    imageSet: expect.not.stringMatching('old'),
  })
  const back = await commitLabels(store, labelled, [labelOf(0)], { by: 'bob', note: 'and back' })
  expect(back.version).toBe(second)
  const log = await versionHistory(store, 'parts', { version: labelled.version })
  expect(log.map((entry) => [entry.version, entry.parents, entry.by, entry.note])).toEqual([
    [labelled.version, [second], 'bob', 'one'],
    [second, [first], 'ada', 'six'],
    [first, [], 'ada', 'four'],
  ])
})
