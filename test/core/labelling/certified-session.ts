/** A session of the simulated annotator on a dataset of rows without images, certified and signed, in memory. */

import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { commitChange, commitLabels, openVersion } from '#core/datasets'
import type { StepContext } from '#core/execution'
import { silentLogger } from '#core/log'
import type { annotate, DatasetVersion, StepInput, StepOutput } from '#core/steps'
import { createMemoryStore, type ObjectStore } from '#core/storage'
import { hostSessionOn } from '../../../core/labelling/host.ts'
import { factsOf, labelOf, rules } from '../datasets/rows.ts'
import type { Blobs } from './blobs.ts'

const blob = { sha256: '0'.repeat(64), sizeBytes: 1 }

/** A version of unlabelled rows, one per image of the blobs. */
export async function rowsVersion(store: ObjectStore, dataset: string, { problem }: Blobs): Promise<DatasetVersion> {
  const unlabelled = { label: null, origin: null, humanSeen: false, randomDraw: false, excluded: null } as const
  const { version } = await commitChange(
    store,
    { dataset, version: null },
    {
      facts: problem.digests.map((digest) => factsOf(digest, { digest, group: digest })),
      labels: problem.digests.map((digest) => labelOf(digest, { digest, ...unlabelled })),
      rules,
    },
    { by: 'ada', note: 'rows' },
  )
  return version
}

export async function certifiedSession(
  store: ObjectStore,
  blobs: Blobs,
  { session, folder, signingKey }: { session: string; folder: string; signingKey?: string },
): Promise<StepOutput<typeof annotate>> {
  const version = await rowsVersion(store, 'blobs', blobs)
  const oracle = path.join(folder, `${session}.json`)
  await writeFile(oracle, JSON.stringify(blobs.truth))
  const images = version.images
  const inputSize = { height: 8, width: 8 }
  const embeddings = {
    kind: 'embeddings',
    dataset: version,
    matrix: blob,
    images,
    dims: 12,
    embedder: blob,
    inputSize,
  } as const
  const input: StepInput<typeof annotate> = {
    ...{ version, embeddings, classes: blobs.problem.classes.slice(), annotator: 'simulated', oracle, seed: 7 },
    clusters: { kind: 'clusters', embeddings, k: 8, assignment: blob, centroids: blob },
    targetAccuracy: 0.9,
  }
  const ctx: StepContext = {
    ...{ store, runId: session, nodeId: 'annotate', attempt: 1, scratchDir: folder },
    signal: new AbortController().signal,
    log: silentLogger(),
    progress: () => undefined,
  }
  const rows = await (await openVersion(store, version)).labels()
  return hostSessionOn(
    () =>
      Promise.resolve({
        problem: blobs.problem,
        commit: (labels) =>
          commitLabels(
            store,
            version,
            labels.map((label, i) => ({ ...rows[i]!, ...label, tags: null })),
            {
              by: session,
              note: 'labelled',
            },
          ),
      }),
    input,
    ctx,
    { sessionId: session, onState: () => undefined, signingKey },
  )
}

/** The same objects, but for what `change` gives in their place; null leaves an object out. */
export async function copyOf(
  store: ObjectStore,
  change: (key: string, bytes: Uint8Array) => Uint8Array | null = (_, bytes) => bytes,
): Promise<ObjectStore> {
  const copy = createMemoryStore()
  for await (const { key } of store.list('')) {
    const bytes = change(key, await store.get(key))
    if (bytes) await copy.create(key, bytes)
  }
  return copy
}

/** For `copyOf`: alters the JSON of objects whose key fits. */
export function altering(pattern: RegExp, alter: (value: never) => unknown) {
  return (key: string, bytes: Uint8Array): Uint8Array => {
    if (!pattern.test(key)) return bytes
    return Buffer.from(JSON.stringify(alter(JSON.parse(Buffer.from(bytes).toString()) as never)))
  }
}
