/**
 * How many times faster people label: whole sessions on real images with a simulated person, in seconds of the cost model,
 * beside other ways of working with the same features and the same model.
 */

import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { entryPoint } from '#core/execution'
import { matrix } from '#core/inference'
import { seededRandom } from '#core/clustering'
import { humanSeconds, MOUSE_SECONDS, speedUp, type Tally } from '../../core/labelling/cost-model.ts'
import type { LabellingEngine } from '../../core/labelling/engine.ts'
import type { Features } from '../../core/labelling/features.ts'
import { fitProbe } from '../../core/labelling/probe.ts'
import { labelSpace } from '../../core/labelling/space.ts'
import { faissKMeans } from '../labelling/faiss.ts'
import type { MadeProblem } from '../labelling/made-problem.ts'
import { prepare, withStrongEmbedder } from '../labelling/material.ts'
import { kMeansFigures, randomAutoAccept, thesisStyle } from '../labelling/peers.ts'
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
    if (!existsSync(entryPoint('probe-thread')))
      throw new Error('labelling needs the threads that a build makes: node infra/build.mjs --only code')
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
      const name = `session ${seed} of ${seeds}, ${missRate * 100} % of misfits overlooked`
      say(name)
      const person = { missRate, seed: seed + 1_000 }
      all.push(
        await simulateSession(made, { targetAccuracy: target, seed }, person, (engine) => say(standing(name, engine))),
      )
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
  const refit = await refitFigures(made, features)
  say('k-means beside FAISS')
  const points = randomPoints(60_000, 256)
  const own = await kMeansFigures(points)
  const faiss = await faissKMeans(points, folder)

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
  const worst = (all: readonly SimulatedSession[]) => Math.min(...all.map(({ accuracy }) => accuracy))
  return [
    row('speedup-keyboard', times(careful), '×', endings(careful, n), { peers: peers() }),
    row('speedup-mouse', times(careful, MOUSE_SECONDS), '×', 'misfits clicked, classes chosen from all', {
      peers: peers(MOUSE_SECONDS),
    }),
    row('speedup-keyboard-5pc-misses', times(careless), '×', endings(careless, n)),
    row('final-accuracy', worst(careful), 'share', `of all labelled images; with 5 % missed ${round(worst(careless))}`),
    row(
      'certified-at-least',
      middle(careful, ({ looks }) => looks.at(-1)?.atLeast ?? 0),
      'share',
      `at 95 % confidence; with 5 % missed ${round(middle(careless, ({ looks }) => looks.at(-1)?.atLeast ?? 0))}`,
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
      `from an answer to the next screen, at the worst moment; plans behind open screens take ${round(p95(careful.flatMap(({ planMs }) => planMs)))} ms p95`,
      LESS,
    ),
    row(
      'refit-10k-s',
      refit.seconds,
      's',
      `${refit.labels} labels, a fifth of them fresh, ${n} images predicted; ${round(refit.processorSeconds)} s of one processor`,
      LESS,
    ),
    row(
      'kmeans-60k-s',
      own.seconds,
      's',
      `60,000 × 256, K = 1,000, at most 20 passes; sum of squares ${round(own.inertia / faiss.inertia)} times that of FAISS; ${machineSeconds}`,
      { ...LESS, peers: { faiss: faiss.seconds } },
    ),
  ]
}

const LESS = { better: 'lower' } as const

function endings(sessions: readonly SimulatedSession[], images: number): string {
  const certified = sessions.filter(({ ending }) => ending === 'certified').length
  const labelled = middle(sessions, (session) => session.labelled)
  return `${certified} of ${sessions.length} sessions certified; ${labelled} of ${images} images labelled`
}

/** What is said of a session on its way. */
function standing(name: string, { rounds, labelled, imageCount, tally, screensLeft }: LabellingEngine): string {
  const round = rounds.at(-1)
  const left = screensLeft === null ? '' : `, about ${screensLeft} to come`
  return `${name}: round ${round?.number ?? 0}, ${round?.purpose ?? 'end'}; ${labelled} of ${imageCount} labelled, ${tally.screens} screens${left}`
}

/** Screens, misfits (marked, and given a class where the mark alone does not tell it) and single images. */
function actions({ screens, misfits, flips = 0, singles }: Tally): number {
  return screens + 2 * misfits - flips + singles
}

/** Of evenly spaced labels, at most 10,000; a fifth of them, and no more, came since the fit before, as in a session. */
async function refitFigures(
  made: MadeProblem,
  features: Features,
): Promise<{ seconds: number; processorSeconds: number; labels: number }> {
  const { digests, classes } = made.problem
  const every = Math.max(1, digests.length / REFIT_LABELS)
  const labels = Int32Array.from(digests, (digest, image) =>
    Math.floor((image + 1) / every) > Math.floor(image / every) ? classes.indexOf(made.truth[digest]!) : -1,
  )
  const { lambda } = await fitProbe(features, labels, classes.length)
  const fresh = labels.map((label, image) => (image % 5 === 0 ? -1 : label))
  await fitProbe(features, fresh, classes.length, { lambda })
  const [from, before] = [performance.now(), process.cpuUsage()]
  await fitProbe(features, labels, classes.length, { lambda })
  const { user, system } = process.cpuUsage(before)
  return {
    seconds: (performance.now() - from) / 1_000,
    processorSeconds: (user + system) / 1e6,
    labels: labels.filter((label) => label >= 0).length,
  }
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
