/** Images of which the truth is known, by their folders, brought as far as a labelling session needs them. */

import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { clusterEmbeddings, kMeans, seededRandom } from '#core/clustering'
import { openVersion } from '#core/datasets'
import { embedImages } from '#core/embedding'
import type { StepContext } from '#core/execution'
import { importImages } from '#core/imports'
import { matrix, type Matrix } from '#core/inference'
import { silentLogger } from '#core/log'
import { importImages as importStep, embedImages as embedStep, clusterEmbeddings as clusterStep } from '#core/steps'
import { openStore } from '#core/storage'
import { loadEmbeddings } from '#core/embedding'
import { loadClusters } from '#core/clustering'
import type { MadeProblem } from './made-problem.ts'

export interface Prepared extends MadeProblem {
  /** What the machine took before the first screen. */
  readonly seconds: { readonly importing: number; readonly embedding: number; readonly clustering: number }
}

/** @param embedder - `fitted`, or the path of an ONNX file. */
export async function prepare(
  { folder, images, embedder }: { folder: string; images: string; embedder: string },
  say: (line: string) => void,
): Promise<Prepared> {
  const ctx = await contextIn(folder)
  const timed = async <T>(what: string, work: () => Promise<T>): Promise<[T, number]> => {
    say(what)
    const from = performance.now()
    return [await work(), (performance.now() - from) / 1_000]
  }
  const source = { dataset: 'images', source: path.resolve(images), labels: 'folders' }
  const [version, importing] = await timed('importing', () => importImages(importStep.input.parse(source), ctx))
  const [embeddings, embedding] = await timed('embedding', () =>
    embedImages(embedStep.input.parse({ version, model: embedder }), ctx),
  )
  const [clusters, clustering] = await timed('clustering', () =>
    clusterEmbeddings(clusterStep.input.parse({ embeddings }), ctx),
  )
  const rows = (await (await openVersion(ctx.store, version)).labels()).filter(({ label }) => label !== null)
  if (rows.length !== embeddings.images)
    throw new Error(`${embeddings.images - rows.length} images of ${images} lie in no class folder`)
  const classes = [...new Set(rows.map(({ label }) => label!))].sort()
  return {
    problem: {
      digests: rows.map(({ digest }) => digest),
      embeddings: await loadEmbeddings(ctx.store, embeddings, folder),
      ...(await loadClusters(ctx.store, clusters)),
      classes,
      heldOut: Uint8Array.from(rows, ({ split }) => (split === 'test' ? 1 : 0)),
      known: new Int32Array(rows.length).fill(-1),
      excluded: new Uint8Array(rows.length),
    },
    truth: Object.fromEntries(rows.map(({ digest, label }) => [digest, label!])),
    seconds: { importing, embedding, clustering },
  }
}

const DIMS = 64
const PER_CLUSTER = 40

/**
 * The same images under an embedder as good as one that somebody trained on millions: each image lies round the point of
 * its class, but for a share of `wrong` that lie round the point of another.
 */
export async function withStrongEmbedder(made: MadeProblem, wrong: number): Promise<MadeProblem> {
  const { digests, classes } = made.problem
  const random = seededRandom(1)
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  const centres = classes.map(() => Array.from({ length: DIMS }, () => normal() / Math.sqrt(DIMS)))
  const embeddings: Matrix = matrix(digests.length, DIMS)
  digests.forEach((digest, image) => {
    const own = classes.indexOf(made.truth[digest]!)
    const shown = random() < wrong ? (own + 1 + Math.floor(random() * (classes.length - 1))) % classes.length : own
    for (let d = 0; d < DIMS; d += 1) embeddings.data[image * DIMS + d] = centres[shown]![d]! + 0.04 * normal()
  })
  const k = Math.max(classes.length, Math.round(digests.length / PER_CLUSTER))
  const { assignment, centroids } = await kMeans(embeddings, { k: Math.min(k, 1_500), seed: 7, iterations: 6 })
  return { ...made, problem: { ...made.problem, embeddings, assignment, centroids } }
}

async function contextIn(folder: string): Promise<StepContext> {
  const scratchDir = path.join(folder, 'scratch')
  await mkdir(scratchDir, { recursive: true })
  return {
    store: await openStore(path.join(folder, 'store'), { project: 'default' }),
    ...{ runId: 'bench', nodeId: 'bench', attempt: 1, scratchDir, log: silentLogger(), progress: () => undefined },
    signal: new AbortController().signal,
  }
}
