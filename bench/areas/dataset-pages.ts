/**
 * The grid of a dataset in a real browser over a synthetic million of images (`--limit` for fewer): how long until it
 * stands, how smooth a wheel turns, how long a jump to anywhere takes until its images are known, and what it holds.
 * Thumbnails are drawn by the browser itself: what is measured is the page, its API and the catalog.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { Page } from 'playwright-core'
import { installationRoot } from '#core/execution'
import { silentLogger } from '#core/log'
import { openFolderStore } from '#core/storage'
import { datasetCatalogOf } from '../../apps/api/adapters/dataset-catalog.ts'
import { datasetsOf } from '../../apps/api/adapters/datasets.ts'
import { keepCatalogs } from '../../apps/api/adapters/kept-catalogs.ts'
import { buildServer } from '../../apps/api/server.ts'
import { openBrowser } from '../../test/support/browser.ts'
import { fakeWorld } from '../../test/support/fake-ports.ts'
import { syntheticVersion } from '../datasets/synthetic.ts'
import { machine, round, type BenchReport, type BenchRow } from '../report.ts'

const MILLION = 1_000_000
const JUMPS = 20
const TURNS = 120
const WHEEL_PX = 120

interface Options {
  readonly limit: number | undefined
  say(line: string): void
}

export const datasetPages = {
  says: 'the grid of a million images in a browser: opening, scrolling, jumping, what it holds',
  async run({ limit = MILLION, say }: Options): Promise<BenchReport> {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'gyre-bench-pages-'))
    try {
      return { area: 'dataset-pages', machine: machine(), rows: await measured(folder, limit, say) }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

async function measured(folder: string, images: number, say: Options['say']): Promise<BenchRow[]> {
  say(`${images.toLocaleString('en-US')} images: making them`)
  const store = await openFolderStore(path.join(folder, 'objects'))
  await syntheticVersion(store, 'parts', images, folder)
  const catalogs = keepCatalogs(store, { cacheDir: path.join(folder, 'catalogs'), patienceMs: 600_000 })
  const version = await catalogs.resolve('parts', 'latest')
  await catalogs.use(version, (catalog) => catalog.facets())
  const fakes = await fakeWorld()
  const api = await buildServer(
    { ...fakes, datasets: datasetsOf(store, catalogs), catalog: datasetCatalogOf(store, catalogs) },
    {
      ...{ log: silentLogger(), webDir: path.join(installationRoot(), 'dist/web'), uploadsDir: folder },
      ...{ hosts: [], version: '0', temporalUi: null },
    },
  )
  const browser = await openBrowser()
  try {
    const url = await api.listen({ port: 0, host: '127.0.0.1' })
    const page = await browser.context.newPage()
    await page.route('**/api/thumbnails/**', (route) =>
      route.fulfill({ contentType: 'image/svg+xml', body: '<svg xmlns="http://www.w3.org/2000/svg"/>' }),
    )
    fakes.identity.codes.add('code-ada')
    await page.goto(`${url}/login?code=code-ada`)
    say('opening, scrolling, jumping')
    return await rowsOf(page, `${url}/datasets/parts`)
  } finally {
    await browser.close()
    await api.close()
  }
}

async function rowsOf(page: Page, address: string): Promise<BenchRow[]> {
  const begun = performance.now()
  await page.goto(address)
  await untilKnown(page)
  const opened = performance.now() - begun
  const frames = await framesOfScrolling(page)
  const jumps: number[] = []
  for (let jump = 0; jump < JUMPS; jump++) {
    const from = performance.now()
    await page.evaluate(`document.querySelector('.grid-scroll').scrollTop =
      document.querySelector('.grid-rail').clientHeight * ${((jump * 7919) % 997) / 997}`)
    await untilKnown(page)
    jumps.push(performance.now() - from)
  }
  const elements = (await page.evaluate('document.querySelectorAll("*").length')) as number
  const session = await page.context().newCDPSession(page)
  await session.send('HeapProfiler.collectGarbage')
  const { usedSize } = await session.send('Runtime.getHeapUsage')
  const row = (name: string, unit: string, value: number, note: string): BenchRow => ({
    ...{ name, unit, value: round(value), better: 'lower', peers: {}, note },
  })
  return [
    row('grid-open-ms', 'ms', opened, 'from the address to the first images, facets beside them'),
    row('scroll-frame-median-ms', 'ms', share(frames, 0.5), 'between two frames while a wheel turns'),
    row('scroll-frame-p95-ms', 'ms', share(frames, 0.95), 'without a graphics card'),
    row('jump-median-ms', 'ms', share(jumps, 0.5), 'drag of the bar to anywhere, until its images are known'),
    row('jump-p95-ms', 'ms', share(jumps, 0.95), ''),
    row('grid-elements', 'elements', elements, 'of the whole page, after all of that'),
    row('grid-heap-mib', 'MiB', usedSize / 2 ** 20, 'of JavaScript, after all of that'),
  ]
}

const PATIENCE_MS = 120_000

async function untilKnown(page: Page): Promise<void> {
  const until = performance.now() + PATIENCE_MS
  while (!(await page.evaluate(KNOWN))) {
    if (performance.now() > until) throw new Error(`the grid does not show its images after ${PATIENCE_MS / 1000} s`)
    await page.evaluate('new Promise((done) => requestAnimationFrame(() => done(null)))')
  }
}

/** Each image in sight is known: its source is in its name. */
const KNOWN = `(() => {
  const shots = [...document.querySelectorAll('.shot')]
  const box = document.querySelector('.grid-scroll')?.getBoundingClientRect()
  const seen = shots.filter((shot) => shot.getBoundingClientRect().bottom > box.top && shot.getBoundingClientRect().top < box.bottom)
  return seen.length > 0 && seen.every((shot) => shot.ariaLabel.includes('shot-'))
})()`

/** Milliseconds between frames while a wheel turns. */
async function framesOfScrolling(page: Page): Promise<number[]> {
  await page.evaluate(`window.frames_ = []; (function next(before) {
    requestAnimationFrame((now) => { window.frames_.push(now - before); if (window.frames_) next(now) })
  })(performance.now())`)
  await page.mouse.move(800, 600)
  for (let turn = 0; turn < TURNS; turn++) await page.mouse.wheel(0, WHEEL_PX)
  return (await page.evaluate('window.frames_.splice(0)')) as number[]
}

function share(values: readonly number[], at: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * at)]!
}
