import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { batchRecord, batchResults, listBatches, openDrop, runBatchTask, type BatchRow } from '#core/batch'
import { loadAlgorithm } from '#adapter/algorithm/load'
import type { Progress } from '#core/execution'
import { addImages } from '#core/imports'
import { createMemoryStore, putBlob, type ObjectStore } from '#core/storage'
import { COLOURS, colourImage, registerColourModel, storeColourModel } from '../../support/colour-model.ts'

let folder: string
let store: ObjectStore
let progress: Progress[]

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'gyre-batch-'))
  store = createMemoryStore()
  progress = []
  await registerColourModel(store, 'colours', await storeColourModel(store))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** One attempt at the task, as the engine makes it. */
async function attempt(
  overrides: {
    store?: ObjectStore
    node?: string
    signal?: AbortSignal
    shardSize?: number
    model?: string
    source?: string
  } = {},
) {
  const scratchDir = await mkdtemp(path.join(folder, '.scratch-'))
  const { model = 'colours', shardSize = 4, node = 'batch', signal = new AbortController().signal } = overrides
  return runBatchTask(
    { model, source: overrides.source ?? folder, shardSize },
    {
      store: overrides.store ?? store,
      runId: 'batch-task-1',
      nodeId: node,
      scratchDir,
      signal,
      progress: (p) => progress.push(p),
    },
  )
}

async function fillFolder(images: number): Promise<void> {
  for (let i = 0; i < images; i++)
    await writeFile(path.join(folder, `${i + 100}.png`), await colourImage(COLOURS[i % 3]!, { salt: i }))
}

async function rows(id = 'batch-task-1'): Promise<BatchRow[]> {
  return JSON.parse(Buffer.from(await batchResults(store, id, 'json')).toString()) as BatchRow[]
}

