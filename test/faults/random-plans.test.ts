/** Random plans while the stack around them is killed, stands still, fails to write and loses the time of day. */

import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { seededRandom, seedOf } from '../support/faults/seed.ts'
import { shapes } from '../support/faults/shapes.ts'
import { runStorm } from '../support/faults/storm.ts'

const PLANS = 200
const MINUTES = 60_000

it(
  'random plans end with the same results whatever is struck, and no node has two',
  async () => {
    const seed = seedOf(process.env.GYRE_FAULTS_SEED)
    process.stderr.write(`GYRE_FAULTS_SEED=${seed} repeats these plans and the order of faults\n`)
    const folder = mkdtempSync(path.join(os.tmpdir(), 'gyre-faults-'))
    const report = await runStorm({
      folder,
      shapes: fc.sample(shapes, { seed, numRuns: PLANS }),
      inFlight: 24,
      faults: ['worker', 'disk', 'worker', 'temporal', 'worker', 'standstill', 'clock', 'tree'],
      everyExecutions: [25, 75],
      random: seededRandom(seed),
      say: (line) => process.stderr.write(`${line}\n`),
    })
    expect(report.differences).toEqual([])
    expect(report.plansStruck).toBeGreaterThan(PLANS / 4)
    rmSync(folder, { recursive: true })
  },
  15 * MINUTES,
)
