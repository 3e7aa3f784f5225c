/** A whole labelling session with a simulated person, in memory, and what is true of its labels. */

import { monitorEventLoopDelay } from 'node:perf_hooks'
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
  /** Milliseconds of planning, round by round. */
  readonly planMs: readonly number[]
  /**
   * Milliseconds from each answer until the next screen can be handed out: at the worst moment of the plan that the answer
   * set off, and to the end of it where no other screen was open.
   */
  readonly nextMs: readonly number[]
}

/** @param onRound - told of each round that was planned. */
export async function simulateSession(
  { problem, truth }: MadeProblem,
  policy: LabellingPolicy,
  person: SimulatedPerson,
  onRound: (engine: LabellingEngine) => void = () => undefined,
): Promise<SimulatedSession> {
  const engine = await LabellingEngine.open(problem, policy)
  const random = seededRandom(person.seed)
  const looks: { atLeast: number; truth: number }[] = []
  const [planMs, nextMs]: [number[], number[]] = [[], []]
  const planOn = async (): Promise<{ ms: number; stallMs: number }> => {
    const all = { ms: 0, stallMs: 0 }
    while (engine.due) {
      const { ms, stallMs } = await watched(() => engine.plan())
      planMs.push(ms)
      all.ms += ms
      all.stallMs = Math.max(all.stallMs, stallMs)
      onRound(engine)
    }
    for (const look of engine.looks.slice(looks.length))
      looks.push({ atLeast: look.atLeast, truth: truthOf(engine, problem, look, truth) })
    return all
  }
  await planOn()
  for (let answers = 0; ; answers += 1) {
    const screen = engine.openScreens()[0]
    if (!screen) break
    const answer = answerTo(screen, truth, () => random() < person.missRate, answers)
    const from = performance.now()
    engine.apply(answer)
    const waits = engine.openScreens().length === 0
    const appliedMs = performance.now() - from
    const plan = await planOn()
    nextMs.push(appliedMs + (waits ? plan.ms : plan.stallMs))
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

/** How long it took, and the longest time in which nobody else was served. */
async function watched(work: () => unknown): Promise<{ ms: number; stallMs: number }> {
  const delays = monitorEventLoopDelay({ resolution: 1 })
  delays.enable()
  const from = performance.now()
  await work()
  delays.disable()
  return { ms: performance.now() - from, stallMs: delays.count > 0 ? delays.max / 1e6 : 0 }
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
