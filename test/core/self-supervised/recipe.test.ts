/** The recipe itself, in PyTorch on a CPU, run as a job of the step. Left out where no Python has torch: GYRE_TRAINER_PYTHON names one. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createProcessJobRunner } from '#core/compute'
import { embedImages } from '#core/embedding'
import { runTraining, type BodyRequest, type Progress } from '#core/execution'
import { silentLogger } from '#core/log'
import { INPUT, layOutTraining, takeEmbedder, type TrainerManifest } from '#core/self-supervised'
import type { DatasetVersion, Embedder } from '#core/steps'
import { blobKey, type ObjectStore } from '#core/storage'
import { stepContext, stripedDataset } from '../embedding/striped-images.ts'
import { hasPython, torchPython } from './support.ts'

// Threads that wait for each other in a busy loop make a machine that others use, too, very slow.
process.env['OMP_NUM_THREADS'] = '1'
const PROGRAM = path.resolve('apps/trainer/self_supervised.py')
/** Two steps each: enough that a signal after the first comes before the last. */
const EPOCHS = 8
const input = {
  trainer: 'vicreg',
  network: 'small',
  epochs: EPOCHS,
  batchImages: 32,
  mirror: true,
  colour: 1,
  compile: false,
  seed: 7,
} as const

/** Loading torch takes seconds, and a busy machine many of them. */
const PATIENCE_MS = 300_000

const TITLE = `the self-supervised recipe ${torchPython.missing}`.trimEnd()

