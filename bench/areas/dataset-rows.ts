/**
 * What depends on the number of images alone, on synthetic datasets of one and of ten million: the diff of two versions that
 * differ in one per cent, a query, pages of the grid anywhere in the set, and the memory of the process that answers.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import type { RowFigures } from '../datasets/row-figures.ts'
import { machine, round, type BenchReport, type BenchRow } from '../report.ts'

const run = promisify(execFile)
const SIZES = { '1m': 1_000_000, '10m': 10_000_000 }
const SCRIPT = path.join(import.meta.dirname, '../datasets/row-figures.ts')

interface Options {
  /** Larger datasets are left out. */
  readonly limit: number | undefined
  say(line: string): void
}

export const datasetRows = {
  says: 'diff, query and pages on a million and ten million images',
  async run({ limit = Infinity, say }: Options): Promise<BenchReport> {
    const rows: BenchRow[] = []
    for (const [name, images] of Object.entries(SIZES))
      if (images <= limit) rows.push(...rowsOf(name, await figuresOf(images, say)))
    return { area: 'dataset-rows', machine: machine(), rows }
  },
}

async function figuresOf(images: number, say: Options['say']): Promise<RowFigures> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'gyre-bench-rows-'))
  try {
    say(`${images.toLocaleString('en-US')} images: making them`)
    const made = await figuresOfRun<{ makeSeconds: number; versions: string[] }>(folder, String(images))
    say(`${images.toLocaleString('en-US')} images: diff, catalog, query, pages`)
    const figures = await figuresOfRun<RowFigures>(folder, String(images), made.versions.join(','))
    return { ...figures, makeSeconds: made.makeSeconds }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function figuresOfRun<T>(...args: string[]): Promise<T> {
  const { stdout } = await run(process.execPath, ['--import', 'tsx', SCRIPT, ...args])
  return JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as T
}

function rowsOf(size: string, figures: RowFigures): BenchRow[] {
  const row = (name: string, unit: string, value: number, note: string): BenchRow => ({
    ...{ name, unit, value: round(value), better: 'lower', peers: {}, note },
  })
  return [
    row(`diff-${size}-s`, 's', figures.diffSeconds, `${figures.diffFound} images relabelled; at most 2 s at a million`),
    row(
      `query-${size}-s`,
      's',
      figures.querySeconds,
      `the first one asked; ${figures.queryFound} fit; at most 1 s at a million`,
    ),
    row(`facets-${size}-s`, 's', figures.facetsSeconds, 'of what the query finds, all columns'),
    row(`page-${size}-p95-ms`, 'ms', figures.pageP95Ms, '200 rows anywhere, by digest; at most 100 ms at a million'),
    row(`ordered-page-${size}-p95-ms`, 'ms', figures.orderedPageP95Ms, '200 rows anywhere, by blur'),
    row(`first-ordered-page-${size}-ms`, 'ms', figures.firstPageMs, 'sorts all images once'),
    row(`catalog-${size}-s`, 's', figures.catalogSeconds, 'once for a version'),
    row(`rows-peak-mib-${size}`, 'MiB', figures.peakMib, 'of the process that does all of these; at most 2,048'),
    row(`make-${size}-s`, 's', figures.makeSeconds, 'writing a first version of so many rows'),
  ]
}
