import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { loadAlgorithm } from '#adapter/algorithm/load'
import { defineAlgorithm, openAlgorithm, runnerOf, scoresOf, type AlgorithmModel } from '#core/algorithm'
import { createFakeServiceHost } from '#core/compute'
import { installationRoot } from '#core/execution'
import { deployAlgorithm, describeEndpoint } from '#core/serving'
import { createMemoryStore, readBlob, sha256Hex } from '#core/storage'
import { registerTiny } from '../../support/tiny-model.ts'

const example = path.join(installationRoot(), 'pipelines/algorithms/class-with-threshold.ts')
const images = { data: new Uint8Array(6), count: 2, height: 1, width: 1 }
const model: AlgorithmModel = {
  classes: ['a', 'b'],
  run: () => Promise.resolve(scoresOf(Float32Array.from([0.75, 0.25, 0.5, 0.5]), 2)),
}

let directory = ''
beforeAll(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'gyre-algorithm-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

async function fileWith(code: string): Promise<string> {
  const file = path.join(directory, `${sha256Hex(Buffer.from(code)).slice(0, 8)}.ts`)
  await writeFile(file, code)
  return file
}

describe('an algorithm file', () => {
  it('becomes one bundle that needs nothing else and answers per image', async () => {
    const { definition, bundle } = await loadAlgorithm(example)
    expect(definition).toMatchObject({ name: 'class-with-threshold', model: 'image-classifier@champion' })
    const run = runnerOf(await openAlgorithm(bundle), { threshold: 0.6 })
    expect((await run(images, model)).map((text) => JSON.parse(text) as unknown)).toEqual([
      { class: 'a', score: 0.75 },
      { class: null, score: 0.5 },
    ])
  })

  it('has the same bundle wherever it lies, and another one after a change', async () => {
    const code = `import { defineAlgorithm } from 'gyre/algorithm'
      import { z } from 'zod'
      export default defineAlgorithm({ name: 'one', model: 'm', params: z.object({}), output: z.number(), predict: async () => [1] })`
    const [here, there] = [await fileWith(code), path.join(await mkdtemp(path.join(directory, 'sub-')), 'other.ts')]
    await writeFile(there, code)
    const [first, second] = [await loadAlgorithm(here), await loadAlgorithm(there)]
    expect(sha256Hex(first.bundle)).toBe(sha256Hex(second.bundle))
    const changed = await loadAlgorithm(await fileWith(code.replace('[1]', '[2]')))
    expect(sha256Hex(changed.bundle)).not.toBe(sha256Hex(first.bundle))
  })

  it.each([
    ['does not compile', 'export default {', /does not compile: line 1/],
    ['throws when it is loaded', "throw new Error('no luck')", /fails when it is loaded: no luck/],
    ['defines nothing', 'export default 7', /no default export made by defineAlgorithm/],
  ])('that %s is refused with the cause', async (_name, code, message) => {
    await expect(loadAlgorithm(await fileWith(code))).rejects.toThrow(
      expect.objectContaining({ code: 'ALGORITHM_INVALID', message: expect.stringMatching(message) }),
    )
  })

  it('that does not exist is refused', async () => {
    await expect(loadAlgorithm(path.join(directory, 'none.ts'))).rejects.toMatchObject({ code: 'ALGORITHM_INVALID' })
  })

  it('needs a name that an endpoint can have', async () => {
    const code = `import { defineAlgorithm } from 'gyre/algorithm'
      import { z } from 'zod'
      export default defineAlgorithm({ name: 'Not So', model: 'm', params: z.object({}), output: z.number(), predict: async () => [1] })`
    await expect(loadAlgorithm(await fileWith(code))).rejects.toMatchObject({ code: 'INVALID_NAME' })
  })
})

describe('calling an algorithm', () => {
  const definition = (predict: () => Promise<number[]>) =>
    defineAlgorithm({
      name: 'x',
      model: 'm',
      params: z.object({ k: z.number().default(2) }),
      output: z.number().max(1),
      predict,
    })

  it.each([
    ['throws', () => Promise.reject(new Error('no luck')), 'algorithm x threw: no luck'],
    ['answers for too few images', () => Promise.resolve([1]), 'algorithm x returned 1 outputs for 2 images'],
    ['says something of the wrong shape', () => Promise.resolve([1, 2]), /algorithm x returned for image 1: value: /],
  ])('that %s fails with the cause', async (_name, predict, message) => {
    await expect(runnerOf(definition(predict), {})(images, model)).rejects.toThrow(
      expect.objectContaining({ code: 'ALGORITHM_FAILED', message: expect.stringMatching(message) }),
    )
  })

  it('with a parameter that does not fit is refused before anything runs', () => {
    expect(() =>
      runnerOf(
        definition(() => Promise.resolve([])),
        { k: 'two' },
      ),
    ).toThrow(/algorithm x, parameter k: /)
  })
})

it('scores are read by image and by class', () => {
  const scores = scoresOf(Float32Array.from([1, 2, 3, 4, 5, 6]), 3)
  expect([scores.rows, scores.row(1), scores.column(2)]).toEqual([2, [4, 5, 6], [3, 6]])
})

describe('deploying an algorithm', () => {
  it('pins its bundle, its parameters and the model that it names', async () => {
    const store = createMemoryStore()
    const { model: registered } = await registerTiny(store)
    const code = `import { defineAlgorithm } from 'gyre/algorithm'
      import { z } from 'zod'
      export default defineAlgorithm({ name: 'tiny-alarm', model: 'm@latest', params: z.object({ k: z.number().default(2) }), output: z.number(), predict: async () => [1] })`
    const host = createFakeServiceHost({ store })
    const ctx = { store, signal: new AbortController().signal, progress: () => undefined }
    const file = await fileWith(code)
    expect(await deployAlgorithm({ file }, ctx, host)).toMatchObject({ name: 'tiny-alarm', revision: 1 })
    expect(await deployAlgorithm({ file }, ctx, host)).toMatchObject({ revision: 1 })
    expect(await deployAlgorithm({ file, params: { k: 3 } }, ctx, host)).toMatchObject({ revision: 2 })
    const { revisions } = await describeEndpoint(store, 'tiny-alarm')
    expect(revisions.map(({ algorithm }) => algorithm?.params)).toEqual([{ k: 2 }, { k: 3 }])
    expect(revisions[0]!.model).toEqual({ name: 'm', version: 1, digest: registered.digest })
    expect((await openAlgorithm(await readBlob(store, revisions[0]!.algorithm!.bundle))).name).toBe('tiny-alarm')
  })
})
