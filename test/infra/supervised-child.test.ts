import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { endProcesses, identifyProcess, isAlive } from '#core/compute'
import { SupervisedChild } from '../../infra/local/supervised-child.ts'

let folder: string
let children: SupervisedChild[]

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'gyre-child-'))
  children = []
})

afterEach(async () => {
  await Promise.all(children.map((child) => child.stop(0)))
  rmSync(folder, { recursive: true, force: true })
})

/** A child that runs a small program and counts its lives in the file `lives`. */
function child(program: string, { startTimeoutMs = 10_000 } = {}): SupervisedChild {
  const file = path.join(folder, 'program.cjs')
  writeFileSync(file, `require('fs').appendFileSync('${folder}/lives', 'x')\n${program}`)
  const made = new SupervisedChild(
    {
      name: 'worker',
      command: [process.execPath, file],
      env: process.env,
      logFile: path.join(folder, 'log'),
      isReady: (line) => line === 'up',
      startTimeoutMs,
    },
    () => undefined,
  )
  children.push(made)
  return made
}

const lives = () => readFileSync(path.join(folder, 'lives'), 'utf8').length
const SERVE = `process.stdin.resume().on('end', () => process.exit(0)); console.log('up')`

describe('a supervised child', () => {
  it('is up when it says so', async () => {
    const made = child(SERVE)
    await made.start()
    expect(isAlive(made.identity() ?? { pid: 0, startTime: '' })).toBe(true)
  })

  it('is started again when it dies', async () => {
    const made = child(SERVE)
    await made.start()
    const first = made.identity()
    process.kill(first?.pid ?? 0, 'SIGKILL')
    await vi.waitFor(() => expect(lives()).toBe(2), 5_000)
    await vi.waitFor(() => expect(made.identity()?.pid).not.toBe(first?.pid), 5_000)
  })

  it('is started again also when a later start fails', async () => {
    const made = child(`if (require('fs').readFileSync('${folder}/lives').length === 2) process.exit(3); ${SERVE}`)
    await made.start()
    process.kill(made.identity()?.pid ?? 0, 'SIGKILL')
    await vi.waitFor(() => expect(lives()).toBe(3), 5_000)
  })

  it('that cannot start tells its last words and its log', async () => {
    const made = child(`console.error(JSON.stringify({ msg: 'the disk error 17' })); process.exit(3)`)
    await expect(made.start()).rejects.toMatchObject({
      code: 'STACK_START_FAILED',
      message: `worker ended with exit code 3 (the disk error 17); its log is ${folder}/log`,
    })
    expect(lives()).toBe(1)
  })

  it('has all that it says on standard error in its log, also its last words', async () => {
    const made = child(`console.error('first'); setTimeout(() => console.error('last'), 50); ${SERVE}`)
    await made.start()
    await vi.waitFor(() => expect(readFileSync(path.join(folder, 'log'), 'utf8')).toBe('first\nlast\n'), 5_000)
  })

  it('that stays silent is given up and ended', async () => {
    const made = child(`setInterval(() => {}, 1000)`, { startTimeoutMs: 300 })
    await expect(made.start()).rejects.toMatchObject({ code: 'STACK_START_FAILED' })
    await vi.waitFor(() => expect(made.identity()).toBeNull(), 5_000)
  })

  it('that ignores SIGTERM is killed with all that it started after the grace time', async () => {
    const made = child(`
      process.on('SIGTERM', () => {})
      const grandchild = require('child_process').spawn('sleep', ['600'], { stdio: 'ignore' })
      require('fs').writeFileSync('${folder}/grandchild', String(grandchild.pid))
      setInterval(() => {}, 1000)
      console.log('up')`)
    await made.start()
    const grandchild = Number(readFileSync(path.join(folder, 'grandchild'), 'utf8'))
    await made.stop(100)
    expect(made.identity()).toBeNull()
    await vi.waitFor(() => expect(identifyProcess(grandchild)).toBeNull(), 5_000)
  })

  it('once stopped is not started again', async () => {
    const made = child(SERVE)
    await made.start()
    await made.stop(1_000)
    expect(made.identity()).toBeNull()
    expect(lives()).toBe(1)
  })
})

describe('ending leftovers', () => {
  it('ends recorded processes, and spares another process that got the number', async () => {
    const leftover = child(`process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('up')`)
    await leftover.start()
    const identity = leftover.identity() ?? { pid: 0, startTime: '' }
    await endProcesses([{ ...identity, startTime: 'another life' }], 50)
    expect(isAlive(identity)).toBe(true)
    await endProcesses([identity], 50)
    expect(isAlive(identity)).toBe(false)
  })
})
