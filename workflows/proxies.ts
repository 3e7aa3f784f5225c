/** Activity proxies with the house's policy: bounded attempts, explicit cancellation type, heartbeats that are checked. */

import { ActivityCancellationType, proxyActivities, proxyLocalActivities } from '@temporalio/workflow'
import type { Json, NodePolicy } from '#core/plan'
import type { Bookkeeping } from '../activities/bookkeeping.ts'
import type { AdvanceActivity } from '../activities/advance.ts'
import type { MapActivities, NamedMapActivities } from '../activities/maps.ts'
import type { Decision, RunSettings, StepCall } from './types.ts'

export const QUEUE = { pipeline: 'gyre-pipeline', cpu: 'gyre-cpu', gpu: 'gyre-gpu' } as const

/** Milliseconds of work on the store: looks up results, writes outcomes. */
export const bookkeeping = proxyLocalActivities<Bookkeeping>({
  startToCloseTimeout: '10s',
  scheduleToCloseTimeout: '1d',
  localRetryThreshold: '30s',
  retry: { initialInterval: '200ms', maximumInterval: '10s', maximumAttempts: 1_000 },
})

/** Takes a plan forward as far as the store allows, for two seconds and one quick step at most. */
export const { advance } = proxyLocalActivities<AdvanceActivity>({
  startToCloseTimeout: '20s',
  scheduleToCloseTimeout: '1d',
  localRetryThreshold: '30s',
  retry: { initialInterval: '200ms', maximumInterval: '10s', maximumAttempts: 1_000 },
})

export interface StepResult {
  readonly output: Json
  readonly origin: 'ran' | 'hit' | 'recovered'
  readonly attempts: number
  /** What was decided of the nodes that the call named, and of those after them. */
  readonly next?: readonly Decision[]
}

/** The activity that carries out one node; its type is the step's name, so that the Temporal UI reads well. */
export function stepActivity(
  step: string,
  policy: Pick<NodePolicy, 'queue' | 'timeoutMs' | 'attempts'>,
  settings: RunSettings,
  shown: { readonly activityId: string; readonly summary: string },
): (call: StepCall) => Promise<StepResult> {
  const proxies = proxyActivities<Record<string, (call: StepCall) => Promise<StepResult>>>({
    taskQueue: QUEUE[policy.queue],
    scheduleToCloseTimeout: policy.timeoutMs,
    heartbeatTimeout: settings.heartbeatMs,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry: {
      initialInterval: '500ms',
      backoffCoefficient: 2,
      maximumInterval: '30s',
      maximumAttempts: policy.attempts,
    },
    activityId: shown.activityId,
    summary: shown.summary,
  })
  return proxies[step]!
}

/** Attempts of a chunk: items have their own, these are for workers that die. */
const CHUNK_ATTEMPTS = 20

/** What a map is made of. Opening and closing are short of memory, not of time: they run where the engine does. */
export function mapActivities(policy: NodePolicy, settings: RunSettings, summary: string): MapActivities {
  const options = {
    scheduleToCloseTimeout: policy.timeoutMs,
    heartbeatTimeout: settings.heartbeatMs,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry: { initialInterval: '500ms', maximumInterval: '30s', maximumAttempts: CHUNK_ATTEMPTS },
    summary,
  } as const
  const engine = proxyActivities<NamedMapActivities>({ ...options, taskQueue: QUEUE.pipeline })
  const items = proxyActivities<NamedMapActivities>({ ...options, taskQueue: QUEUE[policy.queue] })
  return { open: engine['map-open'], chunk: items['map-chunk'], close: engine['map-close'] }
}