describe('runBatchTask', () => {
  it('gives dropped images their classes, wherever they came in', async () => {
    const drop = await openDrop(store, 'd1')
    const file = path.join(folder, 'part')
    for (const [name, colour] of [
      ['leaf ü (2).png', 'green'],
      ['a.png', 'red'],
    ] as const) {
      await writeFile(file, await colourImage(colour))
      await drop.keep(name, file)
    }
    await rm(file)
    await attempt({ source: drop.source })
    expect((await rows()).map((row) => [row.path, row.class])).toEqual([
      ['a.png', 'red'],
      ['leaf ü (2).png', 'green'],
    ])
    expect((await batchRecord(store, 'batch-task-1')).source).toBe('dropped images')
  })

  it('says of dropped images that are gone how long they are kept', async () => {
    await expect(attempt({ source: 'upload:gone' })).rejects.toThrow('kept for two weeks; drop them again')
  })

  it('gives every image of a folder its class and score, in the order of the paths', async () => {
    await mkdir(path.join(folder, 'b'))
    await writeFile(path.join(folder, 'b', 'sky.png'), await colourImage('blue'))
    await writeFile(path.join(folder, 'leaf ü.png'), await colourImage('green'))
    await writeFile(path.join(folder, 'a.png'), await colourImage('red'))
    await writeFile(path.join(folder, '.hidden.png'), await colourImage('red'))

    const output = await attempt()
    expect(output).toMatchObject({
      id: 'batch-task-1',
      model: { name: 'colours', version: 1 },
      images: 3,
      failed: 0,
    })
    const answers = await rows()
    expect(answers.map((row) => [row.path, row.class])).toEqual([
      ['a.png', 'red'],
      ['b/sky.png', 'blue'],
      ['leaf ü.png', 'green'],
    ])
    // Softmax of 8 · (200, 40, 40) / 255, but for the grain.
    const expected = Math.exp((8 * 200) / 255) / (Math.exp((8 * 200) / 255) + 2 * Math.exp((8 * 40) / 255))
    expect(answers[0]?.score).toBeCloseTo(expected, 1)
    expect(answers[0]?.image).toMatch(/^[0-9a-f]{64}$/)
  })

  it('gives each image that fails a reason, and the others their class', async () => {
    await fillFolder(2)
    const whole = await colourImage('red')
    await writeFile(path.join(folder, 'cut.png'), whole.subarray(0, whole.length - 20))
    await writeFile(path.join(folder, 'empty.jpg'), '')
    await writeFile(path.join(folder, 'notes.txt'), 'not an image')
    await symlink('/etc/hostname', path.join(folder, 'outside.png'))

    expect(await attempt()).toMatchObject({ images: 6, failed: 4 })
    const { failed } = await batchRecord(store, 'batch-task-1')
    expect(failed.map(({ path: name }) => name)).toEqual(['cut.png', 'empty.jpg', 'notes.txt', 'outside.png'])
    const reasons = failed.map(({ reason }) => reason)
    expect(reasons[0]).toMatch(/truncated/)
    expect(reasons[1]).toMatch(/empty/)
    expect(reasons[2]).toMatch(/a text file/)
    expect(reasons[3]).toMatch(/outside the folder/)
    expect((await rows()).map((row) => row.class)).toEqual(['red', 'green', null, null, null, null])
  })

  it('does only the missing shards after a crash, and gives the same results as without one', async () => {
    await fillFolder(10)
    const crashing = withCreateHook(store, (key) => {
      if (key.includes('/shards/00000002')) throw new Error('killed')
    })
    await expect(attempt({ store: crashing })).rejects.toThrow('killed')
    expect(await batchRecord(store, 'batch-task-1')).toMatchObject({
      images: 10,
      done: 8,
      endedAt: null,
      results: null,
    })
    // Shard files of the first attempt are all that is left of images 0 … 7: the task must not read those again.
    for (let i = 0; i < 8; i++) await rm(path.join(folder, `${i + 100}.png`))

    progress = []
    expect(await attempt()).toMatchObject({ images: 10, failed: 0 })
    expect(progress[0]).toEqual({ done: 8, total: 10, unit: 'images' })
    expect(progress.at(-1)).toEqual({ done: 10, total: 10, unit: 'images' })
    expect((await rows()).map((row) => row.class)).toEqual(Array.from({ length: 10 }, (_, i) => COLOURS[i % 3]))
  })

  it('keeps the images and the model of its first attempt', async () => {
    await fillFolder(3)
    const stopped = new AbortController()
    stopped.abort(new Error('cancelled'))
    await expect(attempt({ signal: stopped.signal })).rejects.toThrow('cancelled')
    await writeFile(path.join(folder, 'late.png'), await colourImage('red'))
    const wrong = await storeColourModel(store, { classes: ['blue', 'red', 'green'] })
    expect(await registerColourModel(store, 'colours', wrong)).toBe(2)

    expect(await attempt()).toMatchObject({ images: 3, model: { version: 1 } })
    expect((await rows()).map((row) => row.class)).toEqual(['red', 'green', 'blue'])
  })

  it('stops between two runs of the model when it is cancelled, and keeps what is done', async () => {
    await fillFolder(12)
    const stop = new AbortController()
    const cancelling = withCreateHook(store, (key) => {
      if (key.includes('/shards/00000001')) stop.abort(new Error('cancelled'))
    })
    await expect(attempt({ store: cancelling, signal: stop.signal })).rejects.toThrow('cancelled')
    expect(await batchRecord(store, 'batch-task-1')).toMatchObject({ done: 8, results: null })
    expect(await attempt()).toMatchObject({ images: 12 })
  })

  it('gives the outcome of a finished task again without any work', async () => {
    await fillFolder(3)
    const first = await attempt()
    await rm(path.join(folder, '100.png'))
    progress = []
    expect(await attempt()).toEqual(first)
    expect(progress).toEqual([])
  })

  it('names a second task of one run by its node too', async () => {
    await fillFolder(3)
    expect((await attempt({ node: 'first' })).id).toBe('batch-task-1')
    expect((await attempt({ node: 'second' })).id).toBe('batch-task-1.second')
    expect((await attempt({ node: 'second' })).id).toBe('batch-task-1.second')
    expect((await listBatches(store)).map(({ id }) => id).sort()).toEqual(['batch-task-1', 'batch-task-1.second'])
  })

  it('runs over one version of a dataset, and over no image that came later', async () => {
    const images = async (from: number, to: number) =>
      Promise.all(
        Array.from({ length: to - from }, async (_, i) => ({
          name: `${from + i}.png`,
          bytes: await colourImage(COLOURS[(from + i) % 3]!, { salt: from + i }),
        })),
      )
    const first = await addImages(store, 'colours', await images(0, 6), { by: 'test' })
    const context = { store, runId: 'd', nodeId: 'n', scratchDir: folder, progress: () => {} }
    const stopped = new AbortController()
    stopped.abort(new Error('cancelled'))
    const input = { model: 'colours@1', dataset: 'colours', shardSize: 4 }
    await expect(runBatchTask(input, { ...context, signal: stopped.signal })).rejects.toThrow('cancelled')
    await addImages(store, 'colours', await images(6, 9), { by: 'test' })

    const signal = new AbortController().signal
    expect(await runBatchTask(input, { ...context, signal })).toMatchObject({ images: 6, failed: 0 })
    const answers = await rows('d')
    expect(Object.fromEntries(answers.map((row) => [row.path, row.class]))).toEqual({
      '0.png': 'red',
      '1.png': 'green',
      '2.png': 'blue',
      '3.png': 'red',
      '4.png': 'green',
      '5.png': 'blue',
    })
    expect(await batchRecord(store, 'd')).toMatchObject({ source: 'dataset colours', model: 'colours@1', images: 6 })
    expect(first.images).toBe(6)
  })

  it('refuses a missing folder, an empty one, and an unknown model', async () => {
    const missing = { model: 'colours', source: path.join(folder, 'nowhere'), shardSize: 4 }
    const context = { store, nodeId: 'n', scratchDir: folder, signal: new AbortController().signal, progress: () => {} }
    await expect(runBatchTask(missing, { ...context, runId: 'a' })).rejects.toMatchObject({
      code: 'DATASET_SOURCE_NOT_FOUND',
    })
    await mkdir(missing.source)
    await expect(runBatchTask(missing, { ...context, runId: 'b' })).rejects.toMatchObject({ code: 'DATASET_EMPTY' })
    await expect(runBatchTask({ ...missing, model: 'x' }, { ...context, runId: 'c' })).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    })
    await expect(runBatchTask({ ...missing, dataset: 'd' }, { ...context, runId: 'd' })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
  })
})

