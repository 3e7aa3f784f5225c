import { beforeEach, describe, expect, it } from 'vitest'
import { createFakeJobRunner, type FakeJobRunner, type FakeProgram } from '#core/compute'
import { PlatformError } from '#core/errors'
import { HandOver, jobNameOf, runTraining, type BodyRequest, type Progress } from '#core/execution'
import { createMemoryStore, putBlob, type ObjectStore } from '#core/storage'

const request: BodyRequest = {
  step: 'train-embedder',
  input: { epochs: 3 },
  run: 'run-1',
  node: 'train',
  attempt: 1,
  store: { uri: 'memory://test', project: 'default' },
  bundle: null,
  scratchDir: '/tmp/of-one-worker',
  bundleDir: '/tmp/bundles',
}
const name = jobNameOf('run-1', 'train')
const FILES = ['model.onnx', 'model.json', 'metrics.json']

describe('a training as a job', () => {
  let store: ObjectStore
  let jobs: FakeJobRunner
  let trainer: FakeProgram
  /** The parts that ran in threads, with their inputs. */
  let parts: { step: string; input: Record<string, unknown> }[]
  const done: FakeProgram = async ({ write }) => {
    for (const file of FILES) write(file, Buffer.from(file))
    return 0
  }
  const run = (changes: Partial<BodyRequest> = {}, signal = new AbortController().signal, told: Progress[] = []) =>
    runTraining(
      { ...request, ...changes },
      { signal, onProgress: (progress) => void told.push(progress), onSession: () => undefined },
      {
        jobs,
        store,
        trainer: async (program) => ({ command: ['python', program] }),
        inThread: async ({ step, input }) => {
          parts.push({ step, input: input as Record<string, unknown> })
          const manifest = await putBlob(store, Buffer.from('{}'))
          return step.endsWith('lay-out') ? { inputs: { 'input.json': manifest.sha256 } } : { kind: 'embedder' }
        },
      },
    )

  beforeEach(() => {
    store = createMemoryStore()
    parts = []
    trainer = done
    jobs = createFakeJobRunner({ python: (io) => trainer(io) }, store)
  })

  it('is laid out, learns from the files that were laid out, and gives what is taken from it', async () => {
    trainer = async (io) => {
      expect(io.args).toEqual(['self_supervised.py'])
      expect(Object.keys(io.inputs)).toEqual(['input.json'])
      return done(io)
    }
    expect(await run({ gpus: 1 })).toEqual({ kind: 'embedder' })
    expect(parts.map(({ step }) => step)).toEqual(['train-embedder/lay-out', 'train-embedder/take'])
    expect(parts[0]!.input).toEqual({ epochs: 3, gpus: 1 })
    expect(Object.keys(parts[1]!.input['made'] as object)).toEqual(FILES)
    await expect(jobs.wait(name, {})).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
  })

  it('tells the progress of its trainer', async () => {
    const told: Progress[] = []
    trainer = async (io) => {
      io.print('{"progress": {"done": 1, "total": 3, "unit": "epochs"}}')
      return done(io)
    }
    await run({}, undefined, told)
    expect(told).toContainEqual({ done: 1, total: 3, unit: 'epochs' })
  })

  it.each([
    [65, 'JOB_FAILED', 'the training diverged'],
    [78, 'TRAINER_MISSING', 'torch sees no GPU'],
  ])('that ends with %i fails with %s and its last words', async (exitCode, code, words) => {
    trainer = async ({ complain }) => (complain(words), exitCode)
    await expect(run()).rejects.toMatchObject({
      code,
      message: `step train-embedder: exit code ${exitCode}: ${words}`,
    })
  })

  it('fails where its trainer left no model', async () => {
    trainer = async () => 0
    await expect(run()).rejects.toMatchObject({ code: 'JOB_FAILED', details: { missing: 'model.onnx' } })
  })

  it('that is interrupted goes on from its checkpoint with the next attempt', async () => {
    trainer = async ({ checkpoint }) => (checkpoint!.write(Buffer.from('half way')), 75)
    await expect(run()).rejects.toMatchObject({ code: 'JOB_INTERRUPTED', retryable: true })
    trainer = async (io) => {
      expect(Buffer.from(io.checkpoint!.read()!).toString()).toBe('half way')
      return done(io)
    }
    expect(await run({ attempt: 2 })).toEqual({ kind: 'embedder' })
  })

  /** A trainer that heeds SIGTERM, as ours does. */
  const yielding =
    (started: () => void): FakeProgram =>
    async ({ checkpoint, stop }) => {
      started()
      await new Promise<void>((resolve) => stop.addEventListener('abort', () => resolve()))
      checkpoint!.write(Buffer.from('when told'))
      return 76
    }
  const found = async (): Promise<string | null> => {
    let at: string | null = null
    trainer = async (io) => {
      const body = io.checkpoint!.read()
      at = body && Buffer.from(body).toString()
      return done(io)
    }
    await run()
    return at
  }

  it('goes on from its checkpoint when its worker was shut down', async () => {
    const stop = new AbortController()
    trainer = yielding(() => stop.abort(new HandOver('the worker was shut down')))
    await expect(run({}, stop.signal)).rejects.toThrow('the worker was shut down')
    expect(await found()).toBe('when told')
  })

  it('begins anew when somebody had cancelled it', async () => {
    const stop = new AbortController()
    trainer = yielding(() => stop.abort(new Error('cancelled')))
    await expect(run({}, stop.signal)).rejects.toThrow('cancelled')
    expect(await found()).toBeNull()
  })

  it('is not laid out where there is nothing to train with', async () => {
    const missing = new PlatformError('TRAINER_MISSING', 'python3 has no torch')
    const host = {
      jobs,
      store,
      trainer: async () => Promise.reject(missing),
      inThread: async () => parts.push(null as never),
    }
    const hooks = { signal: new AbortController().signal, onProgress: () => undefined, onSession: () => undefined }
    await expect(runTraining(request, hooks, host)).rejects.toBe(missing)
    expect(parts).toEqual([])
  })
})
