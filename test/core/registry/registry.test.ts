import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PlatformError } from '#core/errors'
import { listModels, modelVersions, numberModel, registerModel, resolveModel, setAlias } from '#core/registry'
import { createMemoryStore, pointerHistory, sha256Hex, type ObjectStore } from '#core/storage'
import type { TrainedModel } from '#core/steps'
import { OnnxGraph } from '#core/inference'
import { reportOf, solidPixels, tinyScores, trainTinyModel } from '../../support/tiny-model.ts'

function contextOf(store: ObjectStore, runId = 'run-1') {
  return { store, runId, nodeId: 'register', progress: () => undefined }
}

async function register(
  store: ObjectStore,
  model: TrainedModel,
  options: { runId?: string; beatsChampion?: boolean } = {},
) {
  const report = await reportOf(store, model, options)
  return registerModel({ name: 'm', model, report, alias: 'candidate' }, contextOf(store, options.runId))
}

describe('the model registry', () => {
  it('numbers models from 1 and gives the same model the same number again', async () => {
    const store = createMemoryStore()
    const first = await trainTinyModel(store, { sharpness: 0.1 })
    const second = await trainTinyModel(store, { sharpness: 0.2 })
    expect((await register(store, first)).version).toBe(1)
    expect((await register(store, second, { runId: 'run-2' })).version).toBe(2)
    expect((await register(store, first, { runId: 'run-3' })).version).toBe(1)
    expect((await modelVersions(store, 'm')).map(({ version, lineage }) => [version, lineage.run])).toEqual([
      [2, 'run-2'],
      [1, 'run-1'],
    ])
  })

  it('moves `champion` only where the evaluation says so', async () => {
    const store = createMemoryStore()
    await register(store, await trainTinyModel(store, { sharpness: 0.1 }))
    await register(store, await trainTinyModel(store, { sharpness: 0.2 }), { runId: 'run-2', beatsChampion: false })
    expect(await listModels(store)).toEqual([{ name: 'm', versions: 2, aliases: { candidate: 2, champion: 1 } }])
  })

  it('does not undo in a retry what a person decided since', async () => {
    const store = createMemoryStore()
    const [first, second] = [await trainTinyModel(store), await trainTinyModel(store, { sharpness: 0.2 })]
    await register(store, first)
    await register(store, second, { runId: 'run-2' })
    await setAlias(store, 'm', 'champion', 1, 'mia')
    await register(store, second, { runId: 'run-2' })
    expect((await resolveModel(store, 'm@champion')).version).toBe(1)
    const history = await pointerHistory<number>(store, 'models/m/aliases/champion')
    expect(history.map(({ value, by }) => [value, by])).toEqual([
      [1, 'run run-1 register'],
      [2, 'run run-2 register'],
      [1, 'mia'],
    ])
  })

  it('finds a model by number, alias, newest, and by name alone its champion', async () => {
    const store = createMemoryStore()
    await register(store, await trainTinyModel(store))
    await register(store, await trainTinyModel(store, { sharpness: 0.2 }), { runId: 'run-2', beatsChampion: false })
    const version = async (reference: string) => (await resolveModel(store, reference)).version
    expect(await version('m@2')).toBe(2)
    expect(await version('m@candidate')).toBe(2)
    expect(await version('m@latest')).toBe(2)
    expect(await version('m')).toBe(1)
  })

  it.each(['n', 'm@9', 'm@none', 'm@1@2', '', '@1', 'm@0'])('says that there is no model %j', async (reference) => {
    const store = createMemoryStore()
    await register(store, await trainTinyModel(store))
    await expect(resolveModel(store, reference)).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' })
  })

  it('refuses an alias of a version that does not exist', async () => {
    await expect(setAlias(createMemoryStore(), 'm', 'champion', 1, 'mia')).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    })
  })

  it('refuses `latest` as an alias, which always means the newest', async () => {
    await expect(setAlias(createMemoryStore(), 'm', 'latest', 1, 'mia')).rejects.toMatchObject({ code: 'INVALID_NAME' })
  })
})

