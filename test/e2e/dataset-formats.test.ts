/** The compiled command line against one real stack: a set comes in as COCO, goes out in other formats, and comes back. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { gyre, StateFolders } from '../support/gyre.ts'
import { pngImage } from '../support/images.ts'

const folders = new StateFolders()
let state: string
let work: string

beforeAll(async () => {
  state = folders.create()
  work = path.join(path.dirname(state), 'sets')
  mkdirSync(path.join(work, 'coco'), { recursive: true })
  for (let i = 0; i < 12; i++) writeFileSync(path.join(work, 'coco', `${i}.png`), await pngImage(i))
  writeFileSync(path.join(work, 'coco', 'instances.json'), JSON.stringify({
    images: Array.from({ length: 12 }, (_, id) => ({ id, file_name: `${id}.png` })),
    annotations: Array.from({ length: 12 }, (_, id) => ({ id, image_id: id, category_id: 1 + (id % 2), bbox: [2, 3, 10, 8], segmentation: [[1, 2, 3, 4, 5, 6]] })),
    categories: [{ id: 1, name: 'nut' }, { id: 2, name: 'bolt' }],
  })) // prettier-ignore
  await folders.startDev(state)
})

afterAll(() => folders.clean())

async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await gyre([...args, '--state', state, '--json'])
  expect({ code, stderr }).toMatchObject({ code: 0 })
  return JSON.parse(stdout) as T
}

it('a set comes in as COCO, goes out as YOLO, CSV and a tar, and comes back the same', async () => {
  const first = await json<{ images: number; version: string }>('dataset', 'import', 'parts', path.join(work, 'coco'))
  expect(first.images).toBe(12)

  const yolo = await json<{ cannotExpress: string[]; images: number }>(
    'dataset',
    'export',
    'parts',
    path.join(work, 'yolo'),
    '--format',
    'yolo',
  )
  expect(yolo).toMatchObject({ images: 12, cannotExpress: [] })
  expect(readFileSync(path.join(work, 'yolo', 'data.yaml'), 'utf8')).toContain('1: nut')
  const again = await json<{ images: number }>('dataset', 'import', 'again', path.join(work, 'yolo'))
  expect(again.images).toBe(12)

  await json(
    'dataset',
    'export',
    `parts@${first.version.slice(0, 12)}`,
    path.join(work, 'parts.tar'),
    '--format',
    'csv',
  )
  expect(existsSync(path.join(work, 'parts.tar'))).toBe(true)
  const third = await json<{ version: string }>(
    'dataset',
    'import',
    'third',
    path.join(work, 'parts.tar'),
    '--format',
    'csv',
  )
  expect(third.version).toBe(first.version)

  const { code, stdout } = await gyre([
    'dataset',
    'export',
    'parts',
    path.join(work, 'yolo'),
    '--format',
    'coco',
    '--state',
    state,
    '--json',
  ])
  expect([code, (JSON.parse(stdout) as { error: { code: string } }).error.code]).toEqual([4, 'EXPORT_TARGET_IN_USE'])
  const { stdout: said } = await gyre(['dataset', 'export', 'parts', path.join(work, 'classes'), '--state', state])
  expect(said).toMatch(
    /classes {3}12 images {3}version sha256:[0-9a-f]{12} as folder\n\n folder has no place for\n {3}boxes of 12 images/,
  )
}, 240_000)
