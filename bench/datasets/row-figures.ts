/** Measures one synthetic dataset in a process of its own, whose memory is that of the work alone: `FOLDER IMAGES`. */
import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { openCatalog, type Catalog } from '#core/catalog'
import { diffVersions } from '#core/datasets'
import { openFolderStore } from '#core/storage'
import { relabelled, syntheticVersion } from './synthetic.ts'

export interface RowFigures {
  readonly makeSeconds: number
  readonly diffSeconds: number
  readonly diffFound: number
  readonly catalogSeconds: number
  readonly querySeconds: number
  readonly queryFound: number
  readonly facetsSeconds: number
  readonly pageP95Ms: number
  readonly orderedPageP95Ms: number
  /** The first page of an order, which sorts all images. */
  readonly firstPageMs: number
  /** Of the process that reads and asks, without the making of the dataset. */
  readonly peakMib: number
}

const QUERY = "label = 'scratch' and blur > 0.4 and split = 'train'"
const PAGES = 200
const PAGE_ROWS = 200

const [folder = '', images = '', made] = process.argv.slice(2)
const scratch = path.join(folder, 'scratch')
await mkdir(scratch, { recursive: true })
const store = await openFolderStore(path.join(folder, 'objects'))

if (made === undefined) {
  const [makeSeconds, version] = await timed(() => syntheticVersion(store, 'rows', Number(images), scratch))
  const changed = await relabelled(store, version, scratch)
  process.stdout.write(`${JSON.stringify({ makeSeconds, versions: [version.version, changed.version] })}\n`)
} else {
  process.stdout.write(`${JSON.stringify(await figures(made.split(',')))}\n`)
}

async function figures([before = '', after = '']: string[]): Promise<Omit<RowFigures, 'makeSeconds'>> {
  const [version, changed] = [before, after].map((digest) => ({ dataset: 'rows', version: digest }))
  const [diffSeconds, diff] = await timed(() => diffVersions(store, version!, changed!))
  const cacheDir = path.join(folder, 'catalogs')
  await rm(cacheDir, { recursive: true, force: true })
  const [catalogSeconds, catalog] = await timed(() => openCatalog(store, changed!, { cacheDir }))
  const [querySeconds, queryFound] = await timed(() => catalog.count(QUERY))
  const [facetsSeconds] = await timed(() => catalog.facets(QUERY))
  const [firstPage] = await timed(() => catalog.page({ order: '-blur', from: 0, count: PAGE_ROWS }))
  return {
    diffSeconds,
    diffFound: diff.relabelled.reduce((sum, { images: some }) => sum + some, 0),
    ...{ catalogSeconds, querySeconds, queryFound, facetsSeconds },
    firstPageMs: firstPage * 1_000,
    pageP95Ms: await pagesP95(catalog, undefined),
    orderedPageP95Ms: await pagesP95(catalog, '-blur'),
    peakMib: process.resourceUsage().maxRSS / 1024,
  }
}

/** Of pages anywhere in the set, the same places each time. */
async function pagesP95(catalog: Catalog, order: string | undefined): Promise<number> {
  const taken: number[] = []
  for (let page = 0; page < PAGES; page++) {
    const from = Math.floor(((page * 0.618034) % 1) * (catalog.images - PAGE_ROWS))
    const [seconds] = await timed(() => catalog.page({ order, from, count: PAGE_ROWS }))
    taken.push(seconds * 1_000)
  }
  return taken.sort((a, b) => a - b)[Math.ceil(0.95 * PAGES) - 1]!
}

async function timed<T>(work: () => Promise<T>): Promise<[seconds: number, value: T]> {
  const from = performance.now()
  const value = await work()
  return [(performance.now() - from) / 1_000, value]
}
