import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  createProcessJobRunner,
  identifyProcess,
  isAlive,
  type JobRunner,
  type JobSpec,
  type ProcessIdentity,
} from '#core/compute'
import { silentLogger } from '#core/log'
import { createMemoryStore } from '#core/storage'
import { startJobOwner } from '../../support/job-owner.ts'

const program = (...args: readonly string[]) => [
  process.execPath,
  path.resolve('test/fixtures/job-programs.mjs'),
  ...args,
]
const job = (command: readonly string[], env: Record<string, string> = {}): JobSpec => ({
  name: 'job',
  command,
  env,
  timeoutMs: 60_000,
  graceMs: 1_000,
})
const untilGone = (pids: readonly number[]) =>
  vi.waitUntil(() => pids.every((pid) => identifyProcess(pid) === null), { timeout: 5_000, interval: 10 })

describe('jobs as child processes', () => {
  let directory: string
  let runner: JobRunner
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'gyre-jobs-'))
    runner = createProcessJobRunner({ directory, store: createMemoryStore(), log: silentLogger() })
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))

  it('J3: end by themselves, with all that they started, when their owner is killed with −9', async () => {
    const owner = await startJobOwner(directory, job(program('family')))
    const pids = owner.firstLine.split(' ').map(Number)
    const guard = guardOf(directory)
    expect([...pids, guard.pid].map((pid) => identifyProcess(pid) !== null)).toEqual([true, true, true])
    await owner.kill()
    await untilGone([...pids, guard.pid])
  })

  it('J3: end, with all that they started, when their guard is killed with −9', async () => {
    await runner.start(job(program('family')))
    let pids: number[] = []
    const outcome = await runner.wait('job', {
      onLine: (line) => {
        pids = line.split(' ').map(Number)
        process.kill(guardOf(directory).pid, 'SIGKILL')
      },
    })
    expect(outcome).toMatchObject({ kind: 'interrupted', message: 'ended by SIGKILL' })
    await untilGone(pids)
  })

  it.each([
    ['GYRE_SMTP_URL', 'not set'],
    ['TEMPORAL_API_KEY', 'not set'],
    ['DEFECTS_API_KEY', 'a secret'],
  ])('see of the worker what people set for their steps, not its own settings: %s is %s', async (name, seen) => {
    vi.stubEnv(name, 'a secret')
    await runner.start(job(program('env', name)))
    vi.unstubAllEnvs()
    const lines: string[] = []
    await runner.wait('job', { onLine: (line) => lines.push(line) })
    expect(lines).toEqual([seen])
  })

  it('leave nothing running behind them when they end in order', async () => {
    await runner.start(job(program('family', 'leave')))
    let pids: number[] = []
    const outcome = await runner.wait('job', { onLine: (line) => (pids = line.split(' ').map(Number)) })
    expect(outcome).toEqual({ kind: 'succeeded', outputs: {} })
    expect(pids).toHaveLength(2)
    await untilGone(pids)
  })

  it('are interrupted when a signal ends them', async () => {
    await runner.start(job(program('family')))
    const outcome = await runner.wait('job', {
      onLine: (line) => process.kill(Number(line.split(' ')[0]), 'SIGKILL'),
    })
    expect(outcome).toEqual({ kind: 'interrupted', exitCode: null, message: 'ended by SIGKILL' })
  })

  it('keep the values of their environment out of their folder and off the command line', async () => {
    await runner.start(job(program('family'), { PASSWORD: 'open sesame' }))
    const guard = guardOf(directory)
    if (process.platform === 'linux')
      expect(await readFile(`/proc/${guard.pid}/cmdline`, 'utf8')).not.toContain('open sesame')
    const entries = await readdir(path.join(directory, 'job/000001'), { recursive: true, withFileTypes: true })
    for (const entry of entries.filter((one) => one.isFile()))
      expect(await readFile(path.join(entry.parentPath, entry.name), 'utf8')).not.toContain('open sesame')
    await runner.cancel('job')
  })

  it('leave no folder of theirs behind, only their records and their log', async () => {
    await runner.start(job(program('print', '1')))
    await runner.wait('job', {})
    await vi.waitUntil(async () => (await readdir(path.join(directory, 'job/000001'))).length === 5)
    expect((await readdir(path.join(directory, 'job/000001'))).sort()).toEqual([
      'outcome.json',
      'process.json',
      'spec.json',
      'stderr.log',
      'stdout.log',
    ])
  })

  it('of a dead owner are ended by the next one when they still run', async () => {
    const leftover = spawn(process.execPath, [path.resolve('test/fixtures/job-programs.mjs'), 'stubborn'], {
      detached: true,
    })
    await once(leftover.stdout, 'data')
    await writeStaleJob(directory, identifyProcess(leftover.pid ?? 0))
    expect(await runner.wait('job', {})).toMatchObject({ kind: 'interrupted' })
    await untilGone([leftover.pid ?? 0])
  })

  it('of a dead owner do not cost another process its life that got their number', async () => {
    const stranger = spawn(process.execPath, [path.resolve('test/fixtures/job-programs.mjs'), 'stubborn'], {
      detached: true,
    })
    await once(stranger.stdout, 'data')
    const identity = identifyProcess(stranger.pid ?? 0)
    await writeStaleJob(directory, { pid: stranger.pid ?? 0, startTime: 'some other time' })
    expect(await runner.wait('job', {})).toMatchObject({ kind: 'interrupted' })
    expect(identity && isAlive(identity)).toBe(true)
    const gone = once(stranger, 'exit')
    stranger.kill('SIGKILL')
    await gone
  })

  it('can be waited for and cancelled by another process on the same folder', async () => {
    const owner = await startJobOwner(directory, job(program('until-stopped')))
    const lines: string[] = []
    const waiting = runner.wait('job', { onLine: (line) => lines.push(line) })
    await runner.cancel('job')
    expect(await waiting).toEqual({ kind: 'cancelled' })
    expect(lines).toEqual(['ready', 'stopping'])
    await owner.kill()
  })
})

describe('the identity of a process', () => {
  it('is the same as long as it lives, and nothing afterwards', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    const identity = identifyProcess(child.pid ?? 0)
    if (!identity) throw new Error('a living process has no identity')
    expect(isAlive(identity)).toBe(true)
    expect(isAlive({ ...identity, startTime: `${identity.startTime}0` })).toBe(false)
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
    expect(identifyProcess(identity.pid)).toBeNull()
    expect(isAlive(identity)).toBe(false)
  })
})

function guardOf(directory: string): ProcessIdentity {
  return JSON.parse(readFileSync(path.join(directory, 'job/000001/process.json'), 'utf8')) as ProcessIdentity
}

/** The folder of a job whose owner died in the middle, as that owner wrote it. */
async function writeStaleJob(directory: string, guard: unknown): Promise<void> {
  const folder = path.join(directory, 'job/000001')
  await mkdir(folder, { recursive: true })
  const spec = { key: 'job/000001', specSha256: 'any', graceMs: 1_000, owner: { pid: 1, startTime: 'long ago' } }
  await writeFile(path.join(folder, 'spec.json'), JSON.stringify(spec))
  await writeFile(path.join(folder, 'process.json'), JSON.stringify(guard))
}
