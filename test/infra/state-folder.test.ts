import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { identifyProcess, thisProcess } from '#core/compute'
import { StateFolder, stateFolderPath } from '../../infra/local/index.ts'

let state: StateFolder
const children: ChildProcess[] = []

/** A process of our own that does nothing until it is ended. */
function idle(): { pid: number; startTime: string; end: () => Promise<void> } {
  const child = spawn('sleep', ['600'])
  children.push(child)
  const pid = child.pid ?? 0
  const end = () =>
    new Promise<void>((resolve) => {
      child.once('close', () => resolve())
      child.kill('SIGKILL')
    })
  return { pid, startTime: identifyProcess(pid)?.startTime ?? '', end }
}

beforeEach(() => {
  state = new StateFolder(path.join(mkdtempSync(path.join(os.tmpdir(), 'gyre-state-')), 'state'))
  state.prepare()
  mkdirSync(path.join(state.path, 'locks'))
})

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(path.dirname(state.path), { recursive: true, force: true })
})

describe('the path of the state folder', () => {
  it('is the flag, else GYRE_STATE, else below XDG_STATE_HOME, else below the home folder', () => {
    const env = { GYRE_STATE: '/from/gyre', XDG_STATE_HOME: '/from/xdg' }
    expect(stateFolderPath('/from/flag', env)).toBe('/from/flag')
    expect(stateFolderPath(undefined, env)).toBe('/from/gyre')
    expect(stateFolderPath(undefined, { XDG_STATE_HOME: '/from/xdg' })).toBe('/from/xdg/gyre')
    expect(stateFolderPath(undefined, {})).toBe(path.join(os.homedir(), '.local/state/gyre'))
  })

  it('is absolute even where a relative one was given', () => {
    expect(stateFolderPath('here', {})).toBe(path.resolve('here'))
  })
})

describe('the lock of a state folder', () => {
  it('is held by one at a time and names its holder', () => {
    const release = state.acquire()
    expect(state.holder()).toEqual(thisProcess())
    expect(() => state.acquire()).toThrow(
      expect.objectContaining({ code: 'STATE_IN_USE', message: expect.stringContaining(`process ${process.pid}`) }),
    )
    release()
    expect(state.holder()).toBeNull()
    state.acquire()()
  })

  it('of a dead process is taken over, and leaves no old entry behind', async () => {
    const holder = idle()
    state.writeJson('locks/000000004.json', { pid: holder.pid, startTime: holder.startTime })
    expect(() => state.acquire()).toThrow(/in use by process/)
    await holder.end()
    state.acquire()
    expect(readdirSync(path.join(state.path, 'locks'))).toEqual(['000000005.json'])
  })

  it('of a process whose number was given out again counts as dead', () => {
    const other = idle()
    state.writeJson('locks/000000001.json', { pid: other.pid, startTime: 'another life' })
    expect(state.holder()).toBeNull()
  })

  it('cut off in the middle of a write counts as dead', () => {
    writeFileSync(path.join(state.path, 'locks/000000001.json'), '{"pid":')
    state.acquire()
    expect(state.holder()).toEqual(thisProcess())
  })
})

describe('the running stack of a state folder', () => {
  it('is told while its process lives', async () => {
    const parent = idle()
    const info = { pid: parent.pid, startTime: parent.startTime, apiUrl: 'http://127.0.0.1:1' }
    state.writeJson('stack.json', info)
    expect(state.runningStack()).toEqual(info)
    await parent.end()
    expect(state.runningStack()).toBeNull()
  })
})

describe('the commands that use a stack', () => {
  it('are counted while they live, the asking one left out', async () => {
    const other = idle()
    state.writeJson(`clients/${other.pid}.json`, { pid: other.pid, startTime: other.startTime })
    const leave = state.enter()
    expect(state.otherClients()).toEqual([{ pid: other.pid, startTime: other.startTime }])
    leave()
    expect(existsSync(path.join(state.path, `clients/${process.pid}.json`))).toBe(false)
    await other.end()
    expect(state.otherClients()).toEqual([])
  })
})

describe("the owner's token", () => {
  it('is made once, is long, and is readable by its owner alone', () => {
    const token = state.ownerToken()
    expect(token).toMatch(/^[\w-]{43}$/)
    expect(new StateFolder(state.path).ownerToken()).toBe(token)
    expect(statSync(state.ownerTokenFile).mode & 0o777).toBe(0o600)
  })
})
