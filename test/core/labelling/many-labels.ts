/** A labelling problem with several labels an image whose truth is known: each class adds its own direction to a vector. */

import { createHash } from 'node:crypto'
import type { LabellingProblem } from '../../../core/labelling/rounds.ts'
import { uniforms } from './blobs.ts'

export interface ManyLabels {
  readonly problem: LabellingProblem
  readonly truth: Readonly<Record<string, readonly string[]>>
}

export interface ManyLabelsOptions {
  readonly images: number
  /** Share of the images that show each class; classes come independently of one another. */
  readonly shares: readonly number[]
  /** Length of what is random in a vector, where what a class adds has a length of about 1. */
  readonly noise: number
  readonly seed: number
}

const DIMS = 24
const BACKGROUNDS = 4

export function makeManyLabels({ images, shares, noise, seed }: ManyLabelsOptions): ManyLabels {
  const next = uniforms(seed)
  const vector = (length: number): number[] =>
    Array.from({ length: DIMS }, () => (length * (next() + next() + next() - 1.5) * 2) / Math.sqrt(DIMS))
  const classes = shares.map((_, c) => `class-${c}`)
  const added = classes.map(() => vector(1))
  const backgrounds = Array.from({ length: BACKGROUNDS }, () => vector(0.7))
  const points = Array.from({ length: images }, (_, i) => {
    const shows = shares.map((share) => next() < share)
    const parts = [backgrounds[i % BACKGROUNDS]!, vector(noise), ...added.filter((_own, c) => shows[c])]
    const at = Array.from({ length: DIMS }, (_none, d) => parts.reduce((sum, part) => sum + part[d]!, 0))
    return { digest: createHash('sha256').update(`${seed}:${i}`).digest('hex'), background: i % BACKGROUNDS, shows, at }
  }).sort((a, b) => (a.digest < b.digest ? -1 : 1))
  return {
    problem: {
      digests: points.map(({ digest }) => digest),
      embeddings: { data: Float32Array.from(points.flatMap(({ at }) => at)), rows: images, cols: DIMS },
      assignment: Int32Array.from(points, ({ background }) => background),
      centroids: { data: Float32Array.from(backgrounds.flat()), rows: BACKGROUNDS, cols: DIMS },
      classes,
      heldOut: new Uint8Array(images),
      known: new Int32Array(images).fill(-1),
      excluded: new Uint8Array(images),
    },
    truth: Object.fromEntries(points.map(({ digest, shows }) => [digest, classes.filter((_, c) => shows[c])])),
  }
}
