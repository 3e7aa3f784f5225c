/**
 * The steps of a run that wait for people. Answers come as validated Updates, so a refused one leaves no event, or as
 * signals from the Temporal UI's own button, which names nobody and cannot be refused: one that does not fit is ignored.
 */

import { ApplicationFailure, condition, setHandler } from '@temporalio/workflow'
import type { PlanNode } from '#core/plan'
import { approve, approveBySignal, UNVERIFIED, type ApprovalAnswer } from './messages.ts'
import { bookkeeping, type StepResult } from './proxies.ts'
import type { StepCall } from './types.ts'

type NamedAnswer = ApprovalAnswer & { readonly by: string }

export class Approvals {
  readonly #answers = new Map<string, NamedAnswer>()
  /** What waits for an answer; whether one from nobody in particular counts. */
  readonly #asking = new Map<string, { readonly allowUnverified: boolean }>()

  /** Lets answers in: to be called before the workflow first waits. */
  listen(): void {
    setHandler(approve, (answer) => this.#take({ by: UNVERIFIED, ...answer }), {
      validator: (answer) => this.#check({ by: UNVERIFIED, ...answer }),
    })
    setHandler(approveBySignal, (answer) => {
      const anonymous = { ...answer, by: UNVERIFIED }
      if (this.#refusal(anonymous) === null) this.#take(anonymous)
    })
  }

  /**
   * Waits for the answer of one node.
   *
   * @param asked - called when answers are taken, so that the question can be shown.
   * @throws `APPROVAL_REFUSED` when a person refuses, or nobody answers in time.
   */
  async ask(node: PlanNode, call: StepCall, startedAt: string, asked: () => void): Promise<StepResult> {
    const { allowUnverified = true } = call.input as { allowUnverified?: boolean }
    this.#asking.set(node.id, { allowUnverified })
    asked()
    const answered = await condition(() => this.#answers.has(node.id), node.policy.timeoutMs)
    this.#asking.delete(node.id)
    if (!answered) throw ApplicationFailure.nonRetryable('nobody answered in time', 'APPROVAL_REFUSED')
    const { approved, by, why = '' } = this.#answers.get(node.id)!
    if (!approved) throw ApplicationFailure.nonRetryable(`refused by ${by}${why ? `: ${why}` : ''}`, 'APPROVAL_REFUSED')
    const output = { approved: true, by, at: new Date().toISOString(), why }
    await bookkeeping.recordNode({ call, output, startedAt })
    return { output, origin: 'ran', attempts: 1 }
  }

  #check(answer: NamedAnswer): void {
    const refusal = this.#refusal(answer)
    if (refusal !== null) throw new Error(refusal)
  }

  /** Why an answer does not count, or null. */
  #refusal({ node, approved, by }: NamedAnswer): string | null {
    const asking = this.#asking.get(node)
    if (!asking || this.#answers.has(node)) return `step "${node}" does not wait for an answer`
    if (typeof approved !== 'boolean') return 'approved must be true or false'
    if (by.startsWith('unverified:') && !asking.allowUnverified)
      return `step "${node}" wants an answer that names a person`
    return null
  }

  #take(answer: NamedAnswer): void {
    this.#answers.set(answer.node, answer)
  }
}
