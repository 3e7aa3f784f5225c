/** How failures are told: what, value, bound, remedy; a command to type stands on a line of its own. */
import { CommanderError } from 'commander'
import { CATALOGUE, toPlatformError, type PlatformError } from '#core/errors'

/** Wrong use of the command line itself. */
const USAGE = 2
/** By convention 128 + the number of SIGINT. */
export const INTERRUPTED = 130

/** Thrown when the person ended the command; nothing more is to be said. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

/** Thrown when the answer is out and tells of a failure itself: a failed run, a failed test. */
export class AnsweredFailure extends Error {
  override readonly name = 'AnsweredFailure'

  constructor(readonly exitCode = 1) {
    super()
  }
}

/** Tells the failure on standard error, and with `--json` as one JSON value on standard output too. @returns the exit code. */
export function report(error: unknown, { json }: { json: boolean }): number {
  if (error instanceof AnsweredFailure) return error.exitCode
  if (error instanceof Interrupted) return INTERRUPTED
  if (error instanceof CommanderError) return reportUsage(error, json)
  const failure = toPlatformError(error)
  if (json) process.stdout.write(`${JSON.stringify({ error: failureJson(failure) }, null, 2)}\n`)
  process.stderr.write(`${failureText(failure)}\n`)
  if (failure.code === 'INTERNAL' && process.env['GYRE_DEBUG']) console.error(error)
  return failure.exitCode
}

/** Commander has told people what is wrong, or shown the help or version that was asked for. */
function reportUsage({ exitCode, message }: CommanderError, json: boolean): number {
  if (exitCode === 0) return 0
  if (json) process.stdout.write(`${JSON.stringify({ error: { code: 'INVALID_INPUT', message } }, null, 2)}\n`)
  return USAGE
}

function failureJson({ code, message, details }: PlatformError) {
  return { code, message, remedy: CATALOGUE[code].remedy, details }
}

function failureText({ code, message, details }: PlatformError): string {
  const lines = [`gyre: ${message}`]
  const command = typeof details['command'] === 'string' ? details['command'] : commandIn(CATALOGUE[code].remedy)
  if (command) lines.push('', `  ${command}`)
  return lines.join('\n')
}

/** The catalogue's remedies quote commands in backticks. */
function commandIn(remedy: string): string | null {
  const quoted = /`(gyre [^`]+)`/.exec(remedy)?.[1]
  return quoted ? `./${quoted}` : null
}
