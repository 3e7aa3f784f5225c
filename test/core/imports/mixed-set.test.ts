/** What real folders hold, in small: 400 files, one in ten of them broken or odd. */
import { writeFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { openVersion } from '#core/datasets'
import {
  animatedGif,
  cmykJpeg,
  encodedAs,
  exifRotatedJpeg,
  grey16Png,
  jpegImage,
  pngClaiming,
  pngImage,
  randomNumbers,
  truncated,
  writeFiles,
} from '../../support/images.ts'
import { reportOf, runImport, stepContext, temporaryFolder } from './support.ts'

const inFolder = temporaryFolder()

it('a mixed folder is imported and refused file by file, with a reason each', async () => {
  const source = inFolder('mixed')
  const good: Record<string, Uint8Array> = {}
  const formats = ['jpeg', 'png', 'webp', 'tiff', 'gif'] as const
  for (let i = 0; i < 360; i++) {
    const format = formats[i % 5]!
    good[`batch ${i % 4}/photo-${i}.${format}`] = await encodedAs(format, i, { width: 20 + (i % 30), height: 24 })
  }
  const draw = randomNumbers(1)
  const odd: Record<string, Uint8Array> = {
    'odd/a jpeg named.png': await jpegImage(1001),
    'odd/a png without extension': await pngImage(1002),
    'odd/animated.gif': await animatedGif(1003),
    'odd/print.jpg': await cmykJpeg(1005),
    'odd/microscope.png': await grey16Png(
      Uint16Array.from({ length: 256 }, () => draw() * 65_536),
      16,
    ),
    'odd/turned.jpg': await exifRotatedJpeg(1006, { width: 40, height: 30 }),
    'odd/ spaces  and 🦔 emoji.jpg': await jpegImage(1007),
    'odd/line\nbreak.jpg': await jpegImage(1008),
    'odd/quote"\'$(x);.jpg': await jpegImage(1009),
  }
  const copies = {
    'odd/copy of photo-0.jpg': good['batch 0/photo-0.jpeg']!,
    'odd/turned again.jpg': odd['odd/turned.jpg']!,
  }
  const read = 'Gyre reads JPEG, PNG, WebP, TIFF and GIF'
  const broken: Record<string, readonly [Uint8Array, string]> = {
    'broken/empty.jpg': [new Uint8Array(0), 'the file is empty'],
    'broken/notes.jpg': [Buffer.from('remember the milk\n'), `a text file; ${read}`],
    'broken/readme.txt': [Buffer.from('images of things\n'), `a text file; ${read}`],
    'broken/old.bmp': [Buffer.from('BM\0\0\0\0', 'latin1'), `a BMP image; ${read}`],
    'broken/noise.png': [Uint8Array.of(7, 0, 255, 1, 2, 3), `not an image; ${read}`],
    'broken/drawing.svg': [Buffer.from('<svg xmlns="x"></svg>'), `an SVG drawing; ${read}`],
    'broken/bomb.png': [
      pngClaiming(30_000, 30_000),
      'claims 30000 × 30000 pixels (900 megapixels); at most 100 megapixels are read',
    ],
  }
  for (const format of formats) {
    const name = format === 'webp' ? 'WebP' : format.toUpperCase()
    for (let i = 0; i < 4; i++)
      broken[`broken/cut-${i}.${format}`] = [
        truncated(await encodedAs(format, 2000 + i, { width: 64, height: 64 }), 0.3 + i / 6),
        `truncated: the ${name} data ends before the image does`,
      ]
  }
  await writeFiles(source, { ...good, ...odd, ...copies })
  await writeFiles(source, Object.fromEntries(Object.entries(broken).map(([name, [bytes]]) => [name, bytes])))
  await writeFiles(source, { '.DS_Store': Uint8Array.of(1), 'batch 0/.hidden/x.jpg': await jpegImage(3000) })
  // A name that is not UTF-8, as old cameras and old disks have them.
  writeFileSync(
    Buffer.concat([Buffer.from(`${source}/odd/caf`), Buffer.of(0xe9), Buffer.from('.jpg')]),
    await jpegImage(1010),
  )

  const ctx = stepContext()
  const version = await runImport(ctx, { source })
  const report = await reportOf(ctx.store, version)

  const names = Object.keys(odd).length + 1
  expect(version).toMatchObject({ images: 360 + names, duplicates: 2, rejected: Object.keys(broken).length })
  expect(report.rejected).toEqual(
    Object.entries(broken)
      .map(([path, [, reason]]) => ({ path, reason }))
      .sort((a, b) => (a.path < b.path ? -1 : 1)),
  )
  expect(report.duplicates.map(({ path, sameAs }) => [path, sameAs])).toEqual([
    ['odd/copy of photo-0.jpg', 'batch 0/photo-0.jpeg'],
    ['odd/turned.jpg', 'odd/turned again.jpg'],
  ])
  const facts = await (await openVersion(ctx.store, version)).facts()
  const sources = facts.map(({ source }) => source)
  expect(sources).toEqual(
    expect.arrayContaining(['odd/ spaces  and 🦔 emoji.jpg', 'odd/line\nbreak.jpg', 'odd/caf\ufffd.jpg']),
  )
  expect(facts.find(({ source }) => source === 'odd/a jpeg named.png')).toMatchObject({ format: 'jpeg' })
  expect(facts.find(({ source }) => source === 'odd/turned again.jpg')).toMatchObject({ width: 30, height: 40 })
})
