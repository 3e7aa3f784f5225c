import net from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { reservePorts, type Ports } from '../../infra/local/ports.ts'

let taken: net.Server
let takenPort: number
const releases: (() => void)[] = []

beforeEach(async () => {
  taken = net.createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  takenPort = (taken.address() as net.AddressInfo).port
})

afterEach(async () => {
  for (const release of releases.splice(0)) release()
  await new Promise<void>((resolve) => taken.close(() => resolve()))
})

async function reserve(...args: Parameters<typeof reservePorts>): Promise<Ports> {
  const { ports, release } = await reservePorts(...args)
  releases.push(release)
  return ports
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const { ports, release } = await reservePorts({}, null)
  release()
  return ports.api
}

describe('the ports of a stack', () => {
  it('are those of last time while they are free', async () => {
    const api = await freePort()
    expect(await reserve({}, { api })).toMatchObject({ api })
  })

  it('make way where one is taken', async () => {
    const { api } = await reserve({}, { api: takenPort })
    expect(api).not.toBe(takenPort)
  })

  it('are kept from another stack before anything listens on them', async () => {
    const first = await reserve({}, null)
    const second = await reserve({}, first)
    expect(new Set([...Object.values(first), ...Object.values(second)]).size).toBe(8)
  })

  it('are four different ones, also where last time names one twice', async () => {
    const port = await freePort()
    const ports = await reserve({}, { api: port, gateway: port, temporal: port, temporalUi: port })
    expect(new Set(Object.values(ports)).size).toBe(4)
  })

  it('are exactly those asked for, or an error', async () => {
    const gateway = await freePort()
    expect(await reserve({ gateway }, {})).toMatchObject({ gateway })
    await expect(reservePorts({ api: takenPort }, {})).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: expect.stringContaining(`port ${takenPort}`),
    })
  })
})
