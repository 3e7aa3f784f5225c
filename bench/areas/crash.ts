/** The crash script on the whole demo set: every part killed −9, every step struck at least once. */

import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { brokenObjects, portsHeld, runWithKills, type Facts, type Kill } from '../../test/support/crash.ts'
import { LiveStack, type Part } from '../../test/support/live-stack.ts'
import { surfaceSet } from '../../test/support/surface-set.ts'
import { machine, round, type BenchReport } from '../report.ts'

const IMAGES = 2_400
const STEPS = ['import', 'embed', 'cluster', 'annotate', 'train', 'evaluate', 'register', 'deploy', 'prove'] as const
const PARTS: readonly Part[] = [
  'worker',
  'temporal',
  'tree',
  'parent',
  'worker',
  'gateway',
  'worker',
  'temporal',
  'replica',
]

/** 18 moments in two runs: each step is struck twice, by different parts. */
const rounds: readonly (readonly Kill[])[] = [0, 4].map((shift) =>
  STEPS.map((during, index) => ({ during, part: PARTS[(index + shift) % PARTS.length]! })),
)

export const crash = {
  says: 'the whole demo with 18 kills −9: same dataset version, same model, nothing redone, nothing half there',
  async run({ say }: { say(line: string): void }): Promise<BenchReport> {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'gyre-bench-crash-'))
    try {
      say(`rendering ${IMAGES} images`)
      const { source, oracle, classes } = await surfaceSet(folder, IMAGES)
      const params = { dataset: 'surfaces', source, oracle, classes, annotator: 'simulated' }
      const timed = async (name: string, kills: readonly Kill[]): Promise<{ facts: Facts; seconds: number }> => {
        const started = performance.now()
        const stack = new LiveStack(path.join(folder, name))
        await stack.start()
        try {
          const facts = await runWithKills(stack, params, kills, say)
          return { facts, seconds: (performance.now() - started) / 1_000 }
        } finally {
          await stack.stop()
        }
      }
      const calm = await timed('calm', [])
      let wrong = 0
      let seconds = 0
      for (const [index, kills] of rounds.entries()) {
        const name = `round-${index}`
        const { facts, seconds: took } = await timed(name, kills)
        seconds += took
        if (facts.dataset !== calm.facts.dataset || facts.model !== calm.facts.model) wrong += 1
        wrong +=
          (await brokenObjects(path.join(folder, name))).length + (await portsHeld(path.join(folder, name))).length
      }
      const kills = rounds.flat().length
      const row = { peers: {}, better: 'lower' } as const
      return {
        area: 'crash',
        machine: machine(),
        rows: [
          {
            ...row,
            name: 'differences after kills',
            unit: 'count',
            value: wrong,
            note: `${kills} kills −9 in ${rounds.length} runs`,
          },
          {
            ...row,
            name: 'time lost per kill',
            unit: 's',
            value: round((seconds - rounds.length * calm.seconds) / kills),
            note: '',
          },
        ],
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}
