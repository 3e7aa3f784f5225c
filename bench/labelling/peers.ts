/** How others label, with the same features and the same model, so that only the way of working differs. */

import { kMeans } from '#core/clustering'
import type { Matrix } from '#core/inference'
import { addWork, NO_WORK, type Tally } from '../../core/labelling/cost-model.ts'
import { drawOrder } from '../../core/labelling/draw.ts'
import { farApart, typicalFirst } from '../../core/labelling/explore.ts'
import type { Features } from '../../core/labelling/features.ts'
import { fitProbe } from '../../core/labelling/probe.ts'
import { GRID } from '../../core/labelling/rounds.ts'
import type { MadeProblem } from './made-problem.ts'

const TYPICAL = 12
const CLUSTER_SCREENS = 150
const SEEDS = [500, 1_000, 2_000, 4_000, 8_000, 16_000]

/** Class of each image, and the features of the engine. */
export interface PeerTask {
  readonly made: MadeProblem
  readonly features: Features
  readonly target: number
}

/** Clusters once, labels typical images of each, predicts once, and verifies every other image in grids. */
export async function thesisStyle({ made: { problem, truth }, features }: PeerTask): Promise<Tally> {
  const { digests, classes } = problem
  const classOf = digests.map((digest) => classes.indexOf(truth[digest]!))
  const clusters = typicalFirst(problem)
  const labels = new Int32Array(digests.length).fill(-1)
  let tally = NO_WORK
  for (const cluster of farApart(problem.centroids, clusters, CLUSTER_SCREENS)) {
    const images = clusters[cluster]!.slice(0, TYPICAL)
    for (const image of images) labels[image] = classOf[image]!
    const most = mostCommon(images.map((image) => classOf[image]!))
    tally = shown(tally, 'cluster', images.length, images.filter((image) => classOf[image] !== most).length)
  }
  const { best } = await fitProbe(features, labels, classes.length)
  for (const [name] of classes.entries()) {
    const proposed = [...digests.keys()].filter((image) => labels[image]! < 0 && best[image] === name)
    for (let from = 0; from < proposed.length; from += GRID) {
      const grid = proposed.slice(from, from + GRID)
      tally = shown(tally, 'verify', grid.length, grid.filter((image) => classOf[image] !== name).length)
    }
  }
  return tally
}

/**
 * Labels random images one by one, accepts the surest predictions as long as all labels together keep to the target, and
 * labels the rest one by one. The stop is told by the truth, and the best number of first labels taken: better than anybody
 * could do.
 *
 * @returns images that somebody labelled.
 */
export async function randomAutoAccept({ made: { problem, truth }, features, target }: PeerTask): Promise<number> {
  const { digests, classes } = problem
  const classOf = digests.map((digest) => classes.indexOf(truth[digest]!))
  const order = drawOrder(digests, 'random labels')
  let least = digests.length
  for (const seeds of SEEDS.filter((count) => count < least)) {
    const labels = new Int32Array(digests.length).fill(-1)
    for (const image of order.slice(0, seeds)) labels[image] = classOf[image]!
    const { best, margin } = await fitProbe(features, labels, classes.length)
    const rest = order.slice(seeds).sort((a, b) => margin[b]! - margin[a]!)
    let [wrong, accepted] = [0, 0]
    rest.forEach((image, at) => {
      wrong += best[image] === classOf[image] ? 0 : 1
      if (wrong <= (1 - target) * digests.length) accepted = at + 1
    })
    least = Math.min(least, digests.length - accepted)
  }
  return least
}

export interface KMeansFigures {
  readonly seconds: number
  /** Sum of squared distances to the centroids. */
  readonly inertia: number
}

/** One k-means with at most 20 passes, K = 1,000. */
export async function kMeansFigures(points: Matrix): Promise<KMeansFigures> {
  const from = performance.now()
  const { inertia } = await kMeans(points, { k: 1_000, seed: 7, iterations: 20 })
  return { seconds: (performance.now() - from) / 1_000, inertia }
}

function shown(tally: Tally, kind: 'cluster' | 'verify', images: number, misfits: number): Tally {
  const screen = { kind, images: Array.from({ length: images }, () => '') }
  const answer = { misfits: Array.from({ length: misfits }, () => ({ image: '', class: null })) }
  return addWork(tally, screen, answer, { audits: 0, gold: 0 })
}

function mostCommon(classes: readonly number[]): number {
  const counts = new Map<number, number>()
  for (const name of classes) counts.set(name, (counts.get(name) ?? 0) + 1)
  return [...counts].sort(([a, n], [b, m]) => m - n || a - b)[0]?.[0] ?? 0
}
