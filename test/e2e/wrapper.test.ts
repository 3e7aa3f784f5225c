/** `./gyre` in a folder of its own: a stub build, a stub npm, and a command line that prints its arguments. */

import { execFile, execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const exec = promisify(execFile)
const REPOSITORY = path.resolve(import.meta.dirname, '../..')
const TOOLS = [
  'sh',
  'dirname',
  'readlink',
  'cat',
  'cmp',
  'find',
  'head',
  'tail',
  'mkdir',
  'rm',
  'cp',
  'mv',
  'touch',
  'sleep',
]

let folder: string
let project: string
let bin: string

/** Writes its name to a log when called, so that tests can count the calls. */
function stub(name: string, body: string): void {
  const file = path.join(bin, name)
  writeFileSync(file, `#!/bin/sh\necho ${name} "$@" >>"${folder}/calls"\n${body}\n`)
  chmodSync(file, 0o755)
}

function calls(name: string): string[] {
  const log = path.join(folder, 'calls')
  return existsSync(log)
    ? readFileSync(log, 'utf8')
        .split('\n')
        .filter((line) => line.split(' ')[0] === name)
    : []
}

function makeOlder(file: string, seconds: number): void {
  const then = new Date(Date.now() - seconds * 1000)
  utimesSync(file, then, then)
}

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

async function gyre(args: readonly string[], { cwd = folder, file = path.join(project, 'gyre') } = {}): Promise<Ended> {
  try {
    const { stdout, stderr } = await exec(file, [...args], { cwd, env: { PATH: bin, HOME: folder } })
    return { code: 0, stdout, stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as Ended
    return { code, stdout, stderr }
  }
}

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'gyre-wrapper-'))
  project = path.join(folder, 'project')
  bin = path.join(folder, 'bin')
  mkdirSync(bin)
  for (const tool of TOOLS)
    symlinkSync(execFileSync('which', [tool], { encoding: 'utf8' }).trim(), path.join(bin, tool))
  symlinkSync(process.execPath, path.join(bin, 'node'))
  stub('npm', 'mkdir -p node_modules && sleep 0.02 && echo {} >node_modules/.package-lock.json')

  mkdirSync(path.join(project, 'infra/local'), { recursive: true })
  for (const source of ['core', 'apps', 'workflows', 'activities', 'workers']) mkdirSync(path.join(project, source))
  cpSync(path.join(REPOSITORY, 'gyre'), path.join(project, 'gyre'))
  writeFileSync(path.join(project, 'package.json'), '{"type":"module"}')
  writeFileSync(path.join(project, 'package-lock.json'), '{}')
  writeFileSync(path.join(project, 'core/a.ts'), 'export const a = 1')
  writeFileSync(
    path.join(project, 'infra/build.mjs'),
    `import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
     appendFileSync('${folder}/calls', 'build\\n')
     if (existsSync('core/a.ts') && readFileSync('core/a.ts', 'utf8').includes('broken')) process.exit(1)
     mkdirSync('dist', { recursive: true })
     writeFileSync('dist/cli.js', 'console.log(JSON.stringify(process.argv.slice(2)))')`,
  )
  writeFileSync(
    path.join(project, 'infra/local/temporal-binary.mjs'),
    `import { appendFileSync } from 'node:fs'; appendFileSync('${folder}/calls', 'temporal\\n')`,
  )
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('the wrapper', () => {
  it('installs and builds once, hands its arguments over, then is quiet', async () => {
    const first = await gyre(['run', 'show', 'a b'])
    expect(first).toMatchObject({ code: 0, stdout: '["run","show","a b"]\n' })
    expect(first.stderr).toContain('installing packages')
    const second = await gyre(['--version'])
    expect(second).toEqual({ code: 0, stdout: '["--version"]\n', stderr: '' })
    expect(calls('npm')).toEqual(['npm ci --no-audit --no-fund --loglevel=error'])
    expect(calls('build')).toHaveLength(1)
  })

  it('works from another folder and through symbolic links', async () => {
    await gyre([])
    mkdirSync(path.join(folder, 'elsewhere'))
    symlinkSync('../project/gyre', path.join(folder, 'elsewhere/relative'))
    symlinkSync(path.join(folder, 'elsewhere/relative'), path.join(folder, 'link'))
    expect(await gyre(['x'], { cwd: '/', file: path.join(folder, 'link') })).toMatchObject({ stdout: '["x"]\n' })
  })

  it.each([
    ['changed', () => writeFileSync(path.join(project, 'core/a.ts'), 'export const a = 2')],
    ['was added', () => writeFileSync(path.join(project, 'core/b.ts'), '')],
    ['was removed', () => rmSync(path.join(project, 'core/a.ts'))],
  ])('builds again after a source %s', async (_, change) => {
    await gyre([])
    makeOlder(path.join(project, '.gyre/ready/built'), 60)
    makeOlder(path.join(project, 'core/a.ts'), 120)
    for (const name of ['core', 'apps', 'workflows', 'activities', 'workers', 'infra/local', 'infra'])
      makeOlder(path.join(project, name), 120)
    for (const name of ['package.json', 'package-lock.json', 'infra/build.mjs', 'infra/local/temporal-binary.mjs'])
      makeOlder(path.join(project, name), 120)
    await gyre([])
    expect(calls('build')).toHaveLength(1)
    change()
    await gyre([])
    expect(calls('build')).toHaveLength(2)
  })

  it('installs again after the lockfile changed', async () => {
    await gyre([])
    writeFileSync(path.join(project, 'package-lock.json'), '{"changed":true}')
    makeOlder(path.join(project, 'node_modules/.package-lock.json'), 60)
    await gyre([])
    expect(calls('npm')).toHaveLength(2)
  })

  it('sets up once when several are called at the same time', async () => {
    const ended = await Promise.all([gyre(['1']), gyre(['2']), gyre(['3']), gyre(['4'])])
    expect(ended.map(({ stdout }) => stdout)).toEqual(['["1"]\n', '["2"]\n', '["3"]\n', '["4"]\n'])
    expect(calls('npm')).toHaveLength(1)
    expect(calls('build')).toHaveLength(1)
  })

  it('takes over the lock of a set-up that died', async () => {
    const dead = spawn(process.execPath, ['-e', ''])
    await new Promise((resolve) => dead.once('close', resolve))
    mkdirSync(path.join(project, '.gyre/setup.lock'), { recursive: true })
    writeFileSync(path.join(project, '.gyre/setup.lock/pid'), `${dead.pid}\n`)
    expect(await gyre(['x'])).toMatchObject({ code: 0, stdout: '["x"]\n' })
  })

  it('prepares the Temporal server beside the installation for verbs that need one, and only for those', async () => {
    await gyre(['--version'])
    expect(calls('temporal')).toHaveLength(0)
    rmSync(path.join(project, 'node_modules'), { recursive: true })
    await gyre(['demo'])
    expect(calls('temporal')).toHaveLength(1)
  })

  it('says what to do when Node is missing or too old', async () => {
    rmSync(path.join(bin, 'node'))
    const missing = await gyre(['--version'])
    expect(missing.code).toBe(5)
    expect(missing.stderr).toContain('Node.js is not installed; Gyre needs 20.19 or newer.')
    stub('node', 'echo 20.18.3')
    const old = await gyre(['--version'])
    expect(old.code).toBe(5)
    expect(old.stderr).toContain('Node.js 20.18.3')
    expect(calls('npm')).toHaveLength(0)
  })

  it('shows why the installation failed, and tries again next time', async () => {
    stub('npm', 'echo "npm error network unreachable"; exit 1')
    const failed = await gyre(['--version'])
    expect(failed.code).toBe(5)
    expect(failed.stderr).toContain('network unreachable')
    expect(failed.stderr).toContain('npm config get registry')
    stub('npm', 'mkdir -p node_modules && echo {} >node_modules/.package-lock.json')
    expect(await gyre(['x'])).toMatchObject({ code: 0, stdout: '["x"]\n' })
  })

  it('ends with the cause when the build fails, and builds again once it is mended', async () => {
    writeFileSync(path.join(project, 'core/a.ts'), 'broken')
    const failed = await gyre(['--version'])
    expect(failed.code).toBe(5)
    expect(failed.stderr).toContain('the build failed')
    writeFileSync(path.join(project, 'core/a.ts'), 'export const a = 2')
    expect(await gyre(['x'])).toMatchObject({ code: 0, stdout: '["x"]\n' })
  })
})
