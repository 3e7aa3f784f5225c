/**
 * The process between a job's owner and its command, so that the job cannot outlive the owner (J3).
 *
 * It leads the job's process group, and its standard input is a pipe that the owner alone holds. However the owner ends,
 * the pipe closes, and the guard kills the group, itself included. Any command can be guarded so, on any Unix; a signal at
 * the parent's death (prctl) exists on Linux only, and a shell script cannot pass SIGTERM and exit codes on faithfully.
 *
 * The first line on the pipe is the job, JSON `{command, env}`; so secrets of `env` are on no command line.
 */

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** What a shell answers for a command that it cannot find or start. */
const CANNOT_START = 127

interface GuardedJob {
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

const lines = createInterface({ input: process.stdin })
lines.once('line', (line) => run(JSON.parse(line) as GuardedJob))
lines.once('close', () => process.kill(-process.pid, 'SIGKILL'))

function run({ command, env }: GuardedJob): void {
  const [file = '', ...args] = command
  const job = spawn(file, args, { env: { ...inherited(), ...env }, stdio: ['ignore', 'inherit', 'inherit'] })
  // Only the command itself is told to stop, as in a Pod: what it started is its own to end.
  const passOn = () => job.kill('SIGTERM')
  process.on('SIGTERM', passOn)
  job.once('error', (error) => {
    process.stderr.write(`cannot start ${file}: ${error.message}\n`)
    process.exit(CANNOT_START)
  })
  job.once('exit', (code, signal) => {
    process.off('SIGTERM', passOn)
    if (signal)
      process.kill(process.pid, signal) // The guard ends as its job did.
    else process.exit(code ?? 0)
  })
}

/** What a job gets of the environment: not the settings of our own processes, some of which are secrets. */
function inherited(): NodeJS.ProcessEnv {
  // eslint-disable-next-line no-restricted-properties -- a process entry: the job inherits the environment of the guard
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(GYRE|TEMPORAL)_/.test(name)))
}
