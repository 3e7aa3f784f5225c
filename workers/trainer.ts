/** Where the programs of `apps/trainer` find their Python: in an image, or in an environment of this machine. */

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { PlatformError } from '#core/errors'
import { installationRoot, type TrainerProgram } from '#core/execution'

export interface TrainerSettings {
  /** On a cluster; '' where there is none. */
  readonly image: string
  /** Named by a person; '' where it is to be found. */
  readonly python: string
  /** The environment that `gyre trainer install` makes. */
  readonly venv: string
}

/** The image's folder of programs, as infra/images/trainer.Dockerfile has it. */
const PROGRAMS = '/trainer'
const NEEDED = ['torch', 'numpy', 'onnx']
/** Says which modules are missing, in a moment: none is loaded. */
const LOOK = `import importlib.util as u, sys; print(*(n for n in sys.argv[1:] if u.find_spec(n) is None))`

/** @throws {PlatformError} `TRAINER_MISSING`. */
export async function trainerInImage(program: string, image: string): Promise<TrainerProgram> {
  if (image) return { image, command: ['python', `${PROGRAMS}/${program}`] }
  throw new PlatformError(
    'TRAINER_MISSING',
    'no image with a trainer is named; build infra/images/trainer.Dockerfile and set GYRE_IMAGE_TRAINER',
  )
}

/**
 * The Python that somebody named, else that of `gyre trainer install`, else `python3`.
 *
 * @throws {PlatformError} `TRAINER_MISSING` when it lacks torch, numpy or onnx.
 */
export async function trainerOfThisMachine(
  program: string,
  { python: named, venv }: Pick<TrainerSettings, 'python' | 'venv'>,
): Promise<TrainerProgram> {
  const installed = path.join(venv, 'bin', 'python')
  const python = named || (existsSync(installed) ? installed : 'python3')
  const problem = await problemOf(python)
  if (problem)
    throw new PlatformError(
      'TRAINER_MISSING',
      `${python} ${problem}; make an environment with \`gyre trainer install\`, or name a Python that has ${NEEDED.join(', ')} with GYRE_TRAINER_PYTHON`,
      { python },
    )
  // No folders of bytecode in the installation.
  return { command: [python, '-B', path.join(installationRoot(), 'apps', 'trainer', program)] }
}

async function problemOf(python: string): Promise<string | null> {
  try {
    const { stdout } = await promisify(execFile)(python, ['-c', LOOK, ...NEEDED])
    return stdout.trim() === '' ? null : `has no ${stdout.trim().replaceAll(' ', ', ')}`
  } catch (error) {
    return `cannot be run (${(error as Error).message.split('\n')[0]})`
  }
}
