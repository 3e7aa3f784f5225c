import { describe, expect, it } from 'vitest'
import { classify, enlarged, type Evidence, type JobEnd, type Verdict } from '#adapter/compute/kubernetes/classify'
import type { Condition, ContainerStatus, JobObject, PodObject } from '#adapter/compute/kubernetes/job-objects'

const NOW = Date.parse('2026-01-01T01:00:00Z')
const minutesAgo = (minutes: number) => new Date(NOW - minutes * 60_000).toISOString()

const job = (...conditions: Partial<Condition>[]): JobObject => ({
  metadata: { name: 'j-g1' },
  status: { conditions: conditions.map((it) => ({ type: 'Failed', status: 'True', ...it })) },
})
const complete = job({ type: 'Complete' })
const failedBy = (reason: string, message = 'the words of the Job controller') => job({ reason, message })
const byPolicy = (code: number) =>
  failedBy(
    'PodFailurePolicy',
    `Container job for pod gyre/p failed with exit code ${code} matching FailJob rule at index 2`,
  )

interface PodFacts {
  readonly exit?: number
  readonly reason?: string
  readonly message?: string
  readonly waiting?: { readonly reason: string; readonly message?: string }
  readonly init?: boolean
  readonly conditions?: readonly Condition[]
  readonly minutes?: number
}
const pod = ({ exit, reason, message, waiting, init, conditions, minutes = 0 }: PodFacts): PodObject => {
  const terminated =
    exit === undefined
      ? {}
      : { terminated: { exitCode: exit, ...(reason ? { reason } : {}), ...(message ? { message } : {}) } }
  const status: ContainerStatus = { name: 'job', state: { ...terminated, ...(waiting ? { waiting } : {}) } }
  return {
    metadata: { name: 'p', creationTimestamp: minutesAgo(minutes) },
    status: {
      phase: exit === undefined ? 'Pending' : 'Failed',
      startTime: minutesAgo(minutes),
      ...(conditions ? { conditions } : {}),
      ...(init ? { initContainerStatuses: [status] } : { containerStatuses: [status] }),
    },
  }
}
const disrupted: Condition = {
  type: 'DisruptionTarget',
  status: 'True',
  reason: 'EvictionByEvictionAPI',
  message: 'Eviction API: evicting',
}
const outputs = { 'result.json': { sha256: 'a'.repeat(64), sizeBytes: 1 } }
const end = (facts: Partial<JobEnd>): JobEnd => ({
  exitCode: 0,
  signal: null,
  oom: false,
  lastWords: '',
  outputs: {},
  ...facts,
})

const evidence = (facts: Partial<Evidence>): Evidence => ({
  job: job(),
  pods: [],
  hadPod: false,
  end: null,
  timeoutMs: 60_000,
  memory: '1Gi',
  enlargements: 0,
  nowMs: NOW,
  ...facts,
})
const verdict = (facts: Partial<Evidence>): Verdict => classify(evidence(facts))
const outcome = (facts: Partial<Evidence>) => {
  const found = verdict(facts)
  return found.kind === 'over' ? found.outcome : found
}

