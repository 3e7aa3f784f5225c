import { beforeEach, describe, expect, it } from 'vitest'
import { createFakeJobRunner, type FakeProgram, type JobRunner, type JobSpec } from '#core/compute'
import { runContainer, type BodyRequest, type Progress } from '#core/execution'
import type { Spoken } from '#core/log'
import type { PlanContainer } from '#core/plan'
import { createMemoryStore, putBlob, readBlob, sha256Hex, type ObjectStore } from '#core/storage'
import { PlatformError } from '#core/errors'

const container: PlanContainer = { image: 'python:3.12', command: ['tool', '--fast'], files: ['weights.bin'] }
const request: BodyRequest = {
  step: 'shrink',
  input: { bits: 8 },
  run: 'run-1',
  node: 'shrink',
  attempt: 1,
  container,
  store: { uri: 'memory://test', project: 'default' },
  bundle: 'b'.repeat(64),
  scratchDir: '/tmp/s',
  bundleDir: '/tmp/b',
}
const json = (value: unknown) => Buffer.from(JSON.stringify(value))

describe('a container step', () => {
  let store: ObjectStore
  let checks: (readonly [string | undefined, unknown])[]
  let started: JobSpec[]
  let tool: FakeProgram
  const run = (
    changes: Partial<BodyRequest> = {},
    onProgress: (progress: Progress) => void = () => undefined,
    onLog: (line: Spoken) => void = () => undefined,
  ) => {
    const fake = createFakeJobRunner({ tool: (io) => tool(io) }, store)
    const jobs: JobRunner = { ...fake, start: (spec) => (started.push(spec), fake.start(spec)) }
    const check = async ({ check: which, input }: BodyRequest) => {
      checks.push([which, input])
      return which === 'input' ? { ...(input as object), seed: 7 } : input
    }
    const hooks = { signal: new AbortController().signal, onProgress, onSession: () => undefined, onLog }
    return runContainer({ ...request, ...changes }, hooks, { jobs, store, check })
  }

  beforeEach(() => {
    store = createMemoryStore()
    checks = []
    started = []
    tool = async ({ write }) => {
      write('output.json', json({ error: 0.5 }))
      write('weights.bin', Buffer.from('weights'))
      return 0
    }
  })

  it('gives the checked result with the blobs of its files', async () => {
    const blob = { sha256: sha256Hex(Buffer.from('weights')), sizeBytes: 7 }
    expect(await run()).toEqual({ error: 0.5, files: { 'weights.bin': blob } })
    expect(Buffer.from(await readBlob(store, blob)).toString()).toBe('weights')
    expect(checks.map(([which]) => which)).toEqual(['input', 'output'])
  })

  it('passes on what it says on both streams, save the progress that it tells', async () => {
    const said: string[] = []
    const plain = tool
    tool = async (io) => {
      io.print('{"progress": {"done": 1, "unit": "layers"}}')
      io.print('pruned 3 layers')
      io.complain('low memory')
      return plain(io)
    }
    await run({}, undefined, ({ text }) => said.push(text))
    expect(said).toEqual(['pruned 3 layers', 'low memory'])
  })

  it('gives the command its parsed input, and every blob that the input names', async () => {
    const blob = await putBlob(store, Buffer.from('a model'))
    let seen: Readonly<Record<string, string>> = {}
    const plain = tool
    tool = (io) => {
      seen = Object.fromEntries(Object.entries(io.inputs).map(([name, bytes]) => [name, Buffer.from(bytes).toString()]))
      return plain(io)
    }
    await run({ input: { deep: { model: blob } } })
    expect(seen).toEqual({
      'input.json': JSON.stringify({ deep: { model: blob }, seed: 7 }),
      [blob.sha256]: 'a model',
    })
  })

  it('runs in its image, with its resources, where it is told to', async () => {
    const placement = { nodeSelector: { zone: 'a' } }
    const resources = { memory: '2Gi', gpus: 1 }
    await run({ container: { ...container, env: { MODE: 'x' }, resources, placement }, timeoutMs: 90_000 })
    expect(started).toMatchObject([
      {
        image: 'python:3.12',
        command: ['tool', '--fast'],
        env: { MODE: 'x' },
        resources,
        placement,
        timeoutMs: 90_000,
      },
    ])
  })

  it('is adopted by a retry: the attempt and the worker are no part of what it is', async () => {
    await run()
    await run({ attempt: 2, scratchDir: '/tmp/of-another-worker' })
    expect(started[1]).toEqual(started[0])
  })

  it('shows the progress that its command prints', async () => {
    const told: Progress[] = []
    const plain = tool
    tool = (io) => {
      io.print('{"progress": {"done": 3, "total": 10, "unit": "epochs"}}')
      return plain(io)
    }
    await run({}, (progress) => told.push(progress))
    expect(told).toEqual([{ done: 3, total: 10, unit: 'epochs' }])
  })

  it('fails with the cause that its command gave', async () => {
    tool = async ({ complain }) => (complain('CUDA out of memory'), 1)
    await expect(run()).rejects.toMatchObject({
      code: 'JOB_FAILED',
      message: 'step shrink: exit code 1: CUDA out of memory',
    })
  })

  it('fails when it does not leave what it promised', async () => {
    tool = async ({ write }) => (write('output.json', json({})), 0)
    await expect(run()).rejects.toMatchObject({
      code: 'STEP_OUTPUT_INVALID',
      message: 'step shrink left no weights.bin in $GYRE_OUTPUT',
    })
    tool = async ({ write }) => (write('output.json', Buffer.from('{')), write('weights.bin', Buffer.from('')), 0)
    await expect(run()).rejects.toMatchObject({ message: 'output.json of step shrink is no JSON' })
  })

  it('does not start with an input that its schema refuses', async () => {
    const fake = createFakeJobRunner({}, store)
    const refuse = () => Promise.reject(new PlatformError('INVALID_INPUT', 'bits: too few'))
    const hooks = { signal: new AbortController().signal, onProgress: () => undefined, onSession: () => undefined }
    await expect(runContainer(request, hooks, { jobs: fake, store, check: refuse })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
  })
})
