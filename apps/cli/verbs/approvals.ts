/** `gyre approvals` and `gyre run approve`: what waits for people, and their answers. */
import { readForm, type FormSchema } from '#core/approvals'
import { PlatformError } from '#core/errors'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { withStack } from '../stack-access.ts'
import { table } from '../table.ts'
import { counted, moment } from '../words.ts'

/** The part of the API's answer that is shown. */
interface Waiting {
  readonly run: string
  readonly node: string
  readonly question: string
  readonly approvals: number
  readonly asked: readonly string[]
  readonly answers: readonly { readonly by: string }[]
  readonly form: FormSchema | null
  readonly deadlineAt: string | null
  readonly mayAnswer: boolean
}

const pathOf = (run: string, step: string, tail = '') =>
  `/api/runs/${encodeURIComponent(run)}/approvals/${encodeURIComponent(step)}${tail}`

export async function list(options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const waiting = await withStack(invocation, ({ api }) => api.get<Waiting[]>('/api/approvals'))
  invocation.answer(waiting, () =>
    table(
      ['run', 'step', 'question', 'asked', 'agreed', 'until'],
      waiting.map(({ run, node, question, asked, answers, approvals, deadlineAt }) => [
        run,
        node,
        question,
        asked.join(', ') || 'whoever may publish',
        `${answers.length} of ${approvals}`,
        moment(deadlineAt),
      ]),
      'Nothing waits for anybody.',
    ),
  )
}

interface ApproveOptions extends CommonOptions {
  readonly refuse?: boolean
  readonly why?: string
  readonly form: readonly string[]
  readonly link?: string
}

export async function approve(run: string, step: string, options: ApproveOptions): Promise<void> {
  const invocation = new Invocation(options)
  if (options.link !== undefined) return giveLink(invocation, run, step, options.link)
  const approved = !options.refuse
  const why = options.why ?? ''
  const { form, left } = await withStack(invocation, async ({ api }) => {
    const waiting = (await api.get<Waiting[]>('/api/approvals')).find((one) => one.run === run && one.node === step)
    const form = approved ? formOf(options.form, waiting?.form ?? null) : undefined
    await api.post(pathOf(run, step), { approved, why, ...(form && { form }) })
    return { form, left: approved && waiting ? waiting.approvals - waiting.answers.length - 1 : 0 }
  })
  invocation.answer({ id: run, step, approved, why, ...(form && { form }) }, () => {
    const more = left > 0 ? `; ${counted(left, 'more approval')} wanted` : ''
    return `${step} of ${run}: ${approved ? 'approved' : 'refused'}${more}`
  })
}

/** @throws {PlatformError} `INVALID_INPUT` for a pair without `=`, a field that the form lacks, or a form nobody asks for. */
function formOf(pairs: readonly string[], schema: FormSchema | null): Record<string, unknown> | undefined {
  const wrong = pairs.find((pair) => pair.indexOf('=') < 1)
  if (wrong !== undefined)
    throw new PlatformError('INVALID_INPUT', `--form "${wrong}" is not key=value; write for example --form limit=0.5`)
  const texts = Object.fromEntries(
    pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  )
  if (schema) return readForm(schema, texts)
  return pairs.length > 0 ? texts : undefined
}

async function giveLink(invocation: Invocation, run: string, step: string, person: string): Promise<void> {
  const made = await withStack(invocation, ({ api }) =>
    api.post<{ person: string; link: string; expiresAt: string }>(pathOf(run, step, '/links'), { person }),
  )
  invocation.answer(
    { id: run, step, ...made },
    () => `${made.link}\n\nGood for one answer of ${person} until ${moment(made.expiresAt)}. It is shown once.`,
  )
}
