/** kill −9 of anything, at any step: the run ends as if nothing had happened. The whole set is `npm run bench -- crash`. */

import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { brokenObjects, portsHeld, runWithKills, type Facts, type Kill } from '../support/crash.ts'
import { LiveStack } from '../support/live-stack.ts'
import { surfaceSet, type SurfaceSet } from '../support/surface-set.ts'

const MINUTES = 60_000
const quiet = (): void => undefined

let folder: string
let set: SurfaceSet
let undisturbed: Facts

const params = (): unknown => ({
  dataset: 'surfaces',
  source: set.source,
  classes: set.classes,
  annotator: 'simulated',
  oracle: set.oracle,
  targetAccuracy: 0.9,
  replicas: 1,
})

async function inFreshState(name: string, work: (stack: LiveStack) => Promise<Facts>): Promise<Facts> {
  const stack = new LiveStack(path.join(folder, name))
  await stack.start()
  try {
    return await work(stack)
  } finally {
    await stack.stop()
  }
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'gyre-crash-'))
  set = await surfaceSet(folder, 120)
  undisturbed = await inFreshState('undisturbed', (stack) => runWithKills(stack, params(), [], quiet))
}, 5 * MINUTES)
afterAll(() => rm(folder, { recursive: true, force: true }))

const ROUNDS: readonly (readonly [string, readonly Kill[]])[] = [
  [
    'the worker, again and again',
    [
      { during: 'import', part: 'worker' },
      { during: 'embed', part: 'worker' },
      { during: 'annotate', part: 'worker' },
      { during: 'train', part: 'worker' },
      { during: 'prove', part: 'replica' },
    ],
  ],
  [
    'server, parent and the whole tree',
    [
      { during: 'cluster', part: 'temporal' },
      { during: 'annotate', part: 'tree' },
      { during: 'evaluate', part: 'parent' },
      { during: 'register', part: 'worker' },
      { during: 'deploy', part: 'gateway' },
    ],
  ],
]

describe('a run', () => {
  it.each(ROUNDS)(
    'survives kill −9 of %s',
    async (name, kills) => {
      const facts = await inFreshState(name.replaceAll(/[^a-z]+/g, '-'), (stack) =>
        runWithKills(stack, params(), kills, quiet),
      )
      expect(facts).toMatchObject({ dataset: undisturbed.dataset, model: undisturbed.model })
      const state = path.join(folder, name.replaceAll(/[^a-z]+/g, '-'))
      expect(await brokenObjects(state)).toEqual([])
      expect(await portsHeld(state)).toEqual([])
    },
    8 * MINUTES,
  )
})