describe.skipIf(torchPython.missing)(TITLE, { timeout: PATIENCE_MS }, () => {
  let store: ObjectStore
  let version: DatasetVersion
  const folders: string[] = []
  const newFolder = async () => {
    folders.push(await mkdtemp(path.join(tmpdir(), 'gyre-recipe-')))
    return folders.at(-1)!
  }
  /** One that nothing befell. */
  let straight: string
  beforeAll(async () => {
    ;({ store, version } = await stripedDataset(100))
    straight = await laidOut()
    expect(await train(straight)).toMatchObject({ code: 0, errors: '' })
  }, PATIENCE_MS)
  afterAll(async () => {
    for (const folder of folders) await rm(folder, { recursive: true, force: true })
  })

  /** The folders of one training, as a runner would make them. */
  const laidOut = async (changes: Partial<TrainerManifest> = {}): Promise<string> => {
    const folder = await newFolder()
    const { inputs } = await layOutTraining({ version, ...input, gpus: 0 }, await stepContext(store))
    for (const name of ['in', 'out', 'checkpoints']) await mkdir(path.join(folder, name))
    const scratch = await newFolder()
    for (const [name, sha256] of Object.entries(inputs))
      await copyFile(await store.localFile(blobKey(sha256), scratch), path.join(folder, 'in', name))
    const file = path.join(folder, 'in', INPUT)
    const manifest = JSON.parse(await readFile(file, 'utf8')) as TrainerManifest
    await writeFile(file, JSON.stringify({ ...manifest, ...changes }))
    return folder
  }
  const train = async (folder: string, onLine?: (line: string, child: ReturnType<typeof spawn>) => void) => {
    const env = {
      PATH: process.env.PATH,
      OMP_NUM_THREADS: process.env['OMP_NUM_THREADS'],
      // One a step where it is to be stopped: a disk takes its time.
      ...(onLine && { GYRE_CHECKPOINT_SECONDS: '0' }),
      GYRE_INPUT: path.join(folder, 'in'),
      GYRE_OUTPUT: path.join(folder, 'out'),
      GYRE_CHECKPOINTS: path.join(folder, 'checkpoints'),
    }
    const child = spawn(torchPython.path, ['-B', PROGRAM], { env })
    const lines: string[] = []
    let errors = ''
    child.stderr.on('data', (text: Buffer) => (errors += text.toString()))
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line)
      onLine?.(line, child)
    })
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, lines, errors }
  }
  const modelOf = (folder: string) => readFile(path.join(folder, 'out', 'model.onnx'))

  it('trains as a job of its step; ONNX Runtime computes what PyTorch does; the version is embedded with it', async () => {
    const told: Progress[] = []
    const request: BodyRequest = {
      step: 'train-embedder',
      input: { version, ...input },
      run: 'run',
      node: 'train',
      attempt: 1,
      store: { uri: store.uri, project: 'default' },
      bundle: null,
      scratchDir: await newFolder(),
      bundleDir: await newFolder(),
    }
    const hooks = {
      signal: new AbortController().signal,
      onProgress: (progress: Progress) => void told.push(progress),
      onSession: () => undefined,
    }
    const jobs = createProcessJobRunner({ directory: await newFolder(), store, log: silentLogger() })
    const embedder = (await runTraining(request, hooks, {
      jobs,
      store,
      trainer: async () => ({ command: [torchPython.path, '-B', PROGRAM] }),
      inThread: async (part) => {
        const body = part.step.endsWith('take') ? takeEmbedder : layOutTraining
        return body(part.input as never, await stepContext(store))
      },
    })) as Embedder
    expect(embedder).toMatchObject({ kind: 'embedder', name: 'vicreg', dims: 288 })
    expect(told.at(-1)).toMatchObject({
      unit: 'images',
      note: expect.stringMatching(/^epoch 8 of 8, loss /) as string,
    })
    const embeddings = await embedImages({ version, embedder, dims: 1600, seed: 7 } as never, await stepContext(store))
    expect(embeddings).toMatchObject({ images: 100, dims: 288 })
  })

  it('gives the same file for the same seed, also after SIGTERM and after kill −9', async () => {
    const model = await modelOf(straight)
    for (const [signal, code] of [['SIGTERM', 76] as const, ['SIGKILL', null] as const]) {
      const folder = await laidOut()
      const stopped = await train(folder, (line, child) => line.startsWith('epoch 1 of') && child.kill(signal))
      expect(stopped.code).toBe(code)
      const next = await train(folder)
      expect(next.lines).toContainEqual(expect.stringMatching(/^going on from the checkpoint at step [1-9]/))
      expect((await modelOf(folder)).equals(model)).toBe(true)
    }
  })

  it('gives another file for another seed', async () => {
    const other = await laidOut({ seed: 8 })
    expect((await train(other)).code).toBe(0)
    expect((await modelOf(other)).equals(await modelOf(straight))).toBe(false)
  })

  it('learns: its loss falls, epoch by epoch told in its metrics', async () => {
    const { epochs } = JSON.parse(await readFile(path.join(straight, 'out', 'metrics.json'), 'utf8')) as {
      epochs: readonly { readonly loss: number }[]
    }
    expect(epochs).toHaveLength(EPOCHS)
    expect(epochs.at(-1)!.loss).toBeLessThan(0.95 * epochs[0]!.loss)
  })

  it.each([
    ['rows beyond the images', { images: { file: 'pixels.u8', count: 10, height: 28, width: 28 } }, /bytes, and/],
    ['a network that it does not know', { network: 'huge' as never }, /input.json has network = "huge"/],
  ])('refuses %s with 65', async (_, changes, words) => {
    expect(await train(await laidOut(changes))).toMatchObject({
      code: 65,
      errors: expect.stringMatching(words) as string,
    })
  })

  it('refuses to do without a GPU that was asked for, with 78', async () => {
    const seen = spawn(torchPython.path, ['-c', 'import torch, sys; sys.exit(torch.cuda.is_available())'])
    const [hasGpu] = (await once(seen, 'close')) as [number]
    const folder = await laidOut({ device: 'cuda' })
    expect((await train(folder)).code).toBe(hasGpu ? 0 : 78)
  })
})

/** Nothing is left out here: every Python lacks something in its bare mode. */
describe.skipIf(!hasPython)('the recipe without torch', () => {
  it('says what is missing, and how to come by it, with 78', async () => {
    const child = spawn(
      'python3',
      [
        '-B',
        '-S',
        '-c',
        `import self_supervised as s
try: s.import_torch()
except s.TrainerError as error: print(error); raise SystemExit(error.exit_code)`,
      ],
      {
        env: { PATH: process.env.PATH, PYTHONPATH: path.resolve('apps/trainer') },
      },
    )
    const said: Buffer[] = []
    child.stdout.on('data', (text: Buffer) => said.push(text))
    const [code] = (await once(child, 'close')) as [number]
    expect(code).toBe(78)
    expect(Buffer.concat(said).toString()).toMatch(/cannot import what training needs .*gyre trainer install/s)
  })
})