describe('an algorithm', () => {
  const colourAlarm = (predict: string) => `
    import { z } from 'zod'
    import { defineAlgorithm } from 'gyre/algorithm'
    export default defineAlgorithm({
      name: 'colour-alarm',
      model: 'colours@1',
      params: z.object({ least: z.number().max(1).default(0.9) }),
      output: z.object({ sure: z.boolean(), share: z.number(), path: z.string().optional() }),
      ${predict}
    })`
  const REDNESS = `async predict(images, { model, params }) {
    const again = await model.run(images)
    const shares = (await model.run(images)).column(model.classes.indexOf('red'))
    return shares.map((share, i) => ({ sure: share >= params.least && share === again.column(0)[i], share, path: '=x' }))
  }`

  async function bundled(predict: string) {
    const file = path.join(folder, '.alarm.ts')
    await writeFile(file, colourAlarm(predict))
    const { bundle } = await loadAlgorithm(file)
    await rm(file)
    return putBlob(store, bundle)
  }

  const run = (input: Omit<Parameters<typeof runBatchTask>[0], 'shardSize'>, runId: string) =>
    runBatchTask(
      { ...input, shardSize: 4 },
      { store, runId, nodeId: 'n', scratchDir: folder, signal: new AbortController().signal, progress: () => {} },
    )

  it('gives each image its output, over the model that it names, with its parameters', async () => {
    const pictures = path.join(folder, 'pictures')
    await mkdir(pictures)
    await writeFile(path.join(pictures, 'a.png'), await colourImage('red'))
    await writeFile(path.join(pictures, 'b.png'), await colourImage('blue'))
    await writeFile(path.join(pictures, 'c.png'), 'text')
    const algorithm = { bundle: await bundled(REDNESS), params: { least: 0.5 } }
    const wrong = await storeColourModel(store, { classes: ['blue', 'red', 'green'] })
    expect(await registerColourModel(store, 'colours', wrong)).toBe(2)

    expect(await run({ algorithm, source: pictures }, 't')).toMatchObject({
      model: { version: 1 },
      images: 3,
      failed: 1,
    })
    expect(await batchRecord(store, 't')).toMatchObject({ model: 'colour-alarm over colours@1' })
    const [a, b, c] = await rows('t')
    expect(a).toMatchObject({ output: { sure: true }, class: 'sure: true', reason: null })
    expect(b).toMatchObject({ output: { sure: false }, class: 'sure: false' })
    expect(c).toMatchObject({ class: null, reason: expect.stringMatching(/text file/) as string })
    expect(c).not.toHaveProperty('output')
    const share = (row: BatchRow | undefined) => (row?.output as { share: number }).share
    expect(share(a)).toBeGreaterThan(0.5)
    const csv = Buffer.from(await batchResults(store, 't', 'csv')).toString()
    expect(csv.split('\r\n').slice(0, 3)).toEqual([
      'path,image,sure,share,output.path,reason',
      `a.png,${a?.image},true,${share(a)},'=x,`,
      `b.png,${b?.image},false,${share(b)},'=x,`,
    ])
    expect(Buffer.from(await batchResults(store, 't', 'html')).toString()).toContain('colour-alarm over colours v1')
  })

  it('that fails on one image costs that row', async () => {
    await fillFolder(5)
    const bundle = await bundled(`async predict(images, { model }) {
      const scores = await model.run(images)
      if (scores.column(2).some((blue) => blue > 0.5)) throw new Error('blue!')
      return scores.column(0).map((share) => ({ sure: true, share }))
    }`)
    expect(await run({ algorithm: { bundle, params: {} }, source: folder }, 't')).toMatchObject({
      images: 5,
      failed: 1,
    })
    const { failed } = await batchRecord(store, 't')
    expect(failed).toEqual([{ path: '102.png', reason: 'algorithm colour-alarm threw: blue!' }])
  })

  it('is refused with a parameter that is wrong or unknown, and beside a model', async () => {
    await fillFolder(1)
    const bundle = await bundled(REDNESS)
    const refused = (params: Record<string, unknown>, id: string) =>
      expect(run({ algorithm: { bundle, params }, source: folder }, id)).rejects
    await refused({ least: 2 }, 'a').toThrow('algorithm colour-alarm, parameter least: Too big')
    await refused({ leest: 0.5 }, 'b').toThrow('Unrecognized key: "leest"')
    const both = run({ model: 'colours', algorithm: { bundle, params: {} }, source: folder }, 'c')
    await expect(both).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(run({ source: folder }, 'd')).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(await listBatches(store)).toEqual([])
  })
})

