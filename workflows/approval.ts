/**
 * The steps of a run that wait for people. Answers come as validated Updates, so a refused one leaves no event, or as
 * signals from the Temporal UI's own button, which names nobody and cannot be refused: one that does not fit is ignored.
 *
 * A1  An answer counts only while its question is open, from somebody who is asked, and once per person.
 * A2  One refusal is enough; otherwise as many different people as the step says must agree.
 */

import { Validator } from '@cfworker/json-schema'
import {
  ApplicationFailure,
  CancellationScope,
  condition,
  proxyLocalActivities,
  setHandler,
} from '@temporalio/workflow'
import type { ApprovalTerms } from '#core/approvals'
import type { Json, PlanNode } from '#core/plan'
import type { ApprovalActivities } from '../activities/approvals.ts'
import { approve, approveBySignal, questions, UNVERIFIED, type ApprovalAnswer, type OpenQuestion } from './messages.ts'
import { tell } from './notify.ts'
import { bookkeeping, type StepResult } from './proxies.ts'
import type { RunPipelineArgs, StepCall } from './types.ts'

const keeping = proxyLocalActivities<ApprovalActivities>({
  startToCloseTimeout: '10s',
  scheduleToCloseTimeout: '1d',
  localRetryThreshold: '30s',
  retry: { initialInterval: '200ms', maximumInterval: '10s', maximumAttempts: 1_000 },
})

/** Absent fields, in plans from before there were terms, are as the step's schema would have filled them. */
type Terms = Partial<ApprovalTerms>
type NamedAnswer = ApprovalAnswer & { readonly by: string }
type TakenAnswer = OpenQuestion['answers'][number]

interface Open {
  readonly terms: Terms
  readonly form: Validator | null
  readonly answers: TakenAnswer[]
  escalated: boolean
}

const WHY_CHARACTERS = 2_000

export class Approvals {
  readonly #open = new Map<string, Open>()

  /** @param keeps - histories from before questions were kept in the store go without. */
  constructor(
    private readonly args: RunPipelineArgs,
    private readonly keeps: boolean,
  ) {}

  /** Lets answers in: to be called before the workflow first waits. */
  listen(): void {
    setHandler(approve, (answer) => this.#take({ by: UNVERIFIED, ...answer }), {
      validator: (answer) => this.#check({ by: UNVERIFIED, ...answer }),
    })
    setHandler(approveBySignal, (answer) => {
      const anonymous = { ...answer, by: UNVERIFIED }
      if (this.#refusal(anonymous) === null) this.#take(anonymous)
    })
    setHandler(questions, () => [...this.#open].map(([node, open]) => describe(node, open)))
  }

  /**
   * Waits for the answers of one node.
   *
   * @param asked - called with what is waited for, when answers are taken and after each of them.
   * @throws `APPROVAL_REFUSED` when a person refuses, `APPROVAL_UNANSWERED` when too few answer in time.
   */
  async ask(node: PlanNode, call: StepCall, startedAt: string, asked: (waitsFor: string) => void): Promise<StepResult> {
    const open = openQuestion(call.input)
    this.#open.set(node.id, open)
    asked(waitsFor(open))
    const close = async () => {
      if (this.keeps)
        await CancellationScope.nonCancellable(() => keeping.closeQuestion({ run: call.run, node: node.id }))
    }
    try {
      const subject = this.keeps ? await this.#keep(node, open.terms) : null
      await this.#wait(node, open, asked)
      const output = outcomeOf(open, subject)
      await Promise.all([bookkeeping.recordNode({ call, output, startedAt }), close()])
      return { output, origin: 'ran', attempts: 1 }
    } catch (error) {
      await close()
      throw error
    } finally {
      this.#open.delete(node.id)
    }
  }

  /** @returns the digest of the subject. */
  async #keep(node: PlanNode, terms: Terms): Promise<string> {
    const { run, plan } = this.args
    const { subject } = await keeping.keepQuestion({
      ...{ run, node: node.id, pipeline: plan.pipeline, askedAt: now() },
      waitMs: terms.deadline ?? node.policy.timeoutMs,
      terms: { ...DEFAULTS, ...terms },
    })
    await this.#tell('approval', node, terms, terms.by)
    return subject
  }

  /** Until there are answers enough, one refuses, or time is up (A2). */
  async #wait(node: PlanNode, open: Open, asked: (waitsFor: string) => void): Promise<void> {
    const { deadline = node.policy.timeoutMs, escalateAfter = Infinity, escalateTo } = open.terms
    const from = Date.now()
    const untilMs = async (end: number) => {
      while (!isSettled(open)) {
        const seen = open.answers.length
        const left = from + end - Date.now()
        if (left <= 0 || !(await condition(() => open.answers.length > seen, left))) return
        if (!isSettled(open)) asked(waitsFor(open))
      }
    }
    if (escalateAfter < deadline) {
      await untilMs(escalateAfter)
      if (isSettled(open)) return
      open.escalated = true
      asked(waitsFor(open))
      await this.#tell('escalation', node, open.terms, escalateTo)
    }
    await untilMs(deadline)
  }

