import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeFakePython } from '../support/fake-python.ts'

describe('gyre trainer install', () => {
  let folder: string
  let python: string
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'gyre-install-'))
    python = path.join(folder, 'python')
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  const install = (...more: readonly string[]) =>
    promisify(execFile)(process.execPath, [
      ...['--import', 'tsx', 'apps/cli/main.ts', 'trainer', 'install', '--json'],
      ...['--state', path.join(folder, 'state'), '--python', python, ...more],
    ])

  it('makes an environment in the state folder, with the packages that trainers are tested with, and says where it trains', async () => {
    await writeFakePython(python)
    const { stdout } = await install('--index-url', 'https://index.example')
    const own = path.join(folder, 'state', 'trainer', 'bin', 'python')
    expect(JSON.parse(stdout)).toEqual({ python: own, torch: '2.15.0', device: 'cpu' })
    expect(await readFile(`${own}.calls`, 'utf8')).toBe(
      `-m pip install --quiet --extra-index-url https://index.example --requirement ${path.resolve('apps/trainer/requirements.txt')}\n`,
    )
  })

  it('tells the last words of what failed, and the remedy', async () => {
    await writeFakePython(python, { pipFails: 'ERROR: No space left on device' })
    await expect(install()).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/No space left on device; name another Python with --python/) as string,
    })
  })
})
