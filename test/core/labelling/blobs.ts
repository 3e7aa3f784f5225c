/** A labelling problem whose truth is known: blobs of points, one class in several blobs, made from a seed. */

import { createHash } from 'node:crypto'
import type { Matrix } from '#core/inference'
import type { LabellingProblem } from '../../../core/labelling/rounds.ts'

export interface Blobs {
  readonly problem: LabellingProblem
  readonly truth: Readonly<Record<string, string>>
}

export interface BlobOptions {
  readonly images: number
  readonly classes: number
  /** Standard deviation within a blob; blob centres lie about 1 apart. */
  readonly spread: number
  readonly seed: number
}

const DIMS = 12
const BLOBS_PER_CLASS = 3

/** Every fifth image is held out. Clusters are the nearest of a few images picked evenly. */
export function makeBlobs({ images, classes, spread, seed }: BlobOptions): Blobs {
  const normal = normals(seed)
  const centres = Array.from({ length: classes * BLOBS_PER_CLASS }, () =>
    Array.from({ length: DIMS }, () => normal() / 5),
  )
  const points = Array.from({ length: images }, (_, i) => {
    const blob = i % centres.length
    return {
      digest: createHash('sha256').update(`${seed}:${i}`).digest('hex'),
      class: blob % classes,
      at: centres[blob]!.map((x) => x + spread * normal()),
    }
  }).sort((a, b) => (a.digest < b.digest ? -1 : 1))

  const k = Math.max(2, Math.round(images / 30))
  const seeds = Array.from({ length: k }, (_, i) => points[Math.floor((i * images) / k)]!.at)
  const names = Array.from({ length: classes }, (_, c) => `class-${c}`)
  return {
    problem: {
      digests: points.map((p) => p.digest),
      embeddings: toMatrix(points.map((p) => p.at)),
      assignment: Int32Array.from(points, (p) => nearest(p.at, seeds)),
      centroids: toMatrix(seeds),
      classes: names,
      heldOut: Uint8Array.from(points, (_, i) => (i % 5 === 0 ? 1 : 0)),
      known: new Int32Array(images).fill(-1),
      excluded: new Uint8Array(images),
    },
    truth: Object.fromEntries(points.map((p) => [p.digest, names[p.class]!])),
  }
}

/** Uniform in [0, 1), from a seed (xorshift32). */
export function uniforms(seed: number): () => number {
  let state = (seed * 2654435761 + 12345) >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 4294967296
  }
}

/** Roughly normal: the sum of twelve uniforms. */
function normals(seed: number): () => number {
  const next = uniforms(seed)
  return () => {
    let sum = -6
    for (let i = 0; i < 12; i++) sum += next()
    return sum
  }
}

function nearest(point: readonly number[], seeds: readonly (readonly number[])[]): number {
  const distances = seeds.map((seed) => seed.reduce((sum, x, j) => sum + (x - point[j]!) ** 2, 0))
  return distances.indexOf(Math.min(...distances))
}

function toMatrix(rows: readonly (readonly number[])[]): Matrix {
  return { data: Float32Array.from(rows.flat()), rows: rows.length, cols: DIMS }
}
