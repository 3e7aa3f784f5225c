import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createKubernetesJobRunner, type KubernetesJobRunner } from '#adapter/compute/kubernetes/jobs'
import type { JobOutcome, JobSpec } from '#core/compute'
import { silentLogger } from '#core/log'
import { blobKey, createMemoryStore, putBlob } from '#core/storage'
import { clusterSettings } from '../../../support/cluster-settings.ts'
import { startFakeKube, type FakeKube } from '../../../support/fake-kube.ts'
import { playKubelet, type FakeKubelet } from '../../../support/fake-kubelet.ts'
import { startPresignedStore, type PresignedStore } from '../../../support/presigned-store.ts'
import { supervisor } from '../../../support/supervisor.ts'

const program = (name: string, ...args: readonly string[]) => [
  process.execPath,
  path.resolve('test/fixtures/job-programs.mjs'),
  name,
  ...args,
]
const spec = (changes: Partial<JobSpec> = {}): JobSpec => ({
  name: 'train',
  command: program('print', '3'),
  env: {},
  timeoutMs: 60_000,
  graceMs: 5_000,
  ...changes,
})
const threeLines = ['line 0', 'line 1', 'line 2']

describe.skipIf(supervisor.missing)(`jobs on Kubernetes ${supervisor.missing}`.trimEnd(), () => {
  let kube: FakeKube
  let objects: PresignedStore
  let kubelet: FakeKubelet | null
  let runners: KubernetesJobRunner[]
  const open = (): KubernetesJobRunner => {
    const runner = createKubernetesJobRunner({
      ...clusterSettings(kube.api),
      objects: objects.store,
      log: silentLogger(),
    })
    runners.push(runner)
    return runner
  }
  const plays = async () => (kubelet = await playKubelet(kube, supervisor.path))
  /** Starts and waits. */
  const run = async (runner: KubernetesJobRunner, job: JobSpec) => {
    await runner.start(job)
    return watch(runner, job.name)
  }
  const watch = async (runner: KubernetesJobRunner, name: string, onLine: (line: string) => void = () => undefined) => {
    const lines: string[] = []
    const waits: (string | null)[] = []
    const outcome = await runner.wait(name, {
      onLine: (line) => (lines.push(line), onLine(line)),
      onWaiting: (sentence) => waits.push(sentence),
    })
    return { outcome, lines, waits }
  }

  beforeEach(async () => {
    kube = await startFakeKube()
    objects = await startPresignedStore()
    kubelet = null
    runners = []
  })
  afterEach(async () => {
    for (const runner of runners) runner.stop()
    await kubelet?.stop()
    await kube.stop()
    await objects.stop()
  })

  it('need a store that Pods can reach', () => {
    const settings = { ...clusterSettings(kube.api), objects: createMemoryStore(), log: silentLogger() }
    expect(() => createKubernetesJobRunner(settings)).toThrow(
      expect.objectContaining({ code: 'CLUSTER_REFUSED' }) as Error,
    )
  })

  it('leave neither Job, Pod nor Secret behind when they are removed', async () => {
    await plays()
    const runner = open()
    await run(runner, spec())
    await runner.remove('train')
    await kube.until(() => ['jobs', 'pods', 'secrets'].every((kind) => kube.list(kind).length === 0))
    expect((await run(runner, spec())).lines).toEqual(threeLines)
    expect(kube.list('jobs').map(({ metadata }) => metadata.name as string)).toEqual(['train-g2'])
  })

  describe('through faults of the API server', () => {
    it.each([
      ['whose answer was lost', { kind: 'lost-answer' }],
      ['that was cut', { kind: 'reset' }],
      ['that came to a busy server', { kind: 'status', status: 429, retryAfterSeconds: 0 }],
      ['that came to a server in trouble', { kind: 'status', status: 503 }],
      ['that a webhook let time out', { kind: 'status', status: 500 }],
    ] as const)('are made once by a request %s', async (_, fault) => {
      await plays()
      kube.fault({ method: 'POST', path: /\/jobs$/ }, fault)
      kube.fault({ method: 'POST', path: /\/secrets$/ }, fault)
      expect(await run(open(), spec())).toMatchObject({ outcome: { kind: 'succeeded' }, lines: threeLines })
      expect(kubelet!.started).toHaveLength(1)
    })

    it('are watched to their end, each line once, while every connection breaks', async () => {
      await plays()
      const runner = open()
      await runner.start(spec({ command: program('slow', '40', '25') }))
      let lines = 0
      const breaks = ['reset', 'cut', 'expire', 'end'] as const
      const result = await watch(runner, 'train', () => {
        if (++lines % 8 === 0) kube.breakStreams(breaks[(lines / 8) % 4]!)
      })
      expect(result.lines).toEqual(Array.from({ length: 40 }, (_, i) => `line ${i}`))
      expect(result.outcome).toMatchObject({ kind: 'succeeded' })
    })

    it('go on while it restarts, and their lines come all the same', async () => {
      await plays()
      const runner = open()
      await runner.start(spec({ command: program('slow', '20', '25') }))
      let restarted: Promise<void> | null = null
      const result = await watch(runner, 'train', () => void (restarted ??= kube.restart()))
      await restarted
      expect(result).toMatchObject({
        outcome: { kind: 'succeeded' },
        lines: Array.from({ length: 20 }, (_, i) => `line ${i}`),
      })
      expect(kubelet!.started).toHaveLength(1)
    })

    it('are deleted on cancellation by a request whose answer was lost', async () => {
      await plays()
      const runner = open()
      await runner.start(spec({ command: program('until-stopped') }))
      kube.fault({ method: 'DELETE', path: /\/jobs\// }, { kind: 'lost-answer' })
      const { outcome } = await watch(runner, 'train', (line) => line === 'ready' && void runner.cancel('train'))
      expect(outcome).toEqual({ kind: 'cancelled' })
      await kube.until(() => kube.list('jobs').length === 0)
    })

    it('name the permission that is missing', async () => {
      kube.forbid('create', 'jobs')
      await expect(open().start(spec())).rejects.toMatchObject({
        code: 'CLUSTER_REFUSED',
        message: expect.stringContaining('cannot create resource "jobs" in API group "batch"') as string,
      })
    })

    it('are tried again when a quota is full, and given up when they are invalid', async () => {
      const refuse = (status: number, message: string) =>
        kube.fault({ method: 'POST', path: /\/jobs$/ }, { kind: 'status', status, message })
      refuse(403, 'jobs "train-g1" is forbidden: exceeded quota: team')
      await expect(open().start(spec())).rejects.toMatchObject({ code: 'CLUSTER_UNAVAILABLE', retryable: true })
      refuse(422, 'Job is invalid: spec.nodeSelector')
      await expect(open().start(spec())).rejects.toMatchObject({ code: 'JOB_FAILED', retryable: false })
    })
  })

  describe('through the death of their worker', () => {
    it('are made by the next one when it died after it had decided to', async () => {
      await plays()
      kube.fault({ method: 'POST', path: /\/jobs$/ }, { kind: 'status', status: 422, message: 'as if it had died' })
      await expect(open().start(spec())).rejects.toThrow()
      expect(await run(open(), spec())).toMatchObject({ outcome: { kind: 'succeeded' }, lines: threeLines })
    })

    it('get their Secret from the next one when it died before making it', async () => {
      await plays()
      kube.fault({ method: 'POST', path: /\/secrets$/ }, { kind: 'status', status: 422, message: 'as if it had died' })
      await expect(open().start(spec())).rejects.toThrow()
      expect(await run(open(), spec())).toMatchObject({ outcome: { kind: 'succeeded' }, lines: threeLines })
      expect(kubelet!.started).toHaveLength(1)
    })

    it('are harvested by the next one, also when their Job is long gone', async () => {
      await plays()
      await open().start(spec())
      await kube.until(() => kube.get('jobs', 'train-g1')['status']?.conditions?.[0]?.type === 'Complete')
      kube.delete('jobs', 'train-g1')
      expect(await run(open(), spec())).toMatchObject({ outcome: { kind: 'succeeded' }, lines: threeLines })
      expect(kubelet!.started).toHaveLength(1)
    })

    it('do not outlive a decision that came while they were made', async () => {
      const release = kube.on('ADDED', 'jobs', () => void open().cancel('train'))
      await open().start(spec())
      await kube.until(() => kube.list('jobs').length === 0)
      release()
      expect(await open().wait('train', {})).toEqual({ kind: 'cancelled' })
    })
  })

  it('refuse the name of a Job that was made from something else', async () => {
    kube.put('jobs', { metadata: { name: 'train-g1', annotations: { 'gyre.io/spec-sha256': 'other' } } })
    await expect(open().start(spec())).rejects.toMatchObject({ code: 'JOB_CONFLICT' })
  })

  it('begin again after somebody deleted their Job', async () => {
    const runner = open()
    await runner.start(spec())
    const waiting = watch(runner, 'train')
    kube.delete('jobs', 'train-g1')
    expect((await waiting).outcome).toMatchObject({
      kind: 'interrupted',
      message: 'its Job was deleted by somebody else',
    })
    await plays()
    expect(await run(runner, spec())).toMatchObject({ outcome: { kind: 'succeeded' } })
  })

  it('go on in another Pod after an eviction, and say so; lines of both come in order', async () => {
    await plays()
    const runner = open()
    await runner.start(spec({ command: program('until-stopped') }))
    let evicted = false
    const result = await watch(runner, 'train', (line) => {
      if (line !== 'ready') return
      if (evicted) return void runner.cancel('train')
      evicted = true
      const [pod] = kube.podsOf('train-g1')
      void kube.api.request('POST', `${kube.collection('pods')}/${pod!['metadata'].name}/eviction`, { body: {} })
    })
    expect(result.outcome).toEqual({ kind: 'cancelled' })
    expect(result.lines).toEqual(['ready', 'stopping', 'ready', 'stopping'])
    expect(result.waits).toContain('its Pod is being replaced: Eviction API: evicting')
    expect(kubelet!.started).toHaveLength(2)
  })

  it('go on in another Pod after they yielded', async () => {
    await plays()
    const runner = open()
    await runner.start(spec({ command: program('exit', '76') }))
    const waiting = runner.wait('train', {})
    await kube.until(() => kubelet!.started.length === 3)
    await runner.cancel('train')
    expect(await waiting).toEqual({ kind: 'cancelled' })
  })

  it('that ran out of memory get more, three times, and then fail', async () => {
    kube.on('ADDED', 'jobs', ({ object }) => {
      const jobReason = 'PodFailurePolicy'
      kube.completeJob(object['metadata'].name as string, { exitCode: 137, reason: 'OOMKilled', jobReason })
    })
    const runner = open()
    const job = spec({ resources: { memory: '1Gi' } })
    const outcomes: JobOutcome[] = []
    const limits: string[] = []
    for (let attempt = 0; attempt < 4; attempt++) {
      await runner.start(job)
      const [made] = kube.list('jobs')
      limits.push(made!['spec'].template.spec.containers[0].resources.limits.memory as string)
      outcomes.push(await runner.wait('train', {}))
    }
    expect(limits).toEqual(['1Gi', '1536Mi', '2304Mi', '3456Mi'])
    expect(outcomes.map(({ kind }) => kind)).toEqual(['interrupted', 'interrupted', 'interrupted', 'failed'])
    expect(outcomes[3]).toMatchObject({
      message: 'ran out of memory at its limit of 3456Mi, after 3 enlargements; give it more from the start',
    })
  })

  it('tell what the scheduler says, once, and that they run', async () => {
    const runner = open()
    await runner.start(spec())
    const waits: (string | null)[] = []
    const waiting = runner.wait('train', { onWaiting: (sentence) => waits.push(sentence) })
    const pod = kube.podOf('train-g1')['metadata'].name as string
    const message = '0/1 nodes are available: 1 Insufficient nvidia.com/gpu.'
    const unschedulable = { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }] }
    kube.setStatus('pods', pod, unschedulable)
    await kube.until(() => waits.length > 0)
    kube.setStatus('pods', pod, { ...unschedulable, phase: 'Pending' })
    kube.setStatus('pods', pod, { conditions: [{ type: 'PodScheduled', status: 'True' }] })
    kube.runPod(pod)
    await kube.until(() => kube.openStreams('log') === 1)
    await runner.cancel('train')
    expect(await waiting).toEqual({ kind: 'cancelled' })
    expect(waits).toEqual([message, null])
  })

  it('whose image does not exist fail, and their Job is deleted', async () => {
    const runner = open()
    await runner.start(spec({ image: 'registry/no-such:1' }))
    const pod = kube.podOf('train-g1')['metadata'].name as string
    const waiting = { reason: 'ImagePullBackOff', message: 'Back-off pulling image: not found' }
    kube.setStatus('pods', pod, {
      startTime: new Date(Date.now() - 240_000).toISOString(),
      containerStatuses: [{ name: 'job', state: { waiting } }],
    })
    expect(await runner.wait('train', {})).toMatchObject({
      kind: 'failed',
      message: 'its image cannot be had: Back-off pulling image: not found',
    })
    expect(kube.list('jobs')).toEqual([])
  })

  it('whose outputs are not what their supervisor sent are no success', async () => {
    await plays()
    const runner = open()
    const { sha256 } = await putBlob(objects.store, Buffer.from('true bytes'))
    await runner.start(spec({ command: program('copy', 'in', 'out', '0'), inputs: { in: sha256 }, outputs: ['out'] }))
    await kube.until(() => kube.get('jobs', 'train-g1')['status']?.conditions?.[0]?.type === 'Complete')
    await objects.store.delete(blobKey(sha256))
    await objects.store.delete('jobs/train/000001/out/out')
    await objects.store.create('jobs/train/000001/out/out', Buffer.from('other bytes'))
    await expect(runner.wait('train', {})).rejects.toMatchObject({ code: 'OBJECT_CORRUPT' })
  })
})