describe('the results', () => {
  it('are a table that spreadsheets open safely', async () => {
    await writeFile(path.join(folder, '=cmd|"calc"!A1.png'), await colourImage('red'))
    await writeFile(path.join(folder, 'a, b\n.txt'), 'text')
    await attempt()
    const csv = Buffer.from(await batchResults(store, 'batch-task-1', 'csv')).toString()
    const image = (await rows())[0]?.image
    const score = (await rows())[0]?.score?.toFixed(6)
    const reason = (await rows())[1]?.reason
    expect(csv).toBe(
      `path,image,class,score,reason\r\n"'=cmd|""calc""!A1.png",${image},red,${score},\r\n` +
        `"a, b\n.txt",${(await rows())[1]?.image},,,"${reason}"\r\n`,
    )
  })

  it('are a page with a picture of each image and the reason of each failure, all in one file', async () => {
    await fillFolder(5)
    await writeFile(path.join(folder, '<script>.png'), 'text')
    await attempt()
    const page = Buffer.from(await batchResults(store, 'batch-task-1', 'html')).toString()
    expect(page.match(/<img src="data:image\/webp;base64,/g)).toHaveLength(5)
    expect(page).toContain('&#60;script&#62;.png')
    expect(page).not.toMatch(/<script|https?:/)
  })

  it('are not there before the end', async () => {
    await expect(batchResults(store, 'batch-task-1', 'csv')).rejects.toMatchObject({ code: 'BATCH_NOT_FOUND' })
    await fillFolder(3)
    const stopped = new AbortController()
    stopped.abort(new Error('cancelled'))
    await expect(attempt({ signal: stopped.signal })).rejects.toThrow('cancelled')
    await expect(batchResults(store, 'batch-task-1', 'csv')).rejects.toMatchObject({ code: 'BATCH_NOT_FINISHED' })
  })
})

/** The same store, watched: `before` is called with each key that is about to be created. */
function withCreateHook(inner: ObjectStore, before: (key: string) => void): ObjectStore {
  return new Proxy(inner, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property)
      if (property !== 'create') return typeof value === 'function' ? (value.bind(target) as unknown) : value
      return async (key: string, bytes: Uint8Array) => {
        before(key)
        return target.create(key, bytes)
      }
    },
  })
}
