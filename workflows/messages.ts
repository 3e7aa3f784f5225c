/**
 * What may be asked of a workflow in flight. Updates are validated: a refused one leaves no trace in the history.
 * Signals exist for the Temporal UI's own button, which names nobody; they count as `unverified:temporal-ui`.
 */

import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow'
import type { RunReport, SessionMilestone } from './types.ts'

export interface ApprovalAnswer {
  readonly node: string
  readonly approved: boolean
  readonly by?: string
  readonly why?: string
}

export const report = defineQuery<RunReport>('report')
export const approve = defineUpdate<void, [ApprovalAnswer]>('approve')
export const approveBySignal = defineSignal<[ApprovalAnswer]>('approve-unverified')

export const stopSession = defineUpdate<void, [{ readonly by: string }]>('stop')
export const stopBySignal = defineSignal('stop-unverified')
export const milestone = defineSignal<[SessionMilestone]>('milestone')

export const UNVERIFIED = 'unverified:temporal-ui'
