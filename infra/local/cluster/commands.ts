/** Runs the programs that clusters are made with, and finds them. */
import { execFile, type ExecFileException } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import path from 'node:path'

/** Administrators' programs, which PATH of a plain shell may leave out. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/sbin']
const LARGEST_OUTPUT = 64 * 2 ** 20

export interface Outcome {
  readonly ok: boolean
  readonly stdout: string
  /** The last lines of standard error that say something, or why the program could not run. */
  readonly why: string
}

export interface RunOptions {
  readonly env: NodeJS.ProcessEnv
  readonly timeoutMs?: number
}

/** Never rejects: what went wrong is part of the outcome. */
export function run(program: string, args: readonly string[], { env, timeoutMs }: RunOptions): Promise<Outcome> {
  const options = { env, maxBuffer: LARGEST_OUTPUT, ...(timeoutMs && { timeout: timeoutMs }) }
  return new Promise((resolve) => {
    execFile(program, args, options, (error, stdout, stderr) =>
      resolve({ ok: error === null, stdout, why: error ? lastLines(stderr) || failureOf(program, error) : '' }),
    )
  })
}

function lastLines(text: string): string {
  return text.trim().split('\n').filter(Boolean).slice(-2).join(' | ')
}

function failureOf(program: string, { killed, code, message }: ExecFileException): string {
  if (killed) return `${program} took too long`
  return typeof code === 'number' ? `${program} ended with ${code}` : message
}

/** The path of a program on PATH or in the folders of the system; null where it is not installed. */
export async function findProgram(name: string, env: NodeJS.ProcessEnv): Promise<string | null> {
  const folders = [...(env['PATH'] ?? '').split(path.delimiter).filter(Boolean), ...SYSTEM_FOLDERS]
  for (const folder of folders) {
    const file = path.join(folder, name)
    if (await isExecutable(file)) return file
  }
  return null
}

export function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  )
}
