/**
 * Labelling problems whose truth is known, made from a seed: blobs of points, several blobs a class, with all that makes
 * real sets hard: rare classes, overlap, and a batch that came later and looks different.
 */

import { createHash } from 'node:crypto'
import { kMeans, seededRandom, type Random } from '#core/clustering'
import type { Matrix } from '#core/inference'
import type { LabellingProblem } from '../../core/labelling/rounds.ts'

export interface ProblemOptions {
  readonly images: number
  readonly classes: number
  /** Standard deviation within a blob; blob centres lie about 1 apart. */
  readonly spread: number
  /** Images of the commonest class for each of the rarest; sizes between them fall geometrically. */
  readonly imbalance: number
  /** Share of images in a batch that is shifted against the others, 0–1. */
  readonly drifted: number
  readonly seed: number
}

export interface MadeProblem {
  readonly problem: LabellingProblem
  readonly truth: Readonly<Record<string, string>>
}

const DIMS = 12
const BLOBS_PER_CLASS = 3
const IMAGES_PER_CLUSTER = 30
const DRIFT = 0.35
const HELD_OUT = 0.2

export async function makeProblem(options: ProblemOptions): Promise<MadeProblem> {
  const { images, classes, spread, drifted, seed } = options
  const random = seededRandom(seed)
  const vector = (scale: number) => Array.from({ length: DIMS }, () => scale * normal(random))
  const centres = Array.from({ length: classes * BLOBS_PER_CLASS }, () => vector(1 / Math.sqrt(2 * DIMS)))
  const shift = vector(DRIFT / Math.sqrt(DIMS))
  const points = classesOf(options)
    .map((name, i) => {
      const centre = centres[name * BLOBS_PER_CLASS + Math.floor(random() * BLOBS_PER_CLASS)]!
      const late = i / images < drifted
      const at = centre.map((x, d) => x + spread * normal(random) + (late ? shift[d]! : 0))
      return { digest: createHash('sha256').update(`${seed}:${i}`).digest('hex'), name, at }
    })
    .sort((a, b) => (a.digest < b.digest ? -1 : 1))
  const embeddings = toMatrix(points.map(({ at }) => at))
  const k = Math.max(2, Math.round(points.length / IMAGES_PER_CLUSTER))
  const { assignment, centroids } = await kMeans(embeddings, { k, seed, iterations: 6 })
  const names = Array.from({ length: classes }, (_, index) => `class-${index}`)
  return {
    problem: {
      digests: points.map(({ digest }) => digest),
      ...{ embeddings, assignment, centroids, classes: names },
      heldOut: Uint8Array.from(points, () => (random() < HELD_OUT ? 1 : 0)),
      known: new Int32Array(points.length).fill(-1),
      excluded: new Uint8Array(points.length),
    },
    truth: Object.fromEntries(points.map(({ digest, name }) => [digest, names[name]!])),
  }
}

/** The class of each image, at least three of each. */
function classesOf({ images, classes, imbalance }: ProblemOptions): number[] {
  const weights = Array.from({ length: classes }, (_, c) => imbalance ** (-c / Math.max(1, classes - 1)))
  const all = weights.reduce((sum, weight) => sum + weight, 0)
  const sizes = weights.map((weight) => Math.max(3, Math.round((images * weight) / all)))
  return sizes.flatMap((size, c) => Array.from({ length: size }, () => c))
}

/** Box and Muller, 1958. */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

function toMatrix(rows: readonly (readonly number[])[]): Matrix {
  return { data: Float32Array.from(rows.flat()), rows: rows.length, cols: DIMS }
}