describe('a model at registration', () => {
  const pixels = solidPixels([200, 0, 0], [0, 10, 20])
  const right = [tinyScores([200, 0, 0]), tinyScores([0, 10, 20])]

  it('is accepted when it gives its golden scores', async () => {
    const store = createMemoryStore()
    const model = await trainTinyModel(store, { golden: { pixels, scores: right } })
    await expect(register(store, model)).resolves.toMatchObject({ version: 1, digest: model.digest })
  })

  it('is refused when a golden score differs by more than a thousandth', async () => {
    const store = createMemoryStore()
    const wrong = right.map((row) => row.map((score, i) => score + (i === 1 ? 0.002 : 0)))
    const model = await trainTinyModel(store, { golden: { pixels, scores: wrong } })
    await expect(register(store, model)).rejects.toMatchObject({ code: 'MODEL_REFUSED' })
    expect(await listModels(store)).toEqual([])
  })

  it('is refused when its output is not one score per class', async () => {
    const store = createMemoryStore()
    const graph = new OnnxGraph('two')
    const images = graph.input('images', 'uint8', ['N', 4, 4, 3])
    const flat = graph.node('Flatten', [graph.node('Cast', [images], { to: 1 })], { axis: 1 })
    graph.output('scores', 'float32', ['N', 48], graph.node('Softmax', [flat], { axis: 1 }))
    const refusal = register(store, await trainTinyModel(store, { onnx: graph.toBytes() }))
    await expect(refusal).rejects.toThrow(/scores: float32 \[N, 48\] where scores: float32 \[N, 3\] is needed/)
  })

  it('is refused when its scores are no probabilities', async () => {
    const store = createMemoryStore()
    const graph = new OnnxGraph('sums')
    const cast = graph.node('Cast', [graph.input('images', 'uint8', ['N', 4, 4, 3])], { to: 1 })
    const axes = graph.constant('axes', BigInt64Array.from([1n, 2n]), [2])
    graph.output('scores', 'float32', ['N', 3], graph.node('ReduceSum', [cast, axes], { keepdims: 0 }))
    const refusal = register(store, await trainTinyModel(store, { onnx: graph.toBytes() }))
    await expect(refusal).rejects.toThrow(/sum to .* not to 1/)
  })

  it('is refused when the file is no ONNX model', async () => {
    const store = createMemoryStore()
    const refusal = register(store, await trainTinyModel(store, { onnx: Buffer.from('not a model') }))
    await expect(refusal).rejects.toMatchObject({ code: 'MODEL_REFUSED' })
  })

  it('is refused with the report of another model', async () => {
    const store = createMemoryStore()
    const [model, other] = [await trainTinyModel(store), await trainTinyModel(store, { sharpness: 0.2 })]
    const input = { name: 'm', model, report: await reportOf(store, other), alias: 'candidate' }
    await expect(registerModel(input, contextOf(store))).rejects.toMatchObject({ code: 'MODEL_REFUSED' })
  })
})

/** Lets every call wait its turn in an order that the schedule decides, and dies at its `dieAt`-th call. */
function scheduled(store: ObjectStore, scheduler: fc.Scheduler, dieAt: number): ObjectStore {
  let calls = 0
  const turn = async <T>(act: () => Promise<T>): Promise<T> => {
    if (++calls === dieAt) throw new PlatformError('STORE_UNAVAILABLE', 'killed')
    await scheduler.schedule(Promise.resolve())
    return act()
  }
  return {
    ...store,
    uri: store.uri,
    create: (key, bytes) => turn(() => store.create(key, bytes)),
    get: (key) => turn(() => store.get(key)),
    list: async function* (prefix, options) {
      await turn(() => Promise.resolve())
      yield* store.list(prefix, options)
    },
  } as ObjectStore
}

describe('numbers under races and crashes', () => {
  it('never give two numbers to one digest, leave no gap, and lose nothing that retries', async () => {
    const store = createMemoryStore()
    const models = await Promise.all([0.1, 0.2, 0.3].map((sharpness) => trainTinyModel(store, { sharpness })))
    const records = await Promise.all(
      models.map(async (model) => ({
        digest: model.digest,
        registeredAt: '2026-01-01T00:00:00.000Z',
        model,
        report: await reportOf(store, model),
        lineage: { run: 'r', node: 'n', inputs: {}, dataset: null, report: sha256Hex(Buffer.from('{}')) },
      })),
    )
    const writer = fc.record({ model: fc.integer({ min: 0, max: 2 }), dieAt: fc.integer({ min: 1, max: 12 }) })
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.array(writer, { minLength: 2, maxLength: 6 }), async (scheduler, writers) => {
        const shared = createMemoryStore()
        const attempts = writers.map(({ model, dieAt }) =>
          numberModel(scheduled(shared, scheduler, dieAt), 'm', records[model]!).catch(() => null),
        )
        await scheduler.waitFor(Promise.all(attempts))
        const used = [...new Set(writers.map(({ model }) => model))]
        for (const model of used) await numberModel(shared, 'm', records[model]!)
        const versions = await modelVersions(shared, 'm')
        expect(versions.map(({ version }) => version)).toEqual(used.map((_, i) => used.length - i))
        expect(new Set(versions.map(({ digest }) => digest))).toEqual(new Set(used.map((i) => models[i]!.digest)))
        for (const promised of await Promise.all(attempts))
          if (promised) expect((await numberModel(shared, 'm', promised)).version).toBe(promised.version)
      }),
      { numRuns: 60 },
    )
  })
})
