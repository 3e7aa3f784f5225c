/** What verbs share that start runs or speak of them. */
import pc from 'picocolors'
import { CATALOGUE, PlatformError, type ErrorCode } from '#core/errors'
import type { RunReport, StepReport } from '#core/runs'
import { AnsweredFailure } from './failure.ts'
import type { Invocation } from './invocation.ts'
import { createDisplay, follow } from './live.ts'
import { RunView } from './run-view.ts'
import type { StackUse } from './stack-access.ts'
import { table } from './table.ts'
import { duration, statusWord, terminalWidth } from './words.ts'

/** Shows a run until it is over. */
export async function carryThrough(use: StackUse, invocation: Invocation, run: string): Promise<RunReport> {
  const display = await createDisplay({ silent: invocation.json })
  try {
    return await follow(use.api, run, display.show, use.signal)
  } catch (error) {
    if (use.signal.aborted) tellInterrupted(invocation, use, run)
    throw error
  } finally {
    display.end()
  }
}

/** A run is durable: ending the command that watches it does not end it. */
export function tellInterrupted(invocation: Invocation, { own }: StackUse, run?: string): void {
  invocation.remark(
    own
      ? '\nThe run goes on when the stack runs again.\n\n  ./gyre dev'
      : `\nThe run goes on.\n\n  ./gyre run ${run ? `watch ${run}` : 'list'}`,
  )
}

/** Ends a verb that carried a run: tells the outcome, and fails the command where the run did not complete. */
export function tellRun(invocation: Invocation, report: RunReport): void {
  invocation.answer(report, () => `\n${outcome(report)}`)
  endAs(report)
}

/** Fails the command where the run did not complete; its outcome has been told. */
export function endAs(report: RunReport): void {
  if (report.status !== 'completed') throw new AnsweredFailure(exitCodeOf(report))
}

/** The first cause of a failure: the step that failed, not those that were left out for it. */
export function failedStep({ steps }: RunReport): StepReport | undefined {
  return steps.find(({ status }) => status === 'failed')
}

/** A run that did not complete, as the error of its failed step. */
export function failureOf(report: RunReport): PlatformError {
  const step = failedStep(report)
  if (!step) return new PlatformError('RUN_NOT_COMPLETED', `run ${report.id} is ${report.status}`, { run: report.id })
  return new PlatformError(codeOf(step), `${step.id}: ${step.reason ?? 'failed'}`, { run: report.id })
}

function codeOf({ code }: StepReport): ErrorCode {
  return code !== null && code in CATALOGUE ? (code as ErrorCode) : 'INTERNAL'
}

function exitCodeOf(report: RunReport): number {
  const step = failedStep(report)
  return step ? CATALOGUE[codeOf(step)].exitCode : 1
}

/** The last line under the steps; a failure names its cause and what to type. */
export function outcome(report: RunReport): string {
  const { id, status, startedAt, endedAt } = report
  const time = endedAt ? ` in ${duration(Date.parse(endedAt) - Date.parse(startedAt))}` : ''
  const head = `${pc.bold(id)} ${statusWord(status)}${time}`
  const link = report.temporalUrl ? [`Watch  ${report.temporalUrl}`] : []
  if (status === 'failed' || status === 'cancelled') {
    const step = failedStep(report)
    const cause = step ? [`${step.id}: ${step.reason ?? 'no cause was told'}`, CATALOGUE[codeOf(step)].remedy] : []
    return [head, ...cause, ...link, '', `  ./gyre run resume ${id}`].join('\n')
  }
  return [head, ...link].join('\n')
}

export function runText(report: RunReport): string {
  const head = `${report.pipeline}   params ${JSON.stringify(report.params)}`
  const steps = new RunView(terminalWidth()).lines(report)
  return [head, ...lineage(report), '', ...steps, '', why(report), '', outcome(report)].join('\n')
}

/** From which run it took results over, and which took over its own. */
function lineage({ basedOn, derived = [] }: RunReport): readonly string[] {
  const forced = basedOn && basedOn.forced.length > 0 ? ` from ${basedOn.forced.join(', ')}` : ''
  return [
    ...(basedOn ? [`${basedOn.kind === 'rerun' ? 're-run' : 'fork'} of ${basedOn.run}${forced}`] : []),
    ...(derived.length > 0 ? [`based on it: ${derived.join(', ')}`] : []),
  ]
}

/** Of each step that has its turn behind it: whether it ran, and why. */
function why({ steps }: RunReport): string {
  const rows = steps
    .filter(({ status }) => status !== 'queued')
    .map(({ id, status, origin, reason }) => [id, origin ?? statusWord(status), reason ?? '–'])
  return table(['step', 'result', 'because'], rows, 'No step has begun.')
}
