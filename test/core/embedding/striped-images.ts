/** Pictures of stripes: their class is the direction, and phase, width, brightness and noise are chance. */

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach } from 'vitest'
import { seededRandom } from '#core/clustering'
import { commitLabels, openVersion } from '#core/datasets'
import type { StepContext } from '#core/execution'
import { encodePixels } from '#core/images'
import { addImages } from '#core/imports'
import { silentLogger } from '#core/log'
import type { DatasetVersion } from '#core/steps'
import { createMemoryStore, sha256Hex, type ObjectStore } from '#core/storage'

export const SIDE = 28
export const SIZE = { height: SIDE, width: SIDE }
export type Direction = 'across' | 'down'

export function directionOf(index: number): Direction {
  return index % 2 === 0 ? 'across' : 'down'
}

/** uint8 [28, 28, 3], grey. */
export function stripes(index: number): Uint8Array {
  const random = seededRandom(1000 + index)
  const phase = 6 * random()
  const period = 5 + 2 * random()
  const light = 60 + 80 * random()
  const pixels = new Uint8Array(SIDE * SIDE * 3)
  for (let y = 0; y < SIDE; y++)
    for (let x = 0; x < SIDE; x++) {
      const along = directionOf(index) === 'across' ? y : x
      const value = light + 50 * Math.sin((2 * Math.PI * (along + phase)) / period) + 30 * random()
      pixels.fill(value, (y * SIDE + x) * 3, (y * SIDE + x) * 3 + 3)
    }
  return pixels
}

/** A dataset `stripes` of labelled pictures in a store in memory. */
export async function stripedDataset(
  count: number,
  labelOf: (index: number) => string | null = directionOf,
): Promise<{ store: ObjectStore; version: DatasetVersion }> {
  const store = createMemoryStore()
  const images = await Promise.all(
    Array.from({ length: count }, async (_, i) => ({
      name: `${i}.png`,
      bytes: await encodePixels(stripes(i), { ...SIZE }),
    })),
  )
  const labels = new Map(images.map(({ bytes }, i) => [sha256Hex(bytes), labelOf(i)]))
  const added = await addImages(store, 'stripes', images, { by: 'test' })
  const rows = await (await openVersion(store, added)).labels()
  const version = await commitLabels(
    store,
    added,
    rows.map((row) => ({ ...row, label: labels.get(row.digest) ?? null, origin: 'human', humanSeen: true })),
    { by: 'test', note: 'stripes' },
  )
  return { store, version }
}

const folders: string[] = []
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true })
})

/** A step's context with an empty scratch folder of its own. */
export async function stepContext(
  store: ObjectStore,
  {
    signal = new AbortController().signal,
    onProgress = () => {},
  }: { signal?: AbortSignal; onProgress?: StepContext['progress'] } = {},
): Promise<StepContext> {
  const root = await mkdtemp(path.join(tmpdir(), 'gyre-step-'))
  folders.push(root)
  const scratchDir = path.join(root, 'scratch')
  await mkdir(scratchDir)
  return {
    store,
    runId: 'run',
    nodeId: 'node',
    attempt: 1,
    scratchDir,
    signal,
    log: silentLogger(),
    progress: onProgress,
  }
}
