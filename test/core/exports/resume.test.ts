import { mkdir, readFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { beforeAll, expect, it } from 'vitest'
import type { DatasetVersion } from '#core/steps'
import { createMemoryStore, type ObjectStore } from '#core/storage'
import { pngImage } from '../../support/images.ts'
import { temporaryFolder } from '../imports/support.ts'
import { makeDataset, runExport } from './support.ts'

const inFolder = temporaryFolder()
const store = createMemoryStore()
const IMAGES = 40
let version: DatasetVersion

beforeAll(async () => {
  const images = await Promise.all(
    Array.from({ length: IMAGES }, async (_, i) => ({
      source: `${i}.png`,
      bytes: await pngImage(i),
      label: i % 2 ? 'odd' : 'even',
      origin: 'imported' as const,
    })),
  )
  version = await makeDataset(store, images)
})

/** The store, and how many bytes of images were read from it. */
function counting(): { readonly store: ObjectStore; reads: number } {
  const count = {
    reads: 0,
    store: new Proxy(store, {
      get(target, name) {
        if (name === 'getRange')
          return (...args: Parameters<ObjectStore['getRange']>) => ((count.reads += args[2]), target.getRange(...args))
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value
      },
    }),
  }
  return count
}

async function filesOf(folder: string): Promise<Record<string, string>> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = names.filter((entry) => entry.isFile()).map((entry) => `${entry.parentPath}/${entry.name}`)
  return Object.fromEntries(
    await Promise.all(
      files.map(async (file) => [file.slice(folder.length), (await readFile(file)).toString('base64')] as const),
    ),
  )
}

it('an export that was cut off goes on with what is there whole, and ends as one that was not', async () => {
  for (const format of ['folder', 'csv', 'webdataset', 'parquet'] as const) {
    const whole = inFolder(`whole-${format}`)
    const target = inFolder(`cut-${format}`)
    await runExport(store, { version, target: whole, format })
    const stop = new AbortController()
    const progress = (): void => stop.abort(new Error('stopped'))
    await expect(runExport(store, { version, target, format }, { signal: stop.signal, progress })).rejects.toThrow(
      'stopped',
    )
    await runExport(store, { version, target, format })
    if (format !== 'parquet') expect(await filesOf(target)).toEqual(await filesOf(whole))
    expect(Object.keys(await filesOf(target))).toEqual(Object.keys(await filesOf(whole)))
  }
})

it('a second export of the same to the same place reads no image again, but those that are damaged', async () => {
  const target = inFolder('twice')
  await runExport(store, { version, target, format: 'folder' })
  const idle = counting()
  await runExport(idle.store, { version, target, format: 'folder' })
  expect(idle.reads).toBe(0)
  const victim = `${target}/train/odd/7.png`
  const { size } = await stat(victim)
  await truncate(victim, size - 1)
  const busy = counting()
  await runExport(busy.store, { version, target, format: 'folder' })
  expect([busy.reads, (await stat(victim)).size]).toEqual([size, size])
})

it('a place that holds anything else is refused, and nothing in it is touched', async () => {
  const target = inFolder('mine')
  await mkdir(target)
  await writeFile(`${target}/holiday.jpg`, 'mine')
  await expect(runExport(store, { version, target, format: 'folder' })).rejects.toThrow(/holds other files/)
  expect(await readdir(target)).toEqual(['holiday.jpg'])
  await rm(`${target}/holiday.jpg`)
  await runExport(store, { version, target, format: 'csv' })
  await expect(runExport(store, { version, target, format: 'coco' })).rejects.toThrow(
    /holds an export of things, version .* as csv/,
  )
  await writeFile(inFolder('taken.tar'), 'mine')
  await expect(runExport(store, { version, target: inFolder('taken.tar'), format: 'csv' })).rejects.toThrow(/exists/)
  expect(await readFile(inFolder('taken.tar'), 'utf8')).toBe('mine')
  await expect(runExport(store, { version, target: 'relative', format: 'csv' })).rejects.toThrow(/no absolute path/)
})
