/** `gyre backup|restore`: objects and Temporal's database of a stopped stack, together, as one tar. */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { PlatformError } from '#core/errors'
import { StateFolder } from '../../../infra/local/index.ts'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { mebibytes } from '../words.ts'

const run = promisify(execFile)

/** What makes up a state; logs, locks and ports belong to the machine. */
const PARTS = ['objects', 'temporal.db', 'temporal.db-wal', 'owner-token']

/** @throws {PlatformError} `STATE_IN_USE` while a stack runs: the two halves must be of one moment. */
export async function backup(file: string, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const state = new StateFolder(invocation.state)
  if (!existsSync(state.objects)) throw nothingThere(state)
  const release = state.acquire()
  try {
    const target = path.resolve(file)
    const present = PARTS.filter((part) => existsSync(path.join(state.path, part)))
    // The name appears when the archive is whole.
    await run('tar', ['-cf', `${target}.partial`, '-C', state.path, ...present])
    renameSync(`${target}.partial`, target)
    const { size } = statSync(target)
    invocation.answer({ file: target, sizeBytes: size }, () => `${target}   ${mebibytes(size)}`)
  } finally {
    release()
  }
}

function nothingThere(state: StateFolder): PlatformError {
  return new PlatformError('INVALID_INPUT', `${state.path} holds no state to back up; choose a folder with --state`)
}

/** Only into a folder without objects: a restore never mixes two histories. */
export async function restore(file: string, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const source = path.resolve(file)
  if (!existsSync(source)) throw new PlatformError('INVALID_INPUT', `there is no file ${source} to restore from`)
  const state = new StateFolder(invocation.state)
  state.prepare()
  const release = state.acquire()
  try {
    if (readdirSync(state.objects).length > 0 || existsSync(state.temporalDatabase)) throw notEmpty(state)
    try {
      await run('tar', ['-xf', source, '-C', state.path])
    } catch (cause) {
      for (const part of PARTS) rmSync(path.join(state.path, part), { recursive: true, force: true })
      throw new PlatformError(
        'INVALID_INPUT',
        `${source} is not a whole backup (${(cause as Error).message})`,
        {},
        { cause },
      )
    }
    invocation.answer({ state: state.path }, () => `${state.path} is restored.\n\n  ./gyre dev --state ${state.path}`)
  } finally {
    release()
  }
}

function notEmpty(state: StateFolder): PlatformError {
  const message = `${state.path} holds a state already; restore into an empty folder, chosen with --state`
  return new PlatformError('INVALID_INPUT', message, { state: state.path })
}
