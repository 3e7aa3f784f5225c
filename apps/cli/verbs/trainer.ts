/** `gyre trainer`: the Python that trains networks on this machine. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { PlatformError } from '#core/errors'
import { installationRoot } from '#core/execution'
import { StateFolder } from '../../../infra/local/index.ts'
import { Invocation, type CommonOptions } from '../invocation.ts'

export interface InstallOptions extends CommonOptions {
  readonly python: string
  readonly indexUrl?: string
}

interface Installed {
  readonly python: string
  readonly torch: string
  /** `cuda` with the name of the GPU, or `cpu`. */
  readonly device: string
}

const LOOK = `
import json, sys, torch
gpu = torch.cuda.is_available()
print(json.dumps({"python": sys.executable, "torch": torch.__version__, "device": f"cuda, {torch.cuda.get_device_name()}" if gpu else "cpu"}))`

/**
 * Makes the environment that trainings of this state folder run in. Repeating it brings an older one up to date.
 *
 * @throws {PlatformError} `TRAINER_MISSING` with the last words of the program that failed.
 */
export async function installTrainer(options: InstallOptions): Promise<void> {
  const invocation = new Invocation(options)
  const state = new StateFolder(invocation.state)
  state.prepare()
  const venv = path.join(state.path, 'trainer')
  const python = path.join(venv, 'bin', 'python')
  if (!existsSync(python)) {
    invocation.remark(`making an environment in ${venv}`)
    await run(options.python, ['-m', 'venv', venv])
  }
  invocation.remark('installing torch, numpy and onnx; torch with its libraries for GPUs takes some 5 GB')
  const index = options.indexUrl === undefined ? [] : ['--extra-index-url', options.indexUrl]
  const requirements = path.join(installationRoot(), 'apps', 'trainer', 'requirements.txt')
  await run(python, ['-m', 'pip', 'install', '--quiet', ...index, '--requirement', requirements])
  const found = JSON.parse(await run(python, ['-c', LOOK])) as Installed
  invocation.answer(found, () => `torch ${found.torch} in ${found.python}, trains on ${found.device}`)
}

/** @returns what it wrote to standard output. */
async function run(program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const [said, complained]: [Buffer[], Buffer[]] = [[], []]
  child.stdout.on('data', (bytes: Buffer) => said.push(bytes))
  child.stderr.on('data', (bytes: Buffer) => complained.push(bytes))
  const [code] = (await once(child, 'close').catch((error: unknown) => [(error as Error).message])) as [number | string]
  if (code === 0) return Buffer.concat(said).toString()
  const lastWords = Buffer.concat(complained).toString().trim().split('\n').at(-1) || `ended with ${code}`
  throw new PlatformError(
    'TRAINER_MISSING',
    `${program} ${args.slice(0, 3).join(' ')}: ${lastWords}; name another Python with --python, or one that has torch with GYRE_TRAINER_PYTHON`,
    { program },
  )
}
