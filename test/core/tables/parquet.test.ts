import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readParquet, writeParquet } from '#core/tables'

let folder: string
beforeAll(async () => void (folder = await mkdtemp(path.join(tmpdir(), 'gyre-test-'))))
afterAll(() => rm(folder, { recursive: true, force: true }))

const columns = { name: 'text', images: 'integer', share: 'number', seen: 'boolean' } as const
const rows = [
  { name: 'dent', images: 2_147_483_647, share: 0.1, seen: true },
  { name: null, images: null, share: null, seen: null },
  { name: "it's\n\0a 🔩", images: -1, share: -1e300, seen: false },
]

describe('Parquet tables', () => {
  it('come back as they were written: order, nulls and any text', async () => {
    const file = path.join(folder, "a 'quoted' name.parquet")
    await writeParquet(file, columns, rows)
    expect(await readParquet(file)).toEqual(rows)
  })

  it('have equal bytes for equal rows', async () => {
    const files = [path.join(folder, 'one'), path.join(folder, 'two')]
    const many = Array.from({ length: 70_000 }, (_, i) => ({
      name: `image ${i}`,
      images: i,
      share: i / 7,
      seen: i % 2 === 0,
    }))
    await Promise.all(files.map((file) => writeParquet(file, columns, many)))
    const [one, two] = await Promise.all(files.map((file) => readFile(file)))
    expect(one!.equals(two!)).toBe(true)
    expect(await readParquet(files[0]!)).toEqual(many)
  })

  it('may be empty', async () => {
    const file = path.join(folder, 'empty')
    await writeParquet(file, columns, [])
    expect(await readParquet(file)).toEqual([])
  })

  it('that are damaged are refused by name', async () => {
    const file = path.join(folder, 'damaged')
    await writeFile(file, 'PAR1 but nothing else')
    await expect(readParquet(file)).rejects.toMatchObject({ code: 'OBJECT_CORRUPT' })
  })
})
