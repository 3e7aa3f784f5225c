import net from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { choosePorts } from '../../infra/local/ports.ts'

let taken: net.Server
let takenPort: number

beforeEach(async () => {
  taken = net.createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  takenPort = (taken.address() as net.AddressInfo).port
})

afterEach(() => new Promise<void>((resolve) => taken.close(() => resolve())))

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const { api } = await choosePorts({}, null)
  return api
}

describe('the ports of a stack', () => {
  it('are those of last time while they are free', async () => {
    const api = await freePort()
    expect(await choosePorts({}, { api })).toMatchObject({ api })
  })

  it('make way where one is taken', async () => {
    const { api } = await choosePorts({}, { api: takenPort })
    expect(api).not.toBe(takenPort)
  })

  it('are four different ones, also where last time names one twice', async () => {
    const port = await freePort()
    const ports = await choosePorts({}, { api: port, gateway: port, temporal: port, temporalUi: port })
    expect(new Set(Object.values(ports)).size).toBe(4)
  })

  it('are exactly those asked for, or an error', async () => {
    const gateway = await freePort()
    expect(await choosePorts({ gateway }, {})).toMatchObject({ gateway })
    await expect(choosePorts({ api: takenPort }, {})).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: expect.stringContaining(`port ${takenPort}`),
    })
  })
})
