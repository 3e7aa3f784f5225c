/**
 * The labelling page in a real browser over a played session (`--limit` screens of 48 images): how long from a key or a press
 * until the frame that shows what came of it, a mark or the next screen with all its images. Thumbnails come from the API,
 * which makes them of the images as they are asked for; the engine is not in it.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { installationRoot } from '#core/execution'
import { silentLogger } from '#core/log'
import { buildServer } from '../../apps/api/server.ts'
import { BrowserAnnotator, type Latency } from '../../test/support/browser-annotator.ts'
import { openBrowser } from '../../test/support/browser.ts'
import { CLASSES, fakeWorld, SESSION, type FakeWorld } from '../../test/support/fake-ports.ts'
import { machine, round, type BenchReport, type BenchRow } from '../report.ts'

const SCREENS = 40
const GRID = 48
const MISFITS = 3

interface Options {
  readonly limit: number | undefined
  say(line: string): void
}

export const labellingPage = {
  says: 'the labelling page in a browser: from a key or a press to the frame that shows it',
  async run({ limit = SCREENS, say }: Options): Promise<BenchReport> {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'gyre-bench-labelling-page-'))
    try {
      const rows: BenchRow[] = []
      for (const by of ['keyboard', 'mouse'] as const) {
        say(`${limit} screens by ${by}`)
        rows.push(...rowsOf(by, await latenciesOf(folder, limit, by)))
      }
      return { area: 'labelling-page', machine: machine(), rows }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

async function latenciesOf(folder: string, screens: number, by: 'keyboard' | 'mouse'): Promise<readonly Latency[]> {
  const world = await fakeWorld({ perClass: 60 })
  const truth = playScreens(world, screens)
  const api = await buildServer(world, {
    ...{ log: silentLogger(), webDir: path.join(installationRoot(), 'dist/web'), uploadsDir: folder },
    ...{ hosts: [], version: '0', temporalUi: null },
  })
  const browser = await openBrowser()
  try {
    const url = await api.listen({ port: 0, host: '127.0.0.1' })
    const page = await browser.context.newPage()
    world.identity.codes.add('code-ann')
    await page.goto(`${url}/login?code=code-ann`)
    const annotator = await BrowserAnnotator.sit(page, `${url}/labelling/${SESSION}`, { by, truth })
    await annotator.work()
    return await annotator.latencies()
  } finally {
    await browser.close()
    await api.close()
  }
}

/** Full grids of one proposed class each, with a few misfits. */
function playScreens({ session, images }: FakeWorld, screens: number): Record<string, string> {
  const truth = Object.fromEntries(images.map(({ digest, class: name }) => [digest, name]))
  session.screens.length = 0
  for (let screen = 0; screen < screens; screen++) {
    const proposed = CLASSES[screen % CLASSES.length]!
    const start = (screen * 17) % images.length
    const turned = [...images.slice(start), ...images.slice(0, start)]
    const fits = turned.filter((image) => image.class === proposed).slice(0, GRID - MISFITS)
    const misfits = turned.filter((image) => image.class !== proposed).slice(0, MISFITS)
    const shown = [...fits, ...misfits].map(({ digest }) => digest)
    const id = String(screen + 1).padStart(6, '0')
    session.screens.push({ id, kind: 'verify', proposed, images: shown, secondGuess: shown.map(() => null) })
  }
  return truth
}

function rowsOf(by: string, latencies: readonly Latency[]): BenchRow[] {
  return (['mark', 'screen'] as const).flatMap((kind) => {
    const ms = latencies.flatMap((one) => (one.kind === kind ? [one.ms] : [])).sort((a, b) => a - b)
    const at = (share: number) => ms[Math.min(ms.length - 1, Math.floor(ms.length * share))] ?? 0
    const what =
      kind === 'mark' ? `aim 50 ms; ${ms.length} actions` : `aim 150 ms; ${ms.length} screens with all their images`
    return [0.5, 0.95].map((share): BenchRow => ({
      name: `${kind}-${by}-${share === 0.5 ? 'median' : 'p95'}-ms`,
      ...{ unit: 'ms', value: round(at(share)), better: 'lower', peers: {}, note: what },
    }))
  })
}
