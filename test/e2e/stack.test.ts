/** The embedded stack as a whole: real processes, started, stopped and killed as life does. */

import net from 'node:net'
import { existsSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { isAlive } from '#core/compute'
import { gyre, interrupt, processNamed, recordedProcesses, StateFolders } from '../support/gyre.ts'

const PATIENCE = { timeout: 30_000, interval: 50 }
const folders = new StateFolders()

afterEach(() => folders.clean())

async function isHealthy(apiUrl: string): Promise<boolean> {
  const answer = await fetch(`${apiUrl}/api/health`).catch(() => null)
  return answer?.ok ?? false
}

function isPortFree(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer()
    server.once('error', () => resolve(false))
    server.listen(Number(new URL(url).port), '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

describe('gyre dev', () => {
  it('tells where everything is, and leaves nothing running after Ctrl-C', async () => {
    const state = folders.create()
    const { info, process: parent } = await folders.startDev(state)
    expect(await isHealthy(info.apiUrl)).toBe(true)
    expect(JSON.parse(readFileSync(path.join(state, 'stack.json'), 'utf8'))).toMatchObject({ apiUrl: info.apiUrl })
    expect(statSync(path.join(state, 'owner-token')).mode & 0o777).toBe(0o600)
    const processes = recordedProcesses(state)
    expect(processes.map(({ name }) => name).sort()).toEqual([
      'api',
      'gateway',
      'temporal',
      'temporal-server',
      'worker',
    ])

    expect(await interrupt(parent)).toBe(0)
    expect(processes.filter(isAlive)).toEqual([])
    expect(existsSync(path.join(state, 'stack.json'))).toBe(false)
    for (const url of [info.apiUrl, info.gatewayUrl ?? '', info.temporalUiUrl ?? ''])
      expect(await isPortFree(url)).toBe(true)
  })

  it('killed alone takes its children with it, and starts again on the same ports', async () => {
    const state = folders.create()
    const first = await folders.startDev(state)
    const processes = recordedProcesses(state)
    first.process.kill('SIGKILL')
    await vi.waitFor(() => expect(processes.filter(isAlive)).toEqual([]), PATIENCE)

    const second = await folders.startDev(state)
    const { pid: _pid, startTime: _startTime, ...places } = first.info
    expect(second.info).toMatchObject({ ...places, login: expect.any(String) as string })
  })

  it.each(['worker', 'api', 'gateway', 'temporal-server', 'temporal'])('starts a killed %s again', async (name) => {
    const state = folders.create()
    const { info } = await folders.startDev(state)
    const victim = processNamed(state, name)
    process.kill(victim?.pid ?? 0, 'SIGKILL')
    await vi.waitFor(() => expect(processNamed(state, name)?.pid).not.toBe(victim?.pid), PATIENCE)
    await vi.waitFor(() => expect(processNamed(state, name)).toBeDefined(), PATIENCE)
    const { code } = await gyre(['run', 'list', '--json', '--no-start', '--state', state])
    expect(code).toBe(0)
    expect(await isHealthy(info.apiUrl)).toBe(true)
  })

  it('runs twice at once on two state folders', async () => {
    const [one, two] = [folders.create(), folders.create()]
    const [first, second] = await Promise.all([folders.startDev(one), folders.startDev(two)])
    const places = [first.info, second.info].flatMap((info) => [info.apiUrl, info.gatewayUrl, info.temporalAddress])
    expect(new Set(places).size).toBe(6)
    expect(await interrupt(first.process)).toBe(0)
    expect(await isHealthy(second.info.apiUrl)).toBe(true)
  })

  it('refuses a state folder in use, naming the process that has it', async () => {
    const state = folders.create()
    const { info } = await folders.startDev(state)
    const { code, stderr } = await gyre(['dev', '--state', state])
    expect(code).toBe(4)
    expect(stderr).toContain(`is in use by process ${info.pid}`)
  })

  it('refuses a port that was asked for and is taken', async () => {
    const blocker = net.createServer()
    await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve))
    const { port } = blocker.address() as net.AddressInfo
    const { code, stderr } = await gyre(['dev', '--state', folders.create(), '--port', String(port)])
    blocker.close()
    expect(code).toBe(4)
    expect(stderr).toContain(`port ${port}`)
  })
})

describe('a verb that needs the stack', () => {
  it('starts one for its own time where none runs', async () => {
    const state = folders.create()
    const { code, stdout } = await gyre(['pipeline', 'list', '--json', '--state', state])
    expect(code).toBe(0)
    expect((JSON.parse(stdout) as { name: string }[]).map(({ name }) => name)).toContain('image-classifier')
    expect(existsSync(path.join(state, 'stack.json'))).toBe(false)
    expect(recordedProcesses(state)).toEqual([])
  })

  it('fails with exit code 5 and the command to type where it may not start one', async () => {
    const state = folders.create()
    const { code, stdout, stderr } = await gyre(['run', 'list', '--json', '--no-start', '--state', state])
    expect(code).toBe(5)
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'STACK_NOT_RUNNING' } })
    expect(stderr).toContain(`\n  ./gyre dev --state ${state}\n`)
  })

  it('shares the stack that another verb started, which stays until both are done', async () => {
    const state = folders.create()
    const both = ['pipeline', 'run'].map((noun) => gyre([noun, 'list', '--json', '--state', state]))
    for (const { code, stderr } of await Promise.all(both)) expect({ code, stderr }).toMatchObject({ code: 0 })
    expect(recordedProcesses(state)).toEqual([])
  })
})
