/**
 * How many times faster people label: whole sessions on real images with a simulated person, in seconds of the cost model,
 * beside other ways of working with the same features and the same model.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { matrix } from '#core/inference'
import { seededRandom } from '#core/clustering'
import { humanSeconds, MOUSE_SECONDS, speedUp, type Tally } from '../../core/labelling/cost-model.ts'
import type { Features } from '../../core/labelling/features.ts'
import { fitProbe } from '../../core/labelling/probe.ts'
import { labelSpace } from '../../core/labelling/space.ts'
import { faissKMeansSeconds } from '../labelling/faiss.ts'
import type { MadeProblem } from '../labelling/made-problem.ts'
import { prepare, withStrongEmbedder } from '../labelling/material.ts'
import { kMeansSeconds, randomAutoAccept, thesisStyle } from '../labelling/peers.ts'
import { simulateSession, type SimulatedSession } from '../labelling/simulated-session.ts'
import { machine, median, round, type BenchReport, type BenchRow } from '../report.ts'

export interface LabellingOptions {
  /** A folder of images, a sub-folder for each class. */
  readonly images: string | undefined
  /** `fitted`, `strong` (simulated, wrong about 0.5 % of the images), or the path of an ONNX file. */
  readonly embedder: string
  readonly target: number
  readonly seeds: number
  say(line: string): void
}

const MISSES = 0.05
const STRONG_WRONG = 0.005
const REFIT_LABELS = 10_000

export const labelling = {
  says: 'times faster than one by one, on images in class folders; --target 0.99 --seeds 5 --embedder fitted|strong|FILE',
  async run(options: LabellingOptions): Promise<BenchReport> {
    const { images, embedder, say } = options
    if (!images) throw new Error('labelling needs --images DIR, a folder with a sub-folder of images for each class')
    const folder = await mkdtemp(path.join(os.tmpdir(), 'gyre-bench-labelling-'))
    try {
      const own = embedder === 'strong' ? 'fitted' : embedder
      const prepared = await prepare({ folder, images, embedder: own }, say)
      const made = embedder === 'strong' ? await withStrongEmbedder(prepared, STRONG_WRONG) : prepared
      const { importing, embedding, clustering } = prepared.seconds
      const machineSeconds = `import ${importing.toFixed(0)} s, embed ${embedding.toFixed(0)} s, cluster ${clustering.toFixed(0)} s`
      return { area: 'labelling', machine: machine(), rows: await rowsOf(made, options, folder, machineSeconds) }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

async function rowsOf(
  made: MadeProblem,
  { target, seeds, say }: LabellingOptions,
  folder: string,
  machineSeconds: string,
): Promise<BenchRow[]> {
  const sessions = async (missRate: number): Promise<SimulatedSession[]> => {
    const all: SimulatedSession[] = []
    for (let seed = 1; seed <= seeds; seed += 1) {
      say(`session ${seed} of ${seeds}, ${missRate * 100} % of misfits overlooked`)
      all.push(await simulateSession(made, { targetAccuracy: target, seed }, { missRate, seed: seed + 1_000 }))
    }
    return all
  }
  const careful = await sessions(0)
  const careless = await sessions(MISSES)
  say('others on the same features')
  const n = made.problem.digests.length
  const { features } = await labelSpace(made.problem.embeddings)
  const task = { made, features, target }
  const thesis = await thesisStyle(task)
  const random = n / (await randomAutoAccept(task))
  const refit = await refitSeconds(made, features)
  say('k-means beside FAISS')
  const points = randomPoints(60_000, 256)
  const own = await kMeansSeconds(points)
  const faiss = await faissKMeansSeconds(points, folder)

  const peers = (seconds?: typeof MOUSE_SECONDS) => ({
    'one-by-one': 1,
    'thesis-style': round(speedUp(n, humanSeconds(thesis, seconds))),
    'random-auto-accept': round(random),
  })
  const times = (all: readonly SimulatedSession[], seconds?: typeof MOUSE_SECONDS) =>
    middle(all, ({ tally, labelled }) => speedUp(labelled, humanSeconds(tally, seconds)))
  const row = (name: string, value: number, unit: string, note: string, more: Partial<BenchRow> = {}): BenchRow => ({
    ...{ name, unit, note, better: 'higher', peers: {}, ...more },
    value: round(value),
  })
  const accuracies = careful.map(({ accuracy }) => accuracy)
  return [
    row('speedup-keyboard', times(careful), '×', endings(careful, n), { peers: peers() }),
    row('speedup-mouse', times(careful, MOUSE_SECONDS), '×', 'misfits clicked, classes chosen from all', {
      peers: peers(MOUSE_SECONDS),
    }),
    row('speedup-keyboard-5pc-misses', times(careless), '×', endings(careless, n)),
    row('final-accuracy', Math.min(...accuracies), 'share', 'over all labelled images, the worst of the sessions'),
    row('final-accuracy-5pc-misses', Math.min(...careless.map(({ accuracy }) => accuracy)), 'share', 'likewise'),
    row(
      'certified-at-least',
      middle(careful, ({ looks }) => looks.at(-1)?.atLeast ?? 0),
      'share',
      'at 95 % confidence',
    ),
    row(
      'images-per-action',
      middle(careful, ({ tally, labelled }) => labelled / actions(tally)),
      'images',
      '',
    ),
    row(
      'next-screen-p95-ms',
      p95(careful.flatMap(({ nextMs }) => nextMs)),
      'ms',
      'from an answer to the next screen',
      LESS,
    ),
    row('plan-p95-ms', p95(careful.flatMap(({ planMs }) => planMs)), 'ms', 'behind two open screens', LESS),
    row('refit-10k-s', refit, 's', `${REFIT_LABELS} labels, ${n} images predicted`, LESS),
    row('kmeans-60k-s', own, 's', `60,000 × 256, K = 1,000, 20 passes; ${machineSeconds}`, {
      ...LESS,
      peers: { faiss },
    }),
  ]
}

const LESS = { better: 'lower' } as const

function endings(sessions: readonly SimulatedSession[], images: number): string {
  const certified = sessions.filter(({ ending }) => ending === 'certified').length
  const labelled = middle(sessions, (session) => session.labelled)
  return `${certified} of ${sessions.length} sessions certified; ${labelled} of ${images} images labelled`
}

/** Screens, misfits (marked and given a class) and single images. */
function actions({ screens, misfits, singles }: Tally): number {
  return screens + 2 * misfits + singles
}

async function refitSeconds(made: MadeProblem, features: Features): Promise<number> {
  const { digests, classes } = made.problem
  const every = Math.max(1, digests.length / REFIT_LABELS)
  const labels = Int32Array.from(digests, (digest, image) =>
    Math.floor((image + 1) / every) > Math.floor(image / every) ? classes.indexOf(made.truth[digest]!) : -1,
  )
  const { lambda } = await fitProbe(features, labels, classes.length)
  const from = performance.now()
  await fitProbe(features, labels, classes.length, { lambda })
  return (performance.now() - from) / 1_000
}

function randomPoints(rows: number, cols: number): MadeProblem['problem']['embeddings'] {
  const random = seededRandom(1)
  const points = matrix(rows, cols)
  for (let i = 0; i < points.data.length; i += 1) points.data[i] = random()
  return points
}

function middle<T>(all: readonly T[], value: (one: T) => number): number {
  return median(all.map(value))
}

function p95(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length * 0.95)] ?? 0
}
