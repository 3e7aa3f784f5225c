/** The random-kill suite for longer: random plans on a whole stack of which something is struck all the time. */

import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { seededRandom, seedOf } from '../../test/support/faults/seed.ts'
import { shapes } from '../../test/support/faults/shapes.ts'
import { runStorm, type Fault } from '../../test/support/faults/storm.ts'
import { machine, round, type BenchReport } from '../report.ts'

const PLANS = 1_000
const FAULTS: readonly Fault[] = ['worker', 'disk', 'worker', 'temporal', 'worker', 'standstill', 'clock', 'tree']

export const faults = {
  says: 'random plans while workers, server and machine are struck: differences from the reference, work done twice',
  async run({ say }: { say(line: string): void }): Promise<BenchReport> {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'gyre-bench-faults-'))
    try {
      const seed = seedOf(process.env.GYRE_FAULTS_SEED)
      say(`GYRE_FAULTS_SEED=${seed} repeats these plans and the order of faults`)
      const report = await runStorm({
        folder,
        shapes: fc.sample(shapes, { seed, numRuns: PLANS }),
        inFlight: 24,
        faults: FAULTS,
        everyExecutions: [30, 90],
        random: seededRandom(seed),
        say,
      })
      for (const line of report.differences) say(line)
      const struck = Object.entries(report.struck).map(([fault, times]) => `${fault} ${times}×`)
      const row = { better: 'lower', peers: {} } as const
      return {
        area: 'faults',
        machine: machine(),
        rows: [
          {
            ...row,
            name: 'differences',
            unit: 'count',
            value: report.differences.length,
            note: `${PLANS} plans, ${report.plansStruck} struck in flight; ${struck.join(', ')}`,
          },
          {
            ...row,
            name: 'executions per node',
            unit: '',
            value: round(report.executions / report.nodes),
            note: `${report.nodes} nodes; planned failures that are retried count, too`,
          },
        ],
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}
