/**
 * Whether certificates keep what they promise: many small sessions with a simulated person, on data of which the truth is
 * known. At a confidence of 95 % at most one statement in twenty may be false, whatever the data. `--limit` takes fewer than
 * 1,000 sessions.
 */

import { binomialTail } from '../../core/labelling/bounds.ts'
import { humanSeconds, speedUp } from '../../core/labelling/cost-model.ts'
import { seededRandom } from '#core/clustering'
import { makeProblem, type ProblemOptions } from '../labelling/made-problem.ts'
import { simulateSession, type SimulatedPerson, type SimulatedSession } from '../labelling/simulated-session.ts'
import { machine, median, round, type BenchReport, type BenchRow } from '../report.ts'

const SESSIONS = 1_000
const ALPHA = 0.05

interface Setting extends ProblemOptions {
  readonly target: number
  readonly missRate: number
}

interface Result extends SimulatedSession {
  readonly setting: Setting
}

export const certificate = {
  says: 'how often certificates of 1,000 simulated sessions say too much, and by how much they say too little',
  async run({ say, limit }: { say: (line: string) => void; limit?: number | undefined }): Promise<BenchReport> {
    const sessions = limit ?? SESSIONS
    const results: Result[] = []
    for (let seed = 1; seed <= sessions; seed += 1) {
      const setting = settingOf(seed)
      const person: SimulatedPerson = { missRate: setting.missRate, seed: seed + 1e6 }
      const policy = { targetAccuracy: setting.target, seed }
      results.push({ setting, ...(await simulateSession(await makeProblem(setting), policy, person)) })
      if (seed % 50 === 0) say(`${seed} of ${sessions} sessions, ${results.filter(isFalse).length} false statements`)
    }
    return { area: 'certificate', machine: machine(), rows: rowsOf(results) }
  },
}

/** From easy to hopeless, from even to 100:1, with and without a batch that looks different, and with careless people. */
function settingOf(seed: number): Setting {
  const random = seededRandom(seed)
  const pick = <T>(...choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!
  return {
    images: pick(300, 600, 1_200),
    classes: pick(2, 4, 8),
    spread: pick(0.05, 0.1, 0.15, 0.2),
    imbalance: pick(1, 10, 100),
    drifted: pick(0, 0, 0.2),
    target: pick(0.9, 0.95, 0.98),
    missRate: pick(0, 0.02, 0.05, 0.1),
    seed,
  }
}

/** Whether any statement of a session was false: all its looks share one chance of error. */
function isFalse({ looks }: Result): boolean {
  return looks.some(({ atLeast, truth }) => truth < atLeast - 1e-12)
}

function rowsOf(results: readonly Result[]): BenchRow[] {
  const spoken = results.filter(({ looks }) => looks.length > 0)
  const certified = results.filter(({ ending }) => ending === 'certified')
  const gaps = certified.map(({ looks }) => looks.at(-1)!.truth - looks.at(-1)!.atLeast)
  const speedUps = certified.map(({ labelled, tally }) => speedUp(labelled, humanSeconds(tally)))
  const row = (name: string, value: number, better: BenchRow['better'], unit: string, note: string): BenchRow => ({
    ...{ name, better, unit, note, peers: {} },
    value: round(value),
  })
  return [
    falseStatements('false-statements', spoken, 'all sessions in which a look was taken'),
    falseStatements(
      'false-statements-imbalanced',
      spoken.filter(({ setting }) => setting.imbalance === 100),
      '100:1',
    ),
    falseStatements(
      'false-statements-drifted',
      spoken.filter(({ setting }) => setting.drifted > 0),
      'a shifted batch',
    ),
    falseStatements(
      'false-statements-careless',
      spoken.filter(({ setting }) => setting.missRate >= 0.05),
      '5–10 % missed',
    ),
    row('certified-share', certified.length / results.length, 'higher', 'share', 'sessions that reached their target'),
    row('median-gap', median(gaps), 'lower', 'share', 'truth − bound, of certified sessions'),
    row('median-speed-up', median(speedUps), 'higher', '×', 'certified sessions of 300–1,200 images, by keyboard'),
  ]
}

function falseStatements(name: string, sessions: readonly Result[], what: string): BenchRow {
  const found = sessions.filter(isFalse).length
  const chance = 1 - binomialTail(found - 1, sessions.length, ALPHA)
  const note = `${found} of ${sessions.length} sessions; ${what}; chance of as many at 5 %: ${chance.toPrecision(3)}`
  return {
    name,
    unit: 'share',
    value: round(found / sessions.length),
    better: 'lower',
    peers: { allowed: ALPHA },
    note,
  }
}
