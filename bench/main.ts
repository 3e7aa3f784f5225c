/**
 * Benchmarks: `npm run bench -- AREA [--json] [--images DIR] [--limit IMAGES]`.
 *
 * Each area measures against a peer doing the same work in the same run; trust the ratios, absolute times drift.
 */

import { parseArgs } from 'node:util'
import type { BenchReport } from './report.ts'

interface AreaOptions {
  readonly images: string | undefined
  /** Of images, where an area can do with fewer. */
  readonly limit: number | undefined
  readonly target: number
  readonly embedder: string
  readonly seeds: number
  say(line: string): void
}

interface Area {
  readonly says: string
  run(options: AreaOptions): Promise<BenchReport>
}

const AREAS: Readonly<Record<string, () => Promise<Area>>> = {
  certificate: async () => (await import('./areas/certificate.ts')).certificate,
  labelling: async () => (await import('./areas/labelling.ts')).labelling,
  'labelling-page': async () => (await import('./areas/labelling-page.ts')).labellingPage,
  loop: async () => (await import('./areas/loop.ts')).loop,
  crash: async () => (await import('./areas/crash.ts')).crash,
  dataset: async () => (await import('./areas/dataset.ts')).dataset,
  'dataset-pages': async () => (await import('./areas/dataset-pages.ts')).datasetPages,
  'dataset-rows': async () => (await import('./areas/dataset-rows.ts')).datasetRows,
  engine: async () => (await import('./areas/engine.ts')).engine,
  faults: async () => (await import('./areas/faults.ts')).faults,
  fuzz: async () => (await import('./areas/fuzz.ts')).fuzz,
  health: async () => (await import('./areas/health.ts')).health,
  kubernetes: async () => (await import('./areas/kubernetes.ts')).kubernetes,
  'mixed-set': async () => (await import('./areas/mixed-set.ts')).mixedSet,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    images: { type: 'string' },
    'classes-from': { type: 'string', default: 'folders' },
    limit: { type: 'string' },
    target: { type: 'string', default: '0.99' },
    embedder: { type: 'string', default: 'fitted' },
    seeds: { type: 'string', default: '5' },
  },
})
if (values['classes-from'] !== 'folders') {
  process.stderr.write(`--classes-from takes folders, not ${values['classes-from']}\n`)
  process.exit(2)
}
const load = AREAS[positionals[0] ?? '']
if (!load) {
  process.stderr.write(
    `npm run bench -- AREA [--json] [--images DIR] [--limit IMAGES], where AREA is one of: ${Object.keys(AREAS).join(', ')}\n`,
  )
  process.exit(2)
}
const area = await load()
const report = await area.run({
  ...{ images: values.images, embedder: values.embedder },
  ...{ target: Number(values.target), seeds: Number(values.seeds) },
  limit: values.limit === undefined ? undefined : Number(values.limit),
  say: (line) => process.stderr.write(`${line}\n`),
})
process.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : asText(report))
process.exit(0)

function asText({ area: name, machine, rows }: BenchReport): string {
  const lines = rows.map(({ name: row, value, unit, peers, note }) => {
    const others = Object.entries(peers).map(([peer, figure]) => `${peer} ${figure} (×${(value / figure).toFixed(2)})`)
    return ` ${row.padEnd(34)} ${String(value).padStart(10)} ${unit.padEnd(10)} ${others.join(' · ')} ${note}`.trimEnd()
  })
  return [`${name} on ${machine}`, ...lines, ''].join('\n')
}
