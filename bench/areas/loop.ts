/** The loop's own speed: images per second of import, embed and cluster. */

import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { runInThread, type BodyRequest } from '#core/execution'
import { silentLogger } from '#core/log'
import { renderSurfaces } from '#core/synthetic'
import type { Clusters, DatasetVersion, Embeddings } from '#core/steps'
import { machine, round, type BenchReport, type BenchRow } from '../report.ts'

const IMAGES = 2_400

export const loop = {
  says: 'images per second of import, embed, cluster',
  async run({ images, say }: { images: string | undefined; say(line: string): void }): Promise<BenchReport> {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'gyre-bench-'))
    try {
      const source = images ?? (await render(path.join(folder, 'images'), say))
      return { area: 'loop', machine: machine(), rows: await throughput(folder, source, say) }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

async function render(directory: string, say: (line: string) => void): Promise<string> {
  say(`rendering ${IMAGES} images`)
  const log = new AbortController()
  await renderSurfaces({ directory, images: IMAGES, seed: 7 }, () => undefined, log.signal)
  return directory
}

async function throughput(folder: string, source: string, say: (line: string) => void): Promise<readonly BenchRow[]> {
  let node = 0
  const run = async <T>(step: string, input: unknown): Promise<{ output: T; seconds: number }> => {
    say(step)
    const started = performance.now()
    const request: BodyRequest = {
      step,
      input,
      run: 'bench',
      node: `n${(node += 1)}`,
      attempt: 1,
      store: { uri: path.join(folder, 'objects'), project: 'default' },
      bundle: null,
      scratchDir: path.join(folder, 'scratch', String(node)),
      bundleDir: path.join(folder, 'bundles'),
    }
    const hooks = { signal: new AbortController().signal, onProgress: () => undefined, onSession: () => undefined }
    const output = (await runInThread(request, hooks, silentLogger())) as T
    return { output, seconds: (performance.now() - started) / 1_000 }
  }
  const imported = await run<DatasetVersion>('import-images', {
    dataset: 'bench',
    source,
    labels: 'none',
    heldOutShare: 0.2,
    seed: 7,
  })
  const version = imported.output
  const embedded = await run<Embeddings>('embed-images', { version, model: 'fitted', dims: 1_600, seed: 7 })
  const clustered = await run<Clusters>('cluster-embeddings', { embeddings: embedded.output, seed: 7 })
  const row = (name: string, seconds: number, note: string): BenchRow => ({
    name,
    unit: 'images/s',
    value: round(version.images / seconds),
    better: 'higher',
    peers: {},
    note,
  })
  const { inputSize, dims } = embedded.output
  return [
    row('import', imported.seconds, `${version.images} images, split and grouped`),
    row('embed', embedded.seconds, `fit and run, ${inputSize.height}×${inputSize.width} → ${dims}`),
    row('cluster', clustered.seconds, `k = ${clustered.output.k}`),
  ]
}
