/** Prepares the run of a trigger whose time has come: bundles the pipeline, freezes the plan, records the fire. */

import type { Client } from '@temporalio/client'
import { prepareFire, type CausePorts, type FirePorts, type FireRequest, type PreparedFire } from '#core/triggers'
import { toFailure } from './failure.ts'

export interface TriggerActivities {
  /** @returns null where there is nothing to launch. */
  prepareFire(request: FireRequest): Promise<PreparedFire | null>
}

export function createTriggerActivities(ports: FirePorts): TriggerActivities {
  return {
    prepareFire: (request) => prepareFire(ports, request).catch((error: unknown) => Promise.reject(toFailure(error))),
  }
}

const STATUS = { completed: 'Completed', failed: 'Failed', cancelled: 'Canceled' } as const

/** Runs that ended, as Temporal's visibility lists them; it keeps them for as long as its retention says. */
export function endedRunsOf(client: Client): CausePorts['endedRuns'] {
  return async (pipeline, status, after) => {
    const query = [
      `GyrePipeline = '${pipeline.replaceAll("'", "''")}'`,
      `WorkflowType = 'runPipeline'`,
      `ExecutionStatus = '${STATUS[status as keyof typeof STATUS]}'`,
      `CloseTime > '${after}'`,
    ].join(' AND ')
    const ended: { run: string; endedAt: string }[] = []
    for await (const { workflowId, closeTime } of client.workflow.list({ query }))
      if (closeTime) ended.push({ run: workflowId, endedAt: closeTime.toISOString() })
    return ended.filter(({ endedAt }) => endedAt > after).toSorted((a, b) => a.endedAt.localeCompare(b.endedAt))
  }
}
