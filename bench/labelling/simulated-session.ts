/** A whole labelling session with a simulated person, in memory, and what is true of its labels. */

import { seededRandom } from '#core/clustering'
import type { LookResult } from '#core/labelling'
import type { Tally } from '../../core/labelling/cost-model.ts'
import { LabellingEngine } from '../../core/labelling/engine.ts'
import { frozenLabels } from '../../core/labelling/ledger.ts'
import type { LabellingPolicy, LabellingProblem, PlannedScreen, SessionEvent } from '../../core/labelling/rounds.ts'
import { simulatedAnswer } from '../../core/labelling/simulate.ts'
import type { MadeProblem } from './made-problem.ts'

export interface SimulatedPerson {
  /** Chance to overlook a misfit on a grid, 0–1. Single images are looked at closely. */
  readonly missRate: number
  readonly seed: number
}

export interface SimulatedSession {
  readonly ending: 'certified' | 'stopped' | 'finished'
  /** Every statement made, in its order, and the share of right labels in the set of which it spoke. */
  readonly looks: readonly { readonly atLeast: number; readonly truth: number }[]
  /** Of the labels that the session leaves. */
  readonly accuracy: number
  readonly labelled: number
  readonly tally: Tally
  /** Milliseconds of planning, round by round, and from an answer to the next open screen. */
  readonly planMs: readonly number[]
  readonly nextMs: readonly number[]
}

export async function simulateSession(
  { problem, truth }: MadeProblem,
  policy: LabellingPolicy,
  person: SimulatedPerson,
): Promise<SimulatedSession> {
  const engine = await LabellingEngine.open(problem, policy)
  const random = seededRandom(person.seed)
  const looks: { atLeast: number; truth: number }[] = []
  const note = (): void => {
    for (const look of engine.looks.slice(looks.length))
      looks.push({ atLeast: look.atLeast, truth: truthOf(engine, problem, look, truth) })
  }
  const [planMs, nextMs]: [number[], number[]] = [[], []]
  for (let answers = 0; ; answers += 1) {
    while (engine.due) planMs.push(await timed(() => engine.plan()))
    note()
    const screen = engine.openScreens()[0]
    if (!screen) break
    const answer = answerTo(screen, truth, () => random() < person.missRate, answers)
    nextMs.push(
      await timed(() => {
        engine.apply(answer)
        engine.openScreens()
      }),
    )
  }
  const labels = (await engine.finalLabels()).filter(({ label }) => label !== null)
  const right = labels.filter(({ digest, label }) => truth[digest] === label).length
  return {
    ending: engine.ending ?? 'finished',
    looks,
    accuracy: right / labels.length,
    labelled: labels.length,
    tally: engine.tally,
    planMs,
    nextMs,
  }
}

async function timed(work: () => unknown): Promise<number> {
  const from = performance.now()
  await work()
  return performance.now() - from
}

function answerTo(
  screen: PlannedScreen,
  truth: MadeProblem['truth'],
  overlooks: () => boolean,
  number: number,
): SessionEvent {
  const { class: chosen, misfits } = simulatedAnswer(screen, truth, 'simulated')
  const noticed = screen.kind === 'single' ? misfits : misfits.filter(() => !overlooks())
  const at = new Date(1_700_000_000_000 + 1_000 * number).toISOString()
  const who = { annotator: 'simulated', revision: 0, activeMs: null, at }
  return { type: 'answer', screen: screen.id, ...who, class: chosen, misfits: noticed }
}

/** The share of right labels in the frozen set after the sample's corrections. */
function truthOf(
  engine: LabellingEngine,
  { digests, classes }: LabellingProblem,
  look: LookResult,
  truth: MadeProblem['truth'],
): number {
  const round = engine.rounds.find(({ number }) => number === look.round)!
  const labels = new Map<string, string>()
  frozenLabels(round).forEach((label, image) => {
    if (label >= 0) labels.set(digests[image]!, classes[label]!)
  })
  for (const { image, judged } of look.sample)
    if (judged === null) labels.delete(image)
    else labels.set(image, judged)
  const right = [...labels].filter(([image, label]) => truth[image] === label).length
  return right / labels.size
}
