import { beforeEach, describe, expect, it } from 'vitest'
import { createFakeJobRunner, type FakeJobRunner, type FakeProgram, type JobRunner } from '#core/compute'
import { HandOver, jobNameOf, runAsJob, type BodyRequest, type BodyResult, type Progress } from '#core/execution'
import { createMemoryStore, type ObjectStore } from '#core/storage'
import { PlatformError } from '#core/errors'

const request: BodyRequest = {
  step: 'train-classifier',
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
const result = (value: BodyResult) => Buffer.from(JSON.stringify(value))
const stopped = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))

describe('a built-in step as a job', () => {
  let store: ObjectStore
  let starts: number
  let body: FakeProgram
  let fake: FakeJobRunner
  interface Options {
    readonly jobs?: JobRunner
    readonly store?: ObjectStore
    readonly signal?: AbortSignal
    readonly attempt?: number
    readonly onProgress?: (progress: Progress) => void
  }
  const run = (options: Options = {}) =>
    runAsJob(
      { ...request, attempt: options.attempt ?? 1, scratchDir: `/tmp/of-worker-${options.attempt ?? 1}` },
      {
        signal: options.signal ?? new AbortController().signal,
        onProgress: options.onProgress ?? (() => undefined),
        onSession: () => undefined,
      },
      { jobs: options.jobs ?? fake, store: options.store ?? store, command: ['job'] },
    )

  beforeEach(() => {
    store = createMemoryStore()
    starts = 0
    body = async ({ inputs, write }) => {
      const { input } = JSON.parse(Buffer.from(inputs['request.json']!).toString()) as BodyRequest
      write('result.json', result({ ok: true, output: { got: input as never } }))
      return 0
    }
    fake = createFakeJobRunner({ job: (io) => ((starts += 1), body(io)) }, store)
  })

  it('gives what the body gave, and forgets the job', async () => {
    expect(await run()).toEqual({ got: { epochs: 3 } })
    await expect(fake.wait(name, {})).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
  })

  it('tells the progress that the job prints as JSON lines', async () => {
    const told: Progress[] = []
    body = async ({ print, write }) => {
      print('just talk')
      print('{"progress": {"done": 1, "total": 3, "unit": "epochs"}}')
      print('{"other": 1}')
      write('result.json', result({ ok: true, output: null }))
      return 0
    }
    await run({ onProgress: (progress) => told.push(progress) })
    expect(told).toEqual([{ done: 1, total: 3, unit: 'epochs' }])
  })

  it('tells what the job waits for, beside the progress told last', async () => {
    const told: Progress[] = []
    const jobs: JobRunner = {
      ...fake,
      wait: async (job, options) => {
        options.onWaiting?.('0/1 nodes are available')
        options.onWaiting?.(null)
        options.onLine?.('{"progress": {"done": 1, "unit": "epochs"}}')
        options.onWaiting?.('the node is being drained')
        return fake.wait(job, {})
      },
    }
    await run({ jobs, onProgress: (progress) => told.push(progress) })
    expect(told).toEqual([
      { done: 0, unit: '', waiting: '0/1 nodes are available' },
      { done: 0, unit: '' },
      { done: 1, unit: 'epochs' },
      { done: 1, unit: 'epochs', waiting: 'the node is being drained' },
    ])
  })

  it('fails as the body failed; run again, it starts anew', async () => {
    body = async ({ write }) => {
      write('result.json', result({ ok: false, code: 'TOO_FEW_LABELS', message: 'label more', details: { labels: 3 } }))
      return 65
    }
    const failure = { code: 'TOO_FEW_LABELS', message: 'label more', details: { labels: 3 } }
    await expect(run()).rejects.toMatchObject(failure)
    await expect(run()).rejects.toMatchObject(failure)
    expect(starts).toBe(2)
  })

  it('fails with the last words of a job that ends without a result', async () => {
    body = async ({ complain }) => (complain('no CUDA device'), 1)
    await expect(run()).rejects.toMatchObject({
      code: 'JOB_FAILED',
      message: 'step train-classifier: exit code 1: no CUDA device',
    })
    body = async () => 0
    await expect(run()).rejects.toMatchObject({ message: 'step train-classifier: its job ended without a result' })
  })

  it('is tried again when its job was interrupted', async () => {
    body = async ({ complain }) => (complain('the store is away'), 75)
    await expect(run()).rejects.toMatchObject({ code: 'JOB_INTERRUPTED', retryable: true })
    expect(starts).toBe(1)
  })

  it('is harvested by the next attempt when the store was away for this one', async () => {
    const away = Object.assign(createMemoryStore(), {
      create: store.create.bind(store),
      get: () => Promise.reject(new PlatformError('STORE_UNAVAILABLE', 'away')),
    })
    const flaky = run({ store: away })
    await expect(flaky).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(await run({ attempt: 2 })).toEqual({ got: { epochs: 3 } })
    expect(starts).toBe(1)
  })

  describe('whose attempt ends before it', () => {
    const waitForStop: FakeProgram = async ({ stop, print, write }) => {
      print('ready')
      await stopped(stop)
      write('result.json', result({ ok: true, output: 'never asked for' }))
      return 76
    }
    /** Starts, and aborts as soon as the job runs. */
    const runUntilStarted = async (jobs: JobRunner, reason: Error) => {
      const abort = new AbortController()
      const watched: JobRunner = {
        ...jobs,
        wait: (job, options) => jobs.wait(job, { ...options, onLine: () => abort.abort(reason) }),
      }
      return run({ jobs: watched, signal: abort.signal })
    }

    it('is cancelled and forgotten when a person decided so', async () => {
      body = waitForStop
      const jobs = { ...fake, outlivesOwner: true }
      await expect(runUntilStarted(jobs, new Error('cancelled'))).rejects.toThrow('cancelled')
      await expect(fake.wait(name, {})).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
    })

    it('goes on when the attempt is handed over, and is adopted by the next one', async () => {
      let release = (): void => undefined
      body = async ({ print, write }) => {
        print('ready')
        await new Promise<void>((resolve) => (release = resolve))
        write('result.json', result({ ok: true, output: 'adopted' }))
        return 0
      }
      const jobs = { ...fake, outlivesOwner: true }
      await expect(runUntilStarted(jobs, new HandOver('the worker was shut down'))).rejects.toThrow(HandOver)
      const next = run({ jobs, attempt: 2 })
      release()
      expect(await next).toBe('adopted')
      expect(starts).toBe(1)
    })

    it('is ended on a hand-over where jobs end with their owner', async () => {
      body = waitForStop
      await expect(runUntilStarted(fake, new HandOver('the worker was shut down'))).rejects.toThrow(HandOver)
      await expect(fake.wait(name, {})).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
    })
  })

  it('begins anew where an attempt before it cancelled the job and died', async () => {
    const first = body
    body = async ({ stop }) => (await stopped(stop), 76)
    const running = run()
    running.catch(() => undefined)
    while (starts === 0) await new Promise((resolve) => setImmediate(resolve))
    body = first
    await fake.cancel(name)
    expect(await running).toEqual({ got: { epochs: 3 } })
    expect(starts).toBe(2)
  })

  it('replaces a job of the same node that another plan left', async () => {
    const own = body
    body = async ({ stop }) => (await stopped(stop), 76)
    await fake.start({ name, command: ['job'], env: { OTHER: 'plan' }, timeoutMs: 60_000, graceMs: 10 })
    body = own
    expect(await run()).toEqual({ got: { epochs: 3 } })
  })
})

describe('the name of a job', () => {
  it('is that of its node, and no longer than 50 characters', () => {
    expect(jobNameOf('run-1', 'train')).toMatch(/^gyre-train-[0-9a-f]{16}$/)
    expect(jobNameOf('run-1', 'train')).not.toBe(jobNameOf('run-2', 'train'))
    expect(jobNameOf('run-1', 'n'.repeat(40))).toHaveLength(48)
  })
})
