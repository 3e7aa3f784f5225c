import { expect, it } from 'vitest'
import { commitLabels, datasetHistory, listDatasets, openVersion, resolveVersion } from '#core/datasets'
import { addImages } from '#core/imports'
import { createMemoryStore, type ObjectStore } from '#core/storage'
import { pngImage, writeFiles } from '../../support/images.ts'
import { runImport, stepContext, temporaryFolder } from '../imports/support.ts'

const inFolder = temporaryFolder()

/** The store, with something done before each create. */
function intercepting(store: ObjectStore, beforeCreate: (key: string) => Promise<void> | void): ObjectStore {
  return new Proxy(store, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property)
      if (typeof value !== 'function') return value
      if (property !== 'create' && property !== 'createFromFile') return value.bind(target) as unknown
      return async (key: string, what: never) => {
        await beforeCreate(key)
        return target[property](key, what)
      }
    },
  })
}

async function folderOf(name: string, seeds: readonly number[]): Promise<string> {
  for (const seed of seeds) await writeFiles(inFolder(name), { [`${seed}.png`]: await pngImage(seed) })
  return inFolder(name)
}

it('two imports at once both end up in the dataset', async () => {
  const store = createMemoryStore()
  let waiting = 0
  let open: () => void
  const bothAreThere = new Promise<void>((resolve) => (open = resolve))
  // Both have read the same state before either moves the pointer.
  const meeting = intercepting(store, async (key) => {
    if (!key.includes('/refs/') || waiting >= 2) return
    if (++waiting === 2) open()
    await bothAreThere
  })
  const sources = [await folderOf('one', [1, 2, 3, 4]), await folderOf('two', [3, 4, 5, 6])]
  await Promise.all(
    sources.map((source, i) => runImport(stepContext({ store: meeting, runId: `run-${i}` }), { source })),
  )
  expect(waiting).toBe(2)
  const latest = await resolveVersion(store, 'things')
  expect(latest.images).toBe(6)
  expect(await datasetHistory(store, 'things')).toHaveLength(2)
  const reader = await openVersion(store, latest)
  for (const { digest } of await reader.facts()) expect((await reader.imageBytes(digest)).length).toBeGreaterThan(0)
})

it('an import that dies at any write leaves nothing visible, and the next gives the version that it would have given', async () => {
  const source = await folderOf('killed', [11, 12, 13])
  const expected = await runImport(stepContext(), { source })
  for (let survived = 0; ; survived++) {
    const store = createMemoryStore()
    let writes = 0
    const dying = intercepting(store, () => {
      if (writes++ === survived) throw new Error('killed')
    })
    const version = await runImport(stepContext({ store: dying }), { source }).catch(() => null)
    if (version && writes <= survived) break // It lived: every earlier death was tried.
    const visible = await listDatasets(store)
    // The report is the one thing that is written after the pointer.
    expect(visible.length === 0 || visible[0]!.version === expected.version).toBe(true)
    expect(await runImport(stepContext({ store }), { source })).toEqual(expected)
  }
})

it('labels committed while images arrive keep both', async () => {
  const store = createMemoryStore()
  const image = async (seed: number): Promise<{ name: string; bytes: Uint8Array }> => ({
    name: `${seed}`,
    bytes: await pngImage(seed),
  })
  const base = await addImages(store, 'things', [await image(21), await image(22)], { by: 'ada' })
  const before = await (await openVersion(store, base)).labels()
  const later = await addImages(store, 'things', [await image(23)], { by: 'gateway' })
  const labelled = before.map((row) => ({
    ...row,
    label: 'dent',
    origin: 'human' as const,
    humanSeen: true,
    randomDraw: true,
  }))
  const exact = await commitLabels(store, base, labelled, { by: 'ada', note: 'session 1' })
  expect(exact.images).toBe(2)
  expect(await (await openVersion(store, exact)).labels()).toEqual(labelled)
  const latest = await resolveVersion(store, 'things')
  expect(latest).toMatchObject({ images: 3 })
  expect(latest.version).not.toBe(later.version)
  const rows = await (await openVersion(store, latest)).labels()
  expect(rows.map(({ label }) => label).sort()).toEqual(['dent', 'dent', null])
})
