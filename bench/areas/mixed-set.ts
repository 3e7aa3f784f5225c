/** What real folders hold, at scale: 10,000 images of every format and size, one in twenty broken, imported with a reason each. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { importImages, type ImportReport } from '#core/imports'
import { silentLogger } from '#core/log'
import { openStore, readBlob, type ObjectStore } from '#core/storage'
import {
  animatedGif,
  cmykJpeg,
  encodedAs,
  exifRotatedJpeg,
  grey16Png,
  pngClaiming,
  randomNumbers,
  truncated,
} from '../../test/support/images.ts'
import { machine, round, type BenchReport } from '../report.ts'

const FILES = 10_000
const BROKEN_EVERY = 20
const FORMATS = ['jpeg', 'png', 'webp', 'tiff', 'gif'] as const
const READS = 'Gyre reads JPEG, PNG, WebP, TIFF and GIF'

interface MadeFile {
  readonly name: string
  readonly bytes: Uint8Array
  /** Why it must be refused; null: it must come in. */
  readonly reason: string | null
}

type Maker = (seed: number) => Promise<Omit<MadeFile, 'reason'>>

export const mixedSet = {
  says: `${FILES} mixed images, ${FILES / BROKEN_EVERY} of them broken: each refused for exactly what is wrong with it`,
  async run({ say }: { say(line: string): void }): Promise<BenchReport> {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'gyre-bench-mixed-'))
    try {
      say(`making ${FILES} files`)
      const expected = await makeFiles(path.join(folder, 'images'))
      say('importing them')
      const store = await openStore(path.join(folder, 'objects'), {})
      const memory = watchMemory()
      const started = performance.now()
      const report = await importAll(store, folder)
      const seconds = (performance.now() - started) / 1_000
      return reportOf({ ...report, expected, seconds, peakMib: memory.stop() })
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

/** Writes the files. @returns path → reason of those that must be refused. */
async function makeFiles(folder: string): Promise<ReadonlyMap<string, string>> {
  const expected = new Map<string, string>()
  for (let part = 0; part < 7; part++) await mkdir(path.join(folder, `part ${part}`), { recursive: true })
  for (let i = 0; i < FILES; i++) {
    const { name, bytes, reason } = i % BROKEN_EVERY === 0 ? await broken(i / BROKEN_EVERY) : await whole(i)
    const place = `part ${i % 7}/${i} ${name}`
    await writeFile(path.join(folder, place), bytes)
    if (reason !== null) expected.set(place, reason)
  }
  return expected
}

async function whole(seed: number): Promise<MadeFile> {
  const size = { width: 20 + (seed % 41), height: 20 + (seed % 37) }
  const odd: readonly Maker[] = [
    async () => ({ name: 'animated.gif', bytes: await animatedGif(2 * seed) }),
    async () => ({ name: 'print.jpg', bytes: await cmykJpeg(seed, size) }),
    async () => ({ name: 'turned.jpg', bytes: await exifRotatedJpeg(seed, size) }),
    async () => ({ name: 'a jpeg named.png', bytes: await encodedAs('jpeg', seed, size) }),
    async () => ({ name: 'microscope.png', bytes: await grey16Png(noise(seed), 16) }),
    async () => ({ name: 'without extension 🦔', bytes: await encodedAs('webp', seed, size) }),
  ]
  const maker = seed % 12 === 1 ? odd[Math.floor(seed / 12) % odd.length] : undefined
  const format = FORMATS[seed % FORMATS.length]!
  const made = maker ? await maker(seed) : { name: `photo.${format}`, bytes: await encodedAs(format, seed, size) }
  return { ...made, reason: null }
}

async function broken(index: number): Promise<MadeFile> {
  const format = FORMATS[index % FORMATS.length]!
  const name = format === 'webp' ? 'WebP' : format.toUpperCase()
  const side = 10_001 + index
  const text = (value: string): Uint8Array => Buffer.from(`${value} ${index}\n`, 'latin1')
  const kinds: readonly (() => Promise<MadeFile>)[] = [
    async () => ({ name: 'empty.jpg', bytes: new Uint8Array(0), reason: 'the file is empty' }),
    async () => ({ name: 'notes.jpg', bytes: text('remember the milk'), reason: `a text file; ${READS}` }),
    async () => ({ name: 'old.bmp', bytes: text('BM\0\0\0\0'), reason: `a BMP image; ${READS}` }),
    async () => ({
      name: 'noise.png',
      bytes: Uint8Array.of(7, 0, 255, 1, index & 255),
      reason: `not an image; ${READS}`,
    }),
    async () => ({ name: 'drawing.svg', bytes: text('<svg xmlns="x"></svg>'), reason: `an SVG drawing; ${READS}` }),
    async () => ({
      name: 'bomb.png',
      bytes: pngClaiming(side, side),
      reason: `claims ${side} × ${side} pixels (${Math.ceil(side ** 2 / 1e6)} megapixels); at most 100 megapixels are read`,
    }),
    ...[0.3, 0.6, 0.9].map((share) => async () => ({
      name: `cut.${format}`,
      bytes: truncated(await encodedAs(format, 20_000 + index, { width: 64, height: 64 }), share),
      reason: `truncated: the ${name} data ends before the image does`,
    })),
  ]
  return kinds[Math.floor(index / FORMATS.length) % kinds.length]!()
}

function noise(seed: number): Uint16Array {
  const draw = randomNumbers(seed)
  return Uint16Array.from({ length: 256 }, () => draw() * 65_536)
}

async function importAll(store: ObjectStore, folder: string): Promise<{ report: ImportReport; images: number }> {
  const scratchDir = path.join(folder, 'scratch')
  await mkdir(scratchDir)
  const context = { store, runId: 'bench', nodeId: 'import', attempt: 1, scratchDir, log: silentLogger() }
  const version = await importImages(
    { dataset: 'mixed', source: path.join(folder, 'images'), labels: 'none', heldOutShare: 0.2, seed: 7 },
    { ...context, signal: new AbortController().signal, progress: () => undefined },
  )
  const report = JSON.parse(Buffer.from(await readBlob(store, version.report)).toString()) as ImportReport
  return { report, images: version.images }
}

/** Peak resident memory of this process from now on, MiB. */
function watchMemory(): { stop(): number } {
  let peak = process.memoryUsage.rss()
  const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 100)
  return {
    stop() {
      clearInterval(timer)
      return Math.round(peak / 2 ** 20)
    },
  }
}

