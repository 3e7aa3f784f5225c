import { describe, expect, it } from 'vitest'
import { revisionStatus, type DeploymentObject, type ReplicaPod } from '#adapter/compute/kubernetes/replica-trouble'

const PATIENCE_MS = 60_000
const record = { revision: 3, replicas: 2 }

const deployment = (ready: number, conditions: object[] = []): DeploymentObject => ({
  metadata: { name: 'parts-r3' },
  spec: { replicas: 2 },
  status: { readyReplicas: ready, conditions: conditions as never },
})

type Container = NonNullable<NonNullable<ReplicaPod['status']>['containerStatuses']>[number]

const pod = (container: Partial<Container>, ageMs = 0, conditions: object[] = []): ReplicaPod => ({
  metadata: { name: 'parts-r3-abc', creationTimestamp: new Date(Date.now() - ageMs).toISOString() },
  spec: { containers: [{ image: 'registry.test/i:1', resources: { limits: { memory: '1Gi' } } }] },
  status: {
    conditions: conditions as never,
    containerStatuses: [{ ready: false, restartCount: 0, ...container }],
  },
})

const waiting = (reason: string, message = '') => ({ state: { waiting: { reason, message } } })
const ended = (message: string, restartCount: number, reason = 'Error') => ({
  restartCount,
  lastState: { terminated: { exitCode: 1, reason, message } },
})
const of = (pods: ReplicaPod[], conditions: object[] = []) =>
  revisionStatus(record, deployment(0, conditions), pods, PATIENCE_MS)

describe('a revision on a cluster', () => {
  it('is as its Deployment says', () => {
    expect(revisionStatus(record, null, [], PATIENCE_MS)).toMatchObject({ wanted: 2, ready: 0, trouble: null })
    expect(revisionStatus(record, deployment(2), [], PATIENCE_MS)).toEqual({
      revision: 3,
      wanted: 2,
      ready: 2,
      trouble: null,
      waiting: null,
    })
  })

  it('waits, in the scheduler’s words, where no node has room', () => {
    const words = '0/1 nodes are available: 1 Insufficient cpu.'
    const unschedulable = [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: words }]
    const late = [{ type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' }]
    for (const conditions of [[], late])
      expect(of([{ ...pod({}, 0, unschedulable) }], conditions)).toMatchObject({
        trouble: null,
        waiting: `a replica waits for room: ${words}`,
      })
  })

  it('waits for an image or a Secret that may still come, then is in trouble', () => {
    for (const reason of ['ErrImagePull', 'ImagePullBackOff', 'CreateContainerConfigError']) {
      const sentence = `${reason}: not there`
      expect(of([pod(waiting(reason, 'not there'), 1_000)])).toMatchObject({ trouble: null, waiting: sentence })
      expect(of([pod(waiting(reason, 'not there'), 61_000)])).toMatchObject({ trouble: sentence, waiting: null })
    }
  })

  it('is in trouble at once over what cannot pass', () => {
    expect(of([pod(waiting('InvalidImageName'))]).trouble).toBe('InvalidImageName: registry.test/i:1')
  })

  it('tells the last words of a replica that can never start', () => {
    const log = '{"level":50,"msg":"…"}\n{"fatal":"blob 12 holds other bytes","code":"OBJECT_CORRUPT"}\n'
    expect(of([pod(ended(log, 0))]).trouble).toBe('blob 12 holds other bytes')
  })

  it('lets a replica try three times where trying again may help', () => {
    const log = '{"fatal":"the store does not answer","code":"STORE_UNAVAILABLE"}'
    expect(of([pod(ended(log, 1))]).trouble).toBeNull()
    expect(of([pod(ended(log, 2))]).trouble).toBe('the store does not answer')
    expect(of([pod(ended('cannot find module x\n', 2))]).trouble).toBe(
      'a replica ends with exit code 1: cannot find module x',
    )
  })

  it('reads no sense into words that were cut off', () => {
    expect(of([pod(ended('{"fatal":"a very lo', 0))]).trouble).toBeNull()
  })

  it('names the limit that memory ran into', () => {
    expect(of([pod(ended('', 2, 'OOMKilled'))]).trouble).toBe('a replica needs more memory than its limit of 1Gi')
  })

  it('waits for quota, but not for a policy that forbids its Pods', () => {
    const failure = (message: string) => [{ type: 'ReplicaFailure', status: 'True', message }]
    expect(of([], failure('exceeded quota: team'))).toMatchObject({
      trouble: null,
      waiting: 'no Pod can be made: exceeded quota: team',
    })
    expect(of([], failure('violates PodSecurity'))).toMatchObject({
      trouble: 'no Pod can be made: violates PodSecurity',
      waiting: null,
    })
  })

  it('is late when nothing else is known', () => {
    const late = [{ type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' }]
    expect(of([], late).trouble).toMatch(/was not ready in time/)
  })

  it('takes no notice of Pods that end, or that are ready', () => {
    const gone = pod(ended('{"fatal":"x","code":"OBJECT_CORRUPT"}', 0))
    const ending = { ...gone, metadata: { ...gone.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }
    expect(of([ending, pod({ ...ended('{"fatal":"x","code":"OBJECT_CORRUPT"}', 5), ready: true })])).toMatchObject({
      trouble: null,
      waiting: null,
    })
  })
})
