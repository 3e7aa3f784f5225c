import { mkdir } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { openTableSession } from '#core/tables'
import { pngImage } from '../../../support/images.ts'
import { temporaryFolder } from '../support.ts'
import { box, everything, writeTree } from './support.ts'

const inFolder = temporaryFolder()

/** Writes what a query gives, with `a` and `b` as the bytes of two images. */
async function written(folder: string, name: string, query: (a: string, b: string) => string): Promise<string> {
  await mkdir(inFolder(folder), { recursive: true })
  const [a, b] = [await pngImage(1), await pngImage(2)].map(
    (bytes) => `from_hex('${Buffer.from(bytes).toString('hex')}')`,
  )
  const session = await openTableSession({ directory: inFolder(folder) })
  try {
    await session.writeParquet(query(a!, b!), inFolder(folder, name))
  } finally {
    session.close()
  }
  return inFolder(folder)
}

it('columns of other types become tags, boxes, attributes; a row without bytes is refused alone', async () => {
  const source = await written('mixed', 'set-validation.parquet', (a, b) => `
    SELECT {'bytes': ${a}, 'path': 'x/a.png'} AS photo, 7 AS label, ['wet', 'old'] AS tags, DATE '2026-03-01' AS taken, 2.5::FLOAT AS depth,
      {'bbox': [[1.0, 2.0, 3.0, 4.0]], 'categories': [3]} AS objects, ${b} AS thumbnail, [1, 2] AS numbers
    UNION ALL SELECT {'bytes': NULL, 'path': '/etc/passwd'}, NULL, NULL, NULL, NULL, NULL, NULL, NULL`) // prettier-ignore
  const given = await everything(source)
  expect(given.format).toBe('parquet')
  expect(given.images).toEqual({
    'set-validation.parquet/x/a.png': {
      label: '7',
      tags: ['wet', 'old'],
      split: 'test',
      boxes: [box('3', 1, 2, 3, 4)],
      attributes: { taken: '2026-03-01', depth: 2.5, numbers: '[1,2]' },
    },
  })
  expect(Object.values(given.refused)).toEqual(['the row names a file beside the table, which is not read'])
  expect(given.notes).toEqual(['further columns of bytes are not read (in set-validation.parquet, column thumbnail)'])
})

it('plain bytes are images, too, in any number of files', async () => {
  await mkdir(inFolder('plain', 'data'), { recursive: true })
  const first = (a: string): string => `SELECT ${a} AS image, 'cat' AS label, 'first.png' AS file_name`
  const source = await written('plain', 'data/train-0.parquet', first)
  await written('plain', 'data/test-0.parquet', (_, b) => `SELECT ${b} AS image, 'dog' AS label`)
  expect((await everything(source)).images).toEqual({
    'data/test-0.parquet/row-00000000': { label: 'dog', split: 'test' },
    'data/train-0.parquet/first.png': { label: 'cat', split: 'train' },
  })
})

it('a table without images, and a file that is none, are refused with a reason', async () => {
  const source = await written('numbers', 'a.parquet', () => 'SELECT 1 AS x')
  await expect(everything(source)).rejects.toThrow(/has no column with the bytes of image files/)
  const broken = await writeTree(inFolder('no-table'), { 'a.parquet': 'PAR1 and nothing more' })
  await expect(everything(broken)).rejects.toThrow(/cannot be read as Parquet/)
})
