/** A new project works as it is made: its test passes, its wiring compiles, and its pipeline plans. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { entryPoint } from '#core/execution'
import { planRun } from '#core/planning'
import { createMemoryStore } from '#core/storage'

const gyre = (folder: string, ...args: string[]): string =>
  execFileSync(process.execPath, [entryPoint('cli'), ...args], { cwd: folder, encoding: 'utf8', stdio: 'pipe' })

const failureOf = (folder: string, ...args: string[]): string => {
  try {
    return gyre(folder, ...args)
  } catch (error) {
    return (error as { stderr: string }).stderr
  }
}

describe('gyre init', () => {
  let folder: string
  let project: string
  beforeAll(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'gyre-init-'))
    project = path.join(folder, 'parts')
    gyre(folder, 'init', 'parts', '--json')
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  it('makes a project whose test passes', () => {
    const said = execFileSync(path.join(project, 'node_modules/.bin/vitest'), ['run'], {
      cwd: project,
      encoding: 'utf8',
    })
    expect(said).toMatch(/1 passed/)
  })

  it('makes a project in which only wrong wiring does not compile', () => {
    const wrong = path.join(project, 'pipelines/wrong.ts')
    const hello = readFileSync(path.join(project, 'pipelines/hello.ts'), 'utf8')
    writeFileSync(wrong, hello.replace('counted.longest', 'counted.words'))
    const said = spawnSync(path.join(project, 'node_modules/.bin/tsc'), { cwd: project, encoding: 'utf8' }).stdout
    expect(said.trim().split('\n')).toEqual([
      expect.stringMatching(/^pipelines\/wrong\.ts.*text takes a text, not a number/),
    ])
    rmSync(wrong)
  }, 180_000)

  it('makes a pipeline that plans, with its own steps pinned to their files', async () => {
    const ports = { store: createMemoryStore(), projectDir: project, bundleDir: path.join(folder, 'bundles') }
    const plan = await planRun(ports, 'hello', {})
    expect(plan.nodes.map(({ id, needs }) => [id, needs])).toEqual([
      ['count', []],
      ['recount', ['count']],
    ])
    const record = await ports.store.get(`code/${plan.nodes[0]!.codeVersion}.json`)
    expect(Object.keys((JSON.parse(new TextDecoder().decode(record)) as { files: object }).files)).toEqual([
      'steps/count-words.ts',
    ])
  })

  it('links a clone, and writes nothing into it', () => {
    rmSync(path.join(project, 'node_modules'), { recursive: true })
    rmSync(path.join(project, 'README.md'))
    expect(JSON.parse(gyre(project, 'init', '--json'))).toMatchObject({ project, written: [] })
    expect(existsSync(path.join(project, 'README.md'))).toBe(false)
    expect(existsSync(path.join(project, 'node_modules/gyre/package.json'))).toBe(true)
  })

  it('leaves a folder with other things alone', () => {
    const other = path.join(folder, 'other')
    mkdirSync(other)
    writeFileSync(path.join(other, 'notes.txt'), '')
    expect(failureOf(folder, 'init', 'other')).toMatch(/other holds notes\.txt already, and no folder pipelines/)
    expect(existsSync(path.join(other, 'package.json'))).toBe(false)
  })
})

describe('gyre --project', () => {
  it('refuses a folder without pipelines, with the command that makes one', () => {
    expect(failureOf(os.tmpdir(), '--project', '/nowhere', 'pipeline', 'list')).toMatch(
      /\/nowhere has no folder pipelines; make a project with gyre init \/nowhere/,
    )
  })
})
