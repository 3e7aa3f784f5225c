/**
 * Breaks sets of every format at random and imports what is left: nothing but a reason may come of it. Read: how many
 * were broken, that none ended the process or reached outside its set, and the memory that it took.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fuzzImporters } from '../../test/support/fuzz.ts'
import { machine, round, type BenchReport, type BenchRow } from '../report.ts'

const CASES = 20_000

export const fuzz = { says: 'importers of every format on broken sets', run }

interface Options {
  /** Broken sets. */
  readonly limit: number | undefined
  say(line: string): void
}

async function run({ limit = CASES, say }: Options): Promise<BenchReport> {
  const directory = await mkdtemp(path.join(tmpdir(), 'gyre-fuzz-'))
  try {
    const started = performance.now()
    const { cases, outcomes, failures, peakBytes } = await fuzzImporters({ directory, cases: limit, seed: 7 })
    const seconds = (performance.now() - started) / 1_000
    failures.slice(0, 20).forEach(say)
    const refused = Object.values(outcomes).reduce((sum, outcome) => sum + outcome.refused, 0)
    return {
      area: 'fuzz',
      machine: machine(),
      rows: [
        row('cases', cases, 'sets', `seed 7, ${Object.keys(outcomes).length} kinds, ${refused} refused with a reason`),
        row('failures', failures.length, 'sets', 'crashes, bytes from outside, files made', 'lower'),
        row('cases-per-s', cases / seconds, '1/s', ''),
        row('peak-mib', peakBytes / 2 ** 20, 'MiB', 'of the whole process', 'lower'),
      ],
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function row(name: string, value: number, unit: string, note: string, better: BenchRow['better'] = 'higher'): BenchRow {
  return { name, value: round(value), unit, note, better, peers: {} }
}
