/**
 * What a trigger does when its time has come: prepares a run and carries it out as a child. It ends when the run has, so
 * that Temporal's own overlap policies hold for runs.
 */

import {
  ActivityCancellationType,
  ChildWorkflowCancellationType,
  executeChild,
  isCancellation,
  ParentClosePolicy,
  proxyActivities,
  workflowInfo,
} from '@temporalio/workflow'
import {
  defineSearchAttributeKey,
  TypedSearchAttributes,
  WorkflowExecutionAlreadyStartedError,
} from '@temporalio/common'
import type { FireRequest } from '#core/triggers'
import type { TriggerActivities } from '../activities/triggers.ts'
import { runPipeline } from './run-pipeline.ts'
import type { RunPipelineArgs, RunSettings } from './types.ts'

export interface FireArgs extends Omit<FireRequest, 'due' | 'startedAt'> {
  readonly settings: RunSettings
}

/** What came of it; null as run where there was no reason to start one. */
export interface FireResult {
  readonly run: string | null
  readonly status: 'completed' | 'failed' | 'standing' | null
}

const { prepareFire } = proxyActivities<TriggerActivities>({
  startToCloseTimeout: '5m',
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { initialInterval: '1s', maximumInterval: '1m', maximumAttempts: 20 },
})

const SCHEDULED = defineSearchAttributeKey('TemporalScheduledStartTime', 'DATETIME')
const PIPELINE = defineSearchAttributeKey('GyrePipeline', 'KEYWORD')
const PROJECT = defineSearchAttributeKey('GyreProject', 'KEYWORD')
const DATASET = defineSearchAttributeKey('GyreDataset', 'KEYWORD')

export async function fire({ settings, ...request }: FireArgs): Promise<FireResult> {
  const { startTime, typedSearchAttributes } = workflowInfo()
  const due = typedSearchAttributes.get(SCHEDULED) ?? startTime
  const prepared = await prepareFire({ ...request, due: due.toISOString(), startedAt: startTime.toISOString() })
  if (!prepared) return { run: null, status: null }
  const { record, generation } = prepared
  const status = await carryOut({ run: record.run, generation, plan: record.plan, settings })
  return { run: record.run, status }
}

async function carryOut(args: RunPipelineArgs): Promise<FireResult['status']> {
  const { run, plan, settings } = args
  const { dataset } = plan.params as { readonly dataset?: unknown }
  try {
    await executeChild(runPipeline, {
      workflowId: run,
      args: [args],
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
      staticSummary: plan.pipeline,
      typedSearchAttributes: new TypedSearchAttributes([
        { key: PIPELINE, value: plan.pipeline },
        { key: PROJECT, value: settings.project },
        ...(typeof dataset === 'string' ? [{ key: DATASET, value: dataset }] : []),
      ]),
    })
    return 'completed'
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return 'standing'
    // How the run failed is its own outcome; what the trigger had to do is done.
    if (isCancellation(error)) throw error
    return 'failed'
  }
}
