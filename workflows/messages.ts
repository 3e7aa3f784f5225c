/**
 * What may be asked of a workflow in flight. Updates are validated: a refused one leaves no trace in the history.
 * Signals exist for the Temporal UI's own button, which names nobody; they count as `unverified:temporal-ui`.
 */

import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow'
import type { Json } from '#core/plan'
import type { RunReport, SessionMilestone } from './types.ts'

export interface ApprovalAnswer {
  readonly node: string
  readonly approved: boolean
  readonly by?: string
  /** Of the person in `by`, as the API vouches for it. */
  readonly role?: string
  readonly why?: string
  /** What the person filled in, where the approval has a form. */
  readonly form?: Json
}

/** A question of this run that is open now. */
export interface OpenQuestion {
  readonly node: string
  /** Names and `role:…` that may answer now; empty: whoever may publish. */
  readonly asked: readonly string[]
  readonly escalated: boolean
  readonly answers: readonly {
    readonly approved: boolean
    readonly by: string
    readonly role: string | null
    readonly at: string
    readonly why: string
    readonly form: Json
  }[]
}

export const report = defineQuery<RunReport>('report')
export const questions = defineQuery<readonly OpenQuestion[]>('questions')
export const approve = defineUpdate<void, [ApprovalAnswer]>('approve')
export const approveBySignal = defineSignal<[ApprovalAnswer]>('approve-unverified')

export const stopSession = defineUpdate<void, [{ readonly by: string }]>('stop')
export const stopBySignal = defineSignal('stop-unverified')
export const milestone = defineSignal<[SessionMilestone]>('milestone')

export const UNVERIFIED = 'unverified:temporal-ui'