  #tell(kind: 'approval' | 'escalation', { id }: PlanNode, { question }: Terms, to: readonly string[] = []) {
    const { run, generation, plan, settings } = this.args
    return tell(settings, { kind, run, generation, pipeline: plan.pipeline, node: id, question: question ?? '', to })
  }

  #check(answer: NamedAnswer): void {
    const refusal = this.#refusal(answer)
    if (refusal !== null) throw new Error(refusal)
  }

  /** Why an answer does not count (A1), or null; the sentence begins with the field that is wrong. */
  #refusal({ node, approved, by, role, why, form }: NamedAnswer): string | null {
    const open = this.#open.get(node)
    if (!open || isSettled(open)) return `node: step "${node}" does not wait for an answer`
    if (typeof approved !== 'boolean') return 'approved: must be true or false'
    if (why !== undefined && (typeof why !== 'string' || why.length > WHY_CHARACTERS))
      return `why: must be text of at most ${WHY_CHARACTERS} characters`
    if (typeof by !== 'string' || by === '') return 'by: must name a person'
    if (by.startsWith('unverified:') && open.terms.allowUnverified === false)
      return `by: step "${node}" wants an answer that names a person`
    const asked = askedOf(open)
    if (asked.length > 0 && !asked.includes(by) && !asked.includes(`role:${role}`))
      return `by: ${by}${role ? ` (${role})` : ''} is not among those whom step "${node}" asks: ${asked.join(', ')}`
    if (open.answers.some((one) => one.by === by))
      return `by: ${by} has answered step "${node}" already; what it still waits for are other people`
    return approved ? formTrouble(open.form, form) : null
  }

  #take({ node, approved, by, role, why = '', form = null }: NamedAnswer): void {
    this.#open
      .get(node)!
      .answers.push({ approved, by, role: role ?? null, why, form: approved ? form : null, at: now() })
  }
}

const DEFAULTS: ApprovalTerms = {
  ...{ subject: null, question: 'Go on?', approvals: 1, by: [], escalateTo: [] },
  ...{ onDeadline: 'fail', allowUnverified: true },
}

function openQuestion(input: Json): Open {
  const terms = input as unknown as Terms
  // Every error is looked for, so that the first one is of a field and not of the whole.
  const form = terms.form ? new Validator(terms.form, '2020-12', false) : null
  return { terms, form, answers: [], escalated: false }
}

/** Names and roles that may answer now; empty: anybody whom the API lets through. */
function askedOf({ terms: { by = [], escalateTo = [] }, escalated }: Open): readonly string[] {
  return escalated && by.length > 0 ? [...by, ...escalateTo] : by
}

const refused = ({ answers }: Open): TakenAnswer | undefined => answers.find(({ approved }) => !approved)
const isSettled = (open: Open): boolean =>
  refused(open) !== undefined || open.answers.length >= (open.terms.approvals ?? 1)

/** One line for people: "1 of 2 agreed (ada); waits for bob, role:owner". */
function waitsFor(open: Open): string {
  const { approvals = 1 } = open.terms
  const agreed = open.answers.map(({ by }) => by)
  const asked = askedOf(open).filter((one) => !agreed.includes(one))
  const whom = asked.length > 0 ? asked.join(', ') : 'somebody who may publish'
  const far =
    approvals > 1 ? `${agreed.length} of ${approvals} agreed${agreed.length ? ` (${agreed.join(', ')})` : ''}; ` : ''
  return `${far}waits for ${whom}${open.escalated ? ', escalated' : ''}`
}

function describe(node: string, open: Open): OpenQuestion {
  return { node, asked: askedOf(open), escalated: open.escalated, answers: open.answers }
}

/** What the answers mean, in the shape of the step's output. */
function outcomeOf(open: Open, subject: string | null): Json {
  const { answers, terms } = open
  const refusal = refused(open)
  if (refusal) throw failure('APPROVAL_REFUSED', `refused by ${refusal.by}${refusal.why ? `: ${refusal.why}` : ''}`)
  const agreed = answers.map(({ by, role, at, why, form }) => ({ by, role, at, why, form }))
  const common = { approved: true, subject, answers: agreed }
  const { approvals = 1, onDeadline = 'fail' } = terms
  const last = agreed.at(-1)
  if (last && agreed.length >= approvals)
    return { ...common, by: agreed.map(({ by }) => by).join(', '), at: last.at, why: last.why, form: last.form }
  const tooFew = agreed.length === 0 ? 'nobody answered in time' : `${agreed.length} of ${approvals} answered in time`
  if (onDeadline === 'approve') return { ...common, by: 'deadline', at: now(), why: tooFew, form: null }
  if (onDeadline === 'refuse') throw failure('APPROVAL_REFUSED', `refused by its deadline: ${tooFew}`)
  throw failure('APPROVAL_UNANSWERED', tooFew)
}

const failure = (code: string, message: string) => ApplicationFailure.nonRetryable(message, code)

/** The first field that does not fit, in one sentence, or null. */
function formTrouble(schema: Validator | null, form: Json | undefined): string | null {
  if (!schema) return form == null ? null : 'form: this approval has none; leave it out'
  if (typeof form !== 'object' || form === null || Array.isArray(form)) return 'form: this approval wants one filled in'
  const { valid, errors } = schema.validate(form)
  if (valid) return null
  // Errors of the whole come before those of its parts, which say more.
  const told = errors.findLast(({ keyword }) => keyword !== 'properties') ?? errors[0]!
  const field = ['form', ...told.instanceLocation.split('/').slice(1)].join('.')
  return `${field}: ${told.error}`
}

const now = (): string => new Date().toISOString()
