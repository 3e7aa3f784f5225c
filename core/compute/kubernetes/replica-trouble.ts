/** What is wrong with the Pods of a revision, in one sentence: trouble that stays, or something to wait for. */

import { CATALOGUE, type ErrorCode } from '#core/errors'
import type { RevisionSpec, RevisionStatus } from '../services.ts'
import type { KubeObject } from './api.ts'

interface Condition {
  readonly type: string
  readonly status: string
  readonly reason?: string
  readonly message?: string
}

interface Terminated {
  readonly exitCode: number
  readonly reason?: string
  readonly message?: string
}

export interface DeploymentObject extends KubeObject {
  readonly spec?: { readonly replicas?: number }
  readonly status?: { readonly readyReplicas?: number; readonly conditions?: readonly Condition[] }
}

export interface ReplicaPod extends KubeObject {
  readonly spec?: {
    readonly containers?: readonly {
      readonly image?: string
      readonly resources?: { readonly limits?: { readonly memory?: string } }
      readonly ports?: readonly { readonly containerPort: number }[]
    }[]
  }
  readonly status?: {
    readonly podIP?: string
    readonly phase?: string
    readonly conditions?: readonly Condition[]
    readonly containerStatuses?: readonly {
      readonly ready: boolean
      readonly restartCount: number
      readonly state?: { readonly waiting?: { reason?: string; message?: string }; readonly terminated?: Terminated }
      readonly lastState?: { readonly terminated?: Terminated }
    }[]
  }
}

type Finding = { readonly kind: 'trouble' | 'waiting'; readonly sentence: string } | null

/** So often a start must fail before we say that it will not succeed. */
const STARTS_UNTIL_TROUBLE = 3
/** These pass by themselves, where somebody is just bringing the image or the Secret. */
const MAY_PASS = ['ErrImagePull', 'ImagePullBackOff', 'CreateContainerConfigError']
const FOR_GOOD = ['InvalidImageName', 'ErrImageNeverPull', 'CreateContainerError', 'RunContainerError']

/**
 * @param deployment - null before it is there.
 * @param patienceMs - how long what may pass by itself is only waited for.
 */
export function revisionStatus(
  { revision, replicas }: Pick<RevisionSpec, 'revision' | 'replicas'>,
  deployment: DeploymentObject | null,
  pods: readonly ReplicaPod[],
  patienceMs: number,
): RevisionStatus {
  const wanted = deployment?.spec?.replicas ?? replicas
  const ready = deployment?.status?.readyReplicas ?? 0
  const status = { revision, wanted, ready: Math.min(ready, wanted), trouble: null, waiting: null }
  if (!deployment || ready >= wanted) return status
  const ofPods = pods.flatMap((pod) => findingOf(pod, patienceMs) ?? [])
  const findings = [...ofPods, ...(findingOfDeployment(deployment) ?? [])]
  const first = (kind: 'trouble' | 'waiting') => findings.find((one) => one.kind === kind)?.sentence ?? null
  const waiting = first('waiting')
  // The deadline of the Deployment passes too while Pods wait for room, and that is no trouble of theirs.
  const isLate = conditionOf(deployment.status?.conditions, 'Progressing')?.reason === 'ProgressDeadlineExceeded'
  const late = isLate && waiting === null ? 'it was not ready in time, and its Pods do not say why' : null
  return { ...status, trouble: first('trouble') ?? late, waiting }
}

function findingOfDeployment({ status }: DeploymentObject): [NonNullable<Finding>] | null {
  const failure = conditionOf(status?.conditions, 'ReplicaFailure')
  if (failure?.status !== 'True') return null
  const sentence = `no Pod can be made: ${failure.message}`
  return [{ kind: failure.message?.includes('exceeded quota') ? 'waiting' : 'trouble', sentence }]
}

function findingOf(pod: ReplicaPod, patienceMs: number): Finding {
  if (pod.metadata.deletionTimestamp) return null
  const scheduled = conditionOf(pod.status?.conditions, 'PodScheduled')
  if (scheduled?.status === 'False')
    return { kind: 'waiting', sentence: `a replica waits for room: ${scheduled.message ?? scheduled.reason}` }
  const container = pod.status?.containerStatuses?.[0]
  if (!container || container.ready) return null
  const { reason = '', message = '' } = container.state?.waiting ?? {}
  if (FOR_GOOD.includes(reason) || MAY_PASS.includes(reason)) {
    const passes = MAY_PASS.includes(reason) && ageMs(pod) < patienceMs
    return { kind: passes ? 'waiting' : 'trouble', sentence: `${reason}: ${message || imageOf(pod)}` }
  }
  const ended = container.state?.terminated ?? container.lastState?.terminated
  return ended ? findingOfEnd(pod, ended, container.restartCount) : null
}

function findingOfEnd(pod: ReplicaPod, { exitCode, reason, message = '' }: Terminated, restarts: number): Finding {
  const isRepeated = restarts + 1 >= STARTS_UNTIL_TROUBLE
  if (reason === 'OOMKilled') {
    const limit = pod.spec?.containers?.[0]?.resources?.limits?.memory
    return isRepeated ? { kind: 'trouble', sentence: `a replica needs more memory than its limit of ${limit}` } : null
  }
  const fatal = fatalLine(message)
  const isCertain = fatal?.code !== undefined && CATALOGUE[fatal.code]?.retryable === false
  if (!isCertain && !isRepeated) return null
  const lastLine = message.trim().split('\n').at(-1) ?? ''
  return { kind: 'trouble', sentence: fatal?.text ?? `a replica ends with exit code ${exitCode}: ${lastLine}` }
}

/** What a replica says on standard output when it cannot start: `{"fatal":"why","code":"…"}`. */
function fatalLine(log: string): { readonly text: string; readonly code?: ErrorCode } | null {
  for (const line of log.split('\n').reverse()) {
    const [text] = /\{"fatal":.*\}/.exec(line) ?? []
    if (text === undefined) continue
    try {
      const { fatal, code } = JSON.parse(text) as { fatal: string; code?: ErrorCode }
      return { text: fatal, ...(code && { code }) }
    } catch {
      continue // Cut off by the limit of a Pod's message.
    }
  }
  return null
}

function conditionOf(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((condition) => condition.type === type)
}

function imageOf(pod: ReplicaPod): string {
  return pod.spec?.containers?.[0]?.image ?? 'its image'
}

function ageMs({ metadata }: ReplicaPod): number {
  return Date.now() - Date.parse(metadata.creationTimestamp ?? new Date().toISOString())
}
