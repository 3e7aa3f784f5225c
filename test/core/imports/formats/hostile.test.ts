import { mkdir, stat, writeFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import { expect, it, vi } from 'vitest'
import { openForeignParquet, openTableSession } from '#core/tables'
import { fuzzImporters } from '../../../support/fuzz.ts'
import { tarOf, zipOf } from '../../../support/archives.ts'
import { pngImage } from '../../../support/images.ts'
import { temporaryFolder } from '../support.ts'
import { everything, writeTree } from './support.ts'

const MIB = 1024 * 1024
vi.setConfig({ testTimeout: 240_000 })
const inFolder = temporaryFolder()

/** What the process grows by at most while `work` runs, looked at after every turn of the loop. */
async function growth(work: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage.rss()
  let peak = before
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 5)
  try {
    await work()
    return Math.max(peak, process.memoryUsage.rss()) - before
  } finally {
    clearInterval(watch)
  }
}

it('1,800 broken sets of all formats end in images and notes or in one reason, and reach nothing outside', async () => {
  const { failures, outcomes } = await fuzzImporters({ directory: inFolder('fuzz'), cases: 1_800, seed: 1 })
  expect(failures).toEqual([])
  for (const [name, { read, refused }] of Object.entries(outcomes)) expect([name, read + refused]).toEqual([name, 100])
})

it('documents that unfold are not unfolded', async () => {
  const laughs = Array.from({ length: 9 }, (_, i) => `<!ENTITY l${i + 1} "${`&l${i};`.repeat(10)}">`).join('')
  const xml = `<?xml version="1.0"?><!DOCTYPE a [<!ENTITY l0 "lol">${laughs}]><annotation><object><name>&l9;</name></object></annotation>`
  const aliases = [
    'a: &a0 [x,x,x,x,x,x,x,x,x]',
    ...Array.from(
      { length: 9 },
      (_, i) => `b${i}: &a${i + 1} [${Array.from({ length: 9 }, () => `*a${i}`).join(',')}]`,
    ),
  ]
  const images = { 'a.png': await pngImage(1) }
  const voc = await writeTree(inFolder('laughs'), {
    ...images,
    'a.xml': xml,
    'b.xml': '<annotation></annotation>',
    'c.xml': `${'<a>'.repeat(100_000)}`,
  })
  expect((await everything(voc, 'voc')).notes).toContain(
    'an XML file is no readable annotation and was left out (2 times, first in a.xml)',
  )
  const yolo = await writeTree(inFolder('aliases'), {
    ...images,
    'a.txt': '0 0.5 0.5 1 1',
    'data.yaml': `${aliases.join('\n')}\nnames: *a9\n`,
  })
  const given = await everything(yolo)
  expect(given.notes).toContain('a YAML file names no classes and was left out (in data.yaml)')
  const tagged = await writeTree(inFolder('tags'), {
    ...images,
    'a.txt': '0 0.5 0.5 1 1',
    'data.yaml': 'names: !!js/function "function () {}"\n',
  })
  expect((await everything(tagged)).notes).toContain('a YAML file names no classes and was left out (in data.yaml)')
})

it('JSON that is deep, endless or unfinished costs no more than its bytes', async () => {
  const head = '{"images":[{"id":1,"file_name":"a.png"}],"categories":[{"id":1,"name":"x"}],"annotations":['
  const deep = '['.repeat(3_000_000)
  const files = {
    deep: `${head}${deep}`,
    'deep-closed': `${head}{"image_id":1,"category_id":1,"x":${'['.repeat(1_000)}${']'.repeat(1_000)}},{"image_id":1,"category_id":1}]}`,
    wide: `${head}{"image_id":1,"category_id":1,"x":"${'y'.repeat(5 * MIB)}"}]}`,
    many: `${head}${'{"image_id":7,"category_id":1},'.repeat(200_000)}{}]}`,
  }
  for (const [name, content] of Object.entries(files)) {
    const source = await writeTree(inFolder(`json-${name}`), { 'a.png': await pngImage(1), 'a.json': content })
    let notes: readonly string[] = []
    expect(await growth(async () => ({ notes } = await everything(source, 'coco')))).toBeLessThan(400 * MIB)
    expect([name, notes.length > 0]).toEqual([name, true])
  }
})

it('tables with a million columns, with one endless row, or with bare quotes are left out', async () => {
  const tables = {
    columns: `path,${'x,'.repeat(1_000_000)}\n${'a.png,1\n'.repeat(1_000)}`,
    row: `path,label\n"${'a'.repeat(6 * MIB)}`,
    quotes: `path,label\na.png,cat\nb.png,do"g"\n`,
  }
  for (const [name, content] of Object.entries(tables)) {
    const source = await writeTree(inFolder(`csv-${name}`), { 'a.png': await pngImage(1), 'list.csv': content })
    const attempt = everything(source, 'csv').then(
      ({ notes }) => notes.join('\n'),
      (error: Error) => error.message,
    )
    expect(await attempt).toMatch(/more than 1000 columns|cannot be read as CSV|with a column of image paths/)
  }
})

it('an archive that unpacks to gigabytes gives what fits and nothing more', async () => {
  await mkdir(inFolder('bombs'))
  const zeros = new Uint8Array(96 * MIB)
  const zip = zipOf(['a.xml', 'b.xml', 'c.json', 'd.txt'].map((name) => ({ name, bytes: zeros })))
  const lies = zipOf([
    { name: 'a.xml', bytes: zeros, claimedBytes: 100 },
    { name: 'a.png', bytes: await pngImage(1) },
  ])
  const tgz = gzipSync(
    await tarOf([
      { name: 'a.xml', bytes: zeros },
      { name: 'a.png', bytes: await pngImage(1) },
    ]),
  )
  for (const [name, bytes] of Object.entries({ 'a.zip': zip, 'lies.zip': lies, 'a.tgz': tgz })) {
    await writeFile(inFolder('bombs', name), bytes)
    const grown = await growth(() =>
      everything(inFolder('bombs', name), 'voc').catch((error: Error) =>
        expect(error.message).toMatch(/holds no Pascal VOC file/),
      ),
    )
    expect([name, grown < 80 * MIB]).toEqual([name, true])
  }
})

it('a Parquet file whose few bytes stand for gigabytes gives a few rows at a time', async () => {
  await mkdir(inFolder('parquet'))
  const file = inFolder('parquet', 'same.parquet')
  const session = await openTableSession({ directory: inFolder('parquet') })
  await session.writeParquet(
    `SELECT image FROM (SELECT repeat('x', 16000000)::BLOB AS image) CROSS JOIN range(100)`,
    file,
  )
  session.close()
  expect((await stat(file)).size).toBeLessThan(100_000)
  const table = await openForeignParquet(file)
  let rows = 0
  const grown = await growth(async () => {
    for await (const { size } of table.each<{ size: number; image: Uint8Array }>(
      { size: 'octet_length(image)', image: 'image' },
      'octet_length(image)',
    ))
      if (size === 16_000_000) rows++
  })
  table.close()
  expect([rows, grown < 1_000 * MIB]).toEqual([100, true])
})
