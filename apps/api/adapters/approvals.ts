import {
  createLink,
  isNamed,
  listQuestions,
  openLink,
  readQuestion,
  spendLink,
  withDefaults,
  type Question,
} from '#core/approvals'
import { PlatformError } from '#core/errors'
import { can, type Principal } from '#core/identity'
import type { Engine } from '#core/runs'
import type { ObjectStore } from '#core/storage'
import type { ApprovalPort, GivenApproval } from '../ports.ts'
import type { WaitingApproval } from '../schemas.ts'

const OVER = new Set(['completed', 'failed', 'cancelled', 'skipped'])

/** Questions are in the store; what was answered so far, the workflows know. */
export function approvalsOf(store: ObjectStore, engine: Engine): ApprovalPort {
  const waiting = async (question: Question, reader: Principal): Promise<WaitingApproval | null> => {
    const { run, node } = question
    const open = await engine.openQuestions(run)
    const now = open?.find((one) => one.node === node)
    // Where no worker answers at the moment, the question stands until the run is known to be over.
    if (!now && (open !== null || (await isOver(engine, run, node)))) return null
    const { asked, answers, escalated } = now ?? { asked: question.by, answers: [], escalated: false }
    const told = answers.map(({ by, role, at, why }) => ({ by, role, at, why }))
    const mayAnswer = mightAnswer(asked, reader) && !answers.some(({ by }) => by === reader.name)
    return { ...question, asked, escalated, answers: told, mayAnswer }
  }

  const answer = async (run: string, node: string, person: Principal, { approved, why, form }: GivenApproval) => {
    const question = await readQuestion(store, run, node)
    if (!question && !can(person.role, 'publish'))
      throw new PlatformError('INVALID_INPUT', `node: step "${node}" of run "${run}" does not wait for an answer`)
    // Whom the step names, the workflow lets in; where it names nobody, the table of rights decides.
    if (question && question.by.length === 0 && !can(person.role, 'publish') && !isNamed(question.escalateTo, person))
      throw new PlatformError(
        'FORBIDDEN',
        `the role ${person.role} of ${person.name} does not allow "publish"; ask an owner for another role`,
        { role: person.role, permission: 'publish' },
      )
    const filled = question?.form && approved ? withDefaults(question.form, form ?? {}) : form
    const given = { approved, by: person.name, role: person.role, why }
    await engine.answerApproval(run, node, { ...given, ...(filled && approved && { form: filled }) })
  }

  return {
    async list(reader) {
      const all = await Promise.all((await listQuestions(store)).map((question) => waiting(question, reader)))
      return all.filter((one) => one !== null)
    },
    answer,
    async createLink(run, node, person, by) {
      if (!(await readQuestion(store, run, node)))
        throw new PlatformError('INVALID_INPUT', `node: step "${node}" of run "${run}" does not wait for an answer`)
      return createLink(store, { run, node, person }, { by })
    },
    async open(token) {
      const link = await openLink(store, token)
      if (!link) return null
      const question = await readQuestion(store, link.run, link.node)
      const now = question && (await waiting(question, link.principal))
      return now && { person: link.principal, question: now }
    },
    async answerByLink(token, given) {
      const link = await openLink(store, token)
      if (!link)
        throw new PlatformError(
          'APPROVAL_LINK_INVALID',
          'this link is unknown, used or expired; ask whoever sent it for another one',
        )
      await answer(link.run, link.node, link.principal, given)
      await spendLink(store, link)
      return link
    },
  }
}

function mightAnswer(asked: readonly string[], { name, role }: Principal): boolean {
  return asked.length === 0 ? can(role, 'publish') : isNamed(asked, { name, role })
}

async function isOver(engine: Engine, run: string, node: string): Promise<boolean> {
  const report = await engine.show(run).catch(() => null)
  const step = report?.steps.find(({ id }) => id === node)
  return report === null || OVER.has(report.status) || (step !== undefined && OVER.has(step.status))
}
