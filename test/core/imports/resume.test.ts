import { mkdir, readdir, rename, utimes, writeFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { openVersion, resolveVersion } from '#core/datasets'
import { importImages } from '#core/imports'
import { createMemoryStore, type ObjectStore } from '#core/storage'
import { pngImage, writeFiles } from '../../support/images.ts'
import { runImport, stepContext, temporaryFolder, type TestContext } from './support.ts'

const inFolder = temporaryFolder()

/** Seconds since 1970: when files were changed last that are to look unchanged. */
const LONG_AGO = 1_000_000_000

async function folderOf(name: string, seeds: readonly number[]): Promise<string> {
  await mkdir(inFolder(name), { recursive: true })
  for (const seed of seeds) {
    await writeFiles(inFolder(name), { [`${seed}.png`]: await pngImage(seed) })
    await utimes(inFolder(name, `${seed}.png`), LONG_AGO, LONG_AGO)
  }
  return inFolder(name)
}

const seeds = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i)

/** A store that names what was put into it by file, and dies before the n-th of those. */
function watched(store: ObjectStore, dieBefore = Infinity): { store: ObjectStore; put: string[] } {
  const put: string[] = []
  const createFromFile = async (key: string, path: string): Promise<boolean> => {
    if (put.length + 1 >= dieBefore) throw new Error('killed')
    put.push(key)
    return store.createFromFile(key, path)
  }
  const get = (target: ObjectStore, property: keyof ObjectStore): unknown => {
    if (property === 'createFromFile') return createFromFile
    const value: unknown = target[property]
    return typeof value === 'function' ? value.bind(target) : value
  }
  return { put, store: new Proxy(store, { get: (target, property) => get(target, property as keyof ObjectStore) }) }
}

function importing(ctx: TestContext, source: string): ReturnType<typeof importImages> {
  const input = { dataset: 'things', source, labels: 'none', heldOutShare: 0.2, seed: 7 } as const
  return importImages(input, ctx, { partFiles: 8 })
}

async function keysOf(store: ObjectStore, prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.list(prefix)) keys.push(key)
  return keys
}

it('an import that died goes on after the parts that it recorded, and reads none of their files again', async () => {
  const source = await folderOf('resumed', seeds(100, 30))
  const expected = await runImport(stepContext(), { source })
  const store = createMemoryStore()
  const first = watched(store, 5) // Two packs with their records, then the third pack.
  await expect(importing(stepContext({ store: first.store }), source)).rejects.toThrow('killed')
  expect(await keysOf(store, 'datasets/things/imports/')).toHaveLength(2)

  // Files of the first two parts cannot be read any more, and look as they did.
  for (const file of (await readdir(source)).sort().slice(0, 16)) {
    const { length } = await pngImage(Number(file.slice(0, -4)))
    await damage(`${source}/${file}`, length)
  }
  const second = watched(store)
  const version = await importing(stepContext({ store: second.store }), source)
  expect(version).toEqual(expected)
  expect(second.put.filter((key) => first.put.includes(key))).toEqual([])
  expect(await keysOf(store, 'datasets/things/imports/')).toEqual([])
})

/** Puts zeros in the place of a file of this size, without a change of its time. */
async function damage(file: string, sizeBytes: number): Promise<void> {
  await writeFile(file, new Uint8Array(sizeBytes))
  await utimes(file, LONG_AGO, LONG_AGO)
}

it('a file that changed, went or came between two attempts is taken as it is now', async () => {
  const source = await folderOf('changed', seeds(200, 20))
  const store = createMemoryStore()
  const dying = watched(store, 4)
  await expect(importing(stepContext({ store: dying.store }), source)).rejects.toThrow('killed')
  await writeFiles(source, { '200.png': await pngImage(900), 'new.png': await pngImage(901) })
  await rename(`${source}/201.png`, inFolder('elsewhere.png'))
  const expected = await runImport(stepContext(), { source })
  expect(await importing(stepContext({ store }), source)).toEqual(expected)
})

it('an attempt beside one that is still at work gives the same version', async () => {
  const source = await folderOf('twice', seeds(300, 30))
  const store = createMemoryStore()
  const [one, two] = await Promise.all([1, 2].map(() => importing(stepContext({ store }), source)))
  expect(one).toEqual(two)
  expect((await resolveVersion(store, 'things')).version).toBe(one!.version)
  const reader = await openVersion(store, one!)
  for await (const { bytes } of reader.images()) expect(bytes.length).toBeGreaterThan(0)
})