describe('how a job ended', () => {
  const rows: readonly (readonly [what: string, facts: Partial<Evidence>, outcome: object])[] = [
    ['an end with 0 is a success', { job: complete, end: end({ outputs }) }, { kind: 'succeeded', outputs }],
    [
      'an end with 65 is the user’s, with the last words and the outputs',
      { job: byPolicy(65), end: end({ exitCode: 65, lastWords: 'no such class', outputs }) },
      { kind: 'failed', exitCode: 65, message: 'exit code 65: no such class', outputs },
    ],
    [
      'an end by a signal is interrupted',
      { job: byPolicy(139), end: end({ exitCode: null, signal: 'SEGV' }) },
      { kind: 'interrupted', exitCode: null, message: 'ended by SIGSEGV' },
    ],
    ['an end counts although the Job was deleted', { job: null, end: end({}) }, { kind: 'succeeded', outputs: {} }],
    [
      'an end counts although its Pod was evicted a moment later',
      { job: complete, pods: [pod({ exit: 0, conditions: [disrupted] })], end: end({}) },
      { kind: 'succeeded', outputs: {} },
    ],
    [
      'the time limit counts before what the command made of SIGTERM',
      { job: failedBy('DeadlineExceeded'), end: end({ exitCode: 1, outputs }) },
      { kind: 'failed', exitCode: 124, message: 'ran longer than its limit of 60 s', outputs },
    ],
    [
      'the time limit counts as soon as the Job controller acts on it',
      { job: job({ type: 'FailureTarget', reason: 'DeadlineExceeded' }), end: end({ exitCode: 1 }) },
      { kind: 'failed', exitCode: 124, message: 'ran longer than its limit of 60 s', outputs: {} },
    ],
    ['an end counts before the Job controller knows', { job: job(), end: end({}) }, { kind: 'succeeded', outputs: {} }],
    [
      'the time limit counts without an end',
      { job: failedBy('DeadlineExceeded'), pods: [pod({ exit: 76 })] },
      { kind: 'failed', exitCode: 124, message: 'ran longer than its limit of 60 s', outputs: {} },
    ],
    [
      'a success in the last second counts before the time limit',
      { job: failedBy('DeadlineExceeded'), end: end({}) },
      { kind: 'succeeded', outputs: {} },
    ],
    [
      'complete without an end is no success',
      { job: complete, pods: [pod({ exit: 0 })] },
      {
        kind: 'failed',
        exitCode: null,
        message: 'the cluster says that it succeeded, but it left no record of its end; so it does not count',
        outputs: {},
      },
    ],
    [
      'gone without an end is interrupted',
      { job: null },
      { kind: 'interrupted', exitCode: null, message: 'its Job was deleted by somebody else' },
    ],
    [
      'an eviction counts before the 137 that it ends with',
      { job: byPolicy(137), pods: [pod({ exit: 137, reason: 'OOMKilled', conditions: [disrupted] })] },
      { kind: 'interrupted', exitCode: null, message: 'its Pod was ended by the cluster: Eviction API: evicting' },
    ],
    [
      '137 without a cause is interrupted',
      { job: byPolicy(137), pods: [pod({ exit: 137, reason: 'Error' })] },
      { kind: 'interrupted', exitCode: 137, message: 'ended by signal 9' },
    ],
    [
      '75 after every try is interrupted, with the last words of standard error',
      {
        job: failedBy('BackoffLimitExceeded'),
        pods: [pod({ exit: 75, message: 'progress\nstderr| the store is away\nmore progress' })],
      },
      { kind: 'interrupted', exitCode: 75, message: 'asked to be tried again: the store is away' },
    ],
    [
      'a Pod that its node refused is interrupted, with the kubelet’s words',
      {
        job: failedBy('BackoffLimitExceeded'),
        pods: [
          {
            metadata: { name: 'p' },
            status: { phase: 'Failed', reason: 'UnexpectedAdmissionError', message: 'Allocate failed: no GPU' },
          },
        ],
      },
      { kind: 'interrupted', exitCode: null, message: 'Allocate failed: no GPU (UnexpectedAdmissionError)' },
    ],
    [
      'the exit code in the Job’s condition speaks for a Pod that is gone',
      { job: byPolicy(143) },
      { kind: 'interrupted', exitCode: 143, message: 'ended by signal 15' },
    ],
    [
      'a supervisor that crashed is a failure',
      { job: byPolicy(2), pods: [pod({ exit: 2, message: 'stderr| panic: x' })] },
      { kind: 'failed', exitCode: 2, message: 'exit code 2: panic: x', outputs: {} },
    ],
  ]
  it.each(rows)('%s', (_, facts, expected) => {
    expect(outcome(facts)).toEqual(expected)
  })
})

describe('a job that ran out of memory', () => {
  const oom = { job: byPolicy(137), pods: [pod({ exit: 137, reason: 'OOMKilled' })] }

  it('gets half as much again in its next generation', () => {
    expect(verdict(oom)).toEqual({
      kind: 'over',
      outcome: {
        kind: 'interrupted',
        exitCode: 137,
        message: 'ran out of memory at its limit of 1Gi; the next attempt gets 1536Mi',
      },
      enlarge: true,
    })
  })

  it('is known by its end too, where a process of the command was killed', () => {
    expect(verdict({ job: byPolicy(1), end: end({ exitCode: 1, oom: true }) })).toMatchObject({ enlarge: true })
    expect(outcome({ job: complete, end: end({ exitCode: 0, oom: true }) })).toMatchObject({ kind: 'succeeded' })
  })

  it('fails after three enlargements, with the limit', () => {
    expect(outcome({ ...oom, memory: '3456Mi', enlargements: 3 })).toEqual({
      kind: 'failed',
      exitCode: null,
      message: 'ran out of memory at its limit of 3456Mi, after 3 enlargements; give it more from the start',
      outputs: {},
    })
  })

  it('has no limit to enlarge where none was given', () => {
    expect(verdict({ ...oom, memory: null })).toMatchObject({ outcome: { kind: 'interrupted' } })
    expect(verdict({ ...oom, memory: null })).not.toHaveProperty('enlarge')
  })

  it.each([
    ['1Gi', '1536Mi'],
    ['512Mi', '768Mi'],
    ['1.5Gi', '2304Mi'],
    ['1000000k', '1431Mi'],
    ['2147483648', '3072Mi'],
    ['odd', 'odd'],
  ])('has %s enlarged to %s', (before, after) => {
    expect(enlarged(before)).toBe(after)
  })
})

