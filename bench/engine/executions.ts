/** How long a workflow took, and how much history it left, as the server has it. */

import type { Client } from '@temporalio/client'

export interface Execution {
  /** From the start of its first execution to the end of its last. */
  readonly ms: number
  /** Events in the history of the last. */
  readonly events: number
}

/** Of a workflow that has ended. */
export async function executionOf(client: Client, workflowId: string, firstRunId?: string): Promise<Execution> {
  const last = await client.workflow.getHandle(workflowId).describe()
  const first = firstRunId === undefined ? last : await client.workflow.getHandle(workflowId, firstRunId).describe()
  return { ms: last.closeTime!.getTime() - first.startTime.getTime(), events: last.historyLength }
}
