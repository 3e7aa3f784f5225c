/** Keeps what a workflow asks of people where the API finds it. */

import { closeQuestion, keepQuestion, type Asked } from '#core/approvals'
import type { ObjectStore } from '#core/storage'
import { toFailure } from './failure.ts'

export interface ApprovalActivities {
  /** @returns the digest of the subject, which an approval is tied to. */
  keepQuestion(asked: Asked): Promise<{ readonly subject: string }>
  closeQuestion(question: { readonly run: string; readonly node: string }): Promise<void>
}

export function createApprovalActivities(store: ObjectStore): ApprovalActivities {
  return {
    async keepQuestion(asked) {
      try {
        return { subject: (await keepQuestion(store, asked)).subjectSha256 }
      } catch (error) {
        throw toFailure(error)
      }
    },
    async closeQuestion({ run, node }) {
      try {
        await closeQuestion(store, run, node)
      } catch (error) {
        throw toFailure(error)
      }
    },
  }
}
