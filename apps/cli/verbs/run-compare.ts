/** `gyre run compare`: what differs between two runs, and why. */
import pc from 'picocolors'
import type { Pair, RunComparison, StepComparison } from '#core/runs'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { withStack } from '../stack-access.ts'
import { table } from '../table.ts'
import { duration, statusWord } from '../words.ts'

export async function compare(a: string, b: string, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const path = `/api/runs/${encodeURIComponent(a)}/compare/${encodeURIComponent(b)}`
  const comparison = await withStack(invocation, ({ api }) => api.get<RunComparison>(path))
  invocation.answer(comparison, () => comparisonText(comparison))
}

export function comparisonText({ a, b, samePlan, params, steps }: RunComparison): string {
  const changed = params.filter(differs)
  const heads = [a, b].map(
    ({ id, pipeline, status, startedAt, endedAt }) =>
      `${pc.bold(id)}  ${pipeline}  ${statusWord(status)}${endedAt ? `  ${duration(Date.parse(endedAt) - Date.parse(startedAt))}` : ''}`,
  )
  const figures = steps.flatMap((step) => step.figures.filter(differs).map((figure) => ({ step, figure })))
  const why = steps.flatMap(({ name, why: reasons }) => reasons.map((reason) => ` ${name}: ${reason}`))
  const parts = [
    heads.join('\n'),
    samePlan ? 'The same plan.' : '',
    changed.length > 0
      ? table(
          ['parameter', a.id, b.id],
          changed.map(({ name, a: was, b: is }) => [name, JSON.stringify(was), JSON.stringify(is)]),
          '',
        )
      : 'The same parameters.',
    table(['step', 'output', a.id, b.id], steps.map(stepRow), 'No steps.'),
    figures.length > 0
      ? table(
          ['figure', a.id, b.id, 'change'],
          figures.map(({ step, figure }) => [
            `${step.name}.${figure.name}`,
            numberText(figure.a),
            numberText(figure.b),
            changeText(figure),
          ]),
          '',
        )
      : '',
    why.length > 0 ? `Why\n${why.join('\n')}` : '',
  ]
  return parts.filter(Boolean).join('\n\n')
}

function differs({ a, b }: Pair<unknown>): boolean {
  return JSON.stringify(a) !== JSON.stringify(b)
}

function stepRow({ name, output, a, b }: StepComparison): string[] {
  const side = (one: StepComparison['a']): string =>
    one ? [one.origin ?? one.status, one.tookMs === null ? '' : duration(one.tookMs)].filter(Boolean).join(' ') : '–'
  return [name, output === 'different' ? pc.yellow(output) : output, side(a), side(b)]
}

const figure = new Intl.NumberFormat('en-US', { maximumFractionDigits: 4 })

function numberText(value: number | null): string {
  return value === null ? '–' : figure.format(value)
}

function changeText({ a, b }: Pair<number>): string {
  return a === null || b === null ? '' : `${b > a ? '+' : '−'}${figure.format(Math.abs(b - a))}`
}