describe('what an open job waits for', () => {
  const scheduled = (message: string): Condition => ({
    type: 'PodScheduled',
    status: 'False',
    reason: 'Unschedulable',
    message,
  })
  const pull = (reason: string, message: string, minutes: number, init = false) => ({
    pods: [pod({ waiting: { reason, message }, minutes, init })],
  })
  const WORDS = 'rpc error: code = NotFound desc = failed to pull'
  const NOT_FOUND = `Back-off pulling image "x/y:1": ErrImagePull: ${WORDS}`
  const open: readonly (readonly [what: string, facts: Partial<Evidence>, waiting: string | null])[] = [
    ['nothing while its first Pod is being made', {}, null],
    ['another Pod, where there was one', { hadPod: true }, 'its Pod is gone; the cluster makes another one'],
    [
      'nothing more when it is being deleted',
      { job: { metadata: { name: 'j-g1', deletionTimestamp: minutesAgo(0) } }, hadPod: true },
      null,
    ],
    ['nothing when its Pod failed for good: the Job follows', { pods: [pod({ exit: 137 })] }, null],
    ['nothing while its Pod starts', { pods: [pod({ waiting: { reason: 'PodInitializing' } })] }, null],
    [
      'a node, in the scheduler’s words',
      { pods: [pod({ conditions: [scheduled('0/1 nodes are available: 1 Insufficient nvidia.com/gpu.')] })] },
      '0/1 nodes are available: 1 Insufficient nvidia.com/gpu.',
    ],
    ['an image, within the grace time', pull('ErrImagePull', NOT_FOUND, 2), `its image is not there yet: ${WORDS}`],
    [
      'a registry that is busy, however long',
      pull('ImagePullBackOff', '429 Too Many Requests', 60),
      'its image is not there yet: 429 Too Many Requests',
    ],
    [
      'a registry that does not answer, however long',
      pull('ImagePullBackOff', 'dial tcp: i/o timeout', 60),
      'its image is not there yet: dial tcp: i/o timeout',
    ],
    [
      'a Secret that comes late',
      pull('CreateContainerConfigError', 'secret "s" not found', 1),
      'its container is not made yet: secret "s" not found',
    ],
    [
      'a Pod in place of one that was evicted',
      { pods: [pod({ exit: 76, conditions: [disrupted] })] },
      'its Pod is being replaced: Eviction API: evicting',
    ],
    [
      'a Pod in place of one that yielded',
      { pods: [pod({ exit: 76 })] },
      'stopped with a checkpoint when it was told to; another Pod goes on',
    ],
    [
      'a Pod in place of one that asked for it',
      { pods: [pod({ exit: 75, message: 'stderr| the store is away' })] },
      'exit code 75: the store is away; another Pod is made',
    ],
    [
      'the newest of its Pods',
      {
        pods: [
          pod({ conditions: [scheduled('1 node(s) were unschedulable')], minutes: 1 }),
          {
            ...pod({ exit: 76, conditions: [disrupted], minutes: 5 }),
            metadata: { name: 'z', creationTimestamp: minutesAgo(5) },
          },
        ],
      },
      '1 node(s) were unschedulable',
    ],
    [
      'its turn in a queue',
      { job: { ...job(), spec: { suspend: true } } },
      'waits for its turn in the queue of the cluster',
    ],
  ]
  it.each(open)('%s', (_, facts, waiting) => {
    expect(verdict(facts)).toEqual({ kind: 'open', waiting })
  })

  const hopeless: readonly (readonly [what: string, facts: Partial<Evidence>, message: string])[] = [
    [
      'an image that does not exist, after three minutes',
      pull('ImagePullBackOff', NOT_FOUND, 3),
      `its image cannot be had: ${WORDS}`,
    ],
    [
      'an image that it may not have',
      pull('ErrImagePull', 'pull access denied, repository requires authorization', 3, true),
      'its image cannot be had: pull access denied, repository requires authorization',
    ],
    [
      'an image of a registry that is nowhere',
      pull('ErrImagePull', 'dial tcp: lookup registry.example: no such host', 3),
      'its image cannot be had: dial tcp: lookup registry.example: no such host',
    ],
    [
      'an image that is never pulled',
      pull('ErrImageNeverPull', 'Container image "x" is not present with pull policy of Never', 3),
      'its image cannot be had: Container image "x" is not present with pull policy of Never',
    ],
    [
      'an image whose name is none, at once',
      pull('InvalidImageName', 'couldn’t parse image name "A B"', 0),
      'its image has no valid name: couldn’t parse image name "A B"',
    ],
    [
      'a container that can never be made',
      pull('CreateContainerError', 'exec: "x": not found', 4),
      'its container cannot be made: exec: "x": not found',
    ],
  ]
  it.each(hopeless)('is given up: %s', (_, facts, message) => {
    expect(outcome(facts)).toEqual({ kind: 'failed', exitCode: null, message, outputs: {} })
  })
})