interface Seen {
  readonly report: ImportReport
  readonly images: number
  readonly expected: ReadonlyMap<string, string>
  readonly seconds: number
  readonly peakMib: number
}

function reportOf({ report, images, expected, seconds, peakMib }: Seen): BenchReport {
  const refused = new Map(report.rejected.map(({ path: name, reason }) => [name, reason]))
  const names = new Set([...expected.keys(), ...refused.keys()])
  const wrong = [...names].filter((name) => expected.get(name) !== refused.get(name))
  const lost = FILES - images - report.duplicates.length - refused.size
  const row = { peers: {}, note: '' }
  return {
    area: 'mixed-set',
    machine: machine(),
    rows: [
      { ...row, name: 'import', unit: 'images/s', value: round(FILES / seconds), better: 'higher' },
      {
        ...row,
        name: 'rejected',
        unit: 'count',
        value: refused.size,
        better: 'lower',
        note: `${expected.size} are broken`,
      },
      {
        ...row,
        name: 'wrong reasons',
        unit: 'count',
        value: wrong.length,
        better: 'lower',
        note: wrong
          .slice(0, 3)
          .map((name) => `${name}: ${refused.get(name) ?? 'imported'}`)
          .join(' · '),
      },
      {
        ...row,
        name: 'unaccounted files',
        unit: 'count',
        value: lost,
        better: 'lower',
        note: `${report.duplicates.length} duplicates`,
      },
      { ...row, name: 'peak memory', unit: 'MiB', value: peakMib, better: 'lower', note: 'of the whole process' },
    ],
  }
}
