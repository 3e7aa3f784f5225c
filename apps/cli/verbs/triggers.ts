/** `gyre pipeline trigger list|fires|pause|resume|fire|backfill|secret`: what starts runs without a person. */
import { PlatformError } from '#core/errors'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { withStack } from '../stack-access.ts'
import { table } from '../table.ts'
import { moment } from '../words.ts'

interface TriggerFire {
  readonly at: string
  readonly cause: { readonly kind: string; readonly text: string }
  readonly run: string | null
  readonly problem: string | null
}

interface TriggerView {
  readonly pipeline: string
  readonly name: string
  readonly text: string
  readonly paused: boolean
  readonly next: string | null
  readonly last: TriggerFire | null
}

const pathOf = (pipeline: string, trigger: string, verb: string) =>
  `/api/pipelines/${encodeURIComponent(pipeline)}/triggers/${encodeURIComponent(trigger)}/${verb}`

export async function list(pipeline: string | undefined, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const all = await withStack(invocation, ({ api }) => api.get<TriggerView[]>('/api/triggers'))
  const triggers = all.filter((one) => pipeline === undefined || one.pipeline === pipeline)
  invocation.answer(triggers, () =>
    table(
      ['pipeline', 'trigger', 'when', 'next', 'last', 'it started'],
      triggers.map(({ pipeline, name, text, paused, next, last }) => [
        pipeline,
        name,
        text,
        paused ? 'paused' : moment(next),
        moment(last?.at ?? null),
        last?.run ?? last?.problem ?? '–',
      ]),
      "No pipeline has triggers; add them to a definition as triggers: [onSchedule({ cron: '0 3 * * *' })]",
    ),
  )
}

export async function fires(pipeline: string, trigger: string, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const told = await withStack(invocation, ({ api }) => api.get<TriggerFire[]>(pathOf(pipeline, trigger, 'fires')))
  invocation.answer(told, () =>
    table(
      ['at', 'cause', 'it started'],
      told.map(({ at, cause, run, problem }) => [moment(at), cause.text, run ?? `nothing: ${problem}`]),
      `${trigger} of ${pipeline} has not fired yet.`,
    ),
  )
}

const DONE = { pause: 'is paused', resume: 'goes on', fire: 'is fired' } as const

export async function act(
  verb: keyof typeof DONE,
  pipeline: string,
  trigger: string,
  options: CommonOptions,
): Promise<void> {
  const invocation = new Invocation(options)
  const answer = await withStack(invocation, ({ api }) => api.post(pathOf(pipeline, trigger, verb)))
  invocation.answer(answer, () => `${trigger} of ${pipeline} ${DONE[verb]}.`)
}

export async function backfill(
  pipeline: string,
  trigger: string,
  options: CommonOptions & { from: string; to?: string },
): Promise<void> {
  const invocation = new Invocation(options)
  const span = { from: timeOf('--from', options.from), to: timeOf('--to', options.to ?? new Date().toISOString()) }
  const answer = await withStack(invocation, ({ api }) => api.post(pathOf(pipeline, trigger, 'backfill'), span))
  invocation.answer(answer, () => `${trigger} of ${pipeline} makes up for ${moment(span.from)} to ${moment(span.to)}.`)
}

export async function secret(pipeline: string, trigger: string, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const made = await withStack(invocation, async ({ api, info }) => {
    const { address, secret } = await api.post<{ address: string; secret: string }>(pathOf(pipeline, trigger, 'secret'))
    return { address: `${info.apiUrl}${address}`, secret }
  })
  invocation.answer(
    made,
    () => `POST ${made.address}\n${made.secret}\n\nShown once. The secret before it is good no more.`,
  )
}

/** @throws {PlatformError} `INVALID_INPUT`. */
function timeOf(option: string, text: string): string {
  const at = new Date(text)
  if (Number.isNaN(at.getTime()))
    throw new PlatformError('INVALID_INPUT', `${option} "${text}" is no time; write 2026-11-20 or 2026-11-20T03:00:00Z`)
  return at.toISOString()
}
