/** What a worker answers to the probes of a cluster. */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { serveHealth, storeProbe } from '../../workers/health.ts'

let close: () => void = () => undefined
afterEach(() => close())

async function serve(problems: readonly string[], metricsPort = 1): Promise<(at: string) => Promise<[number, string]>> {
  const health = await serveHealth({
    host: '127.0.0.1',
    port: 0,
    problems: () => Promise.resolve(problems),
    metricsPort,
  })
  close = health.close
  return async (at) => {
    const answer = await fetch(health.url + at)
    return [answer.status, await answer.text()]
  }
}

describe('a worker that cannot work', () => {
  it('lives, is not ready, and says why', async () => {
    const ask = await serve(['a worker of gyre-cpu is DRAINING', 'the store does not answer: timeout'])
    expect(await ask('/healthz')).toEqual([200, 'alive\n'])
    expect(await ask('/readyz')).toEqual([
      503,
      'a worker of gyre-cpu is DRAINING\nthe store does not answer: timeout\n',
    ])
  })

  it('still answers when its figures cannot be had', async () => {
    const ask = await serve([])
    expect((await ask('/metrics'))[0]).toBe(500)
    expect(await ask('/readyz')).toEqual([200, 'ready\n'])
  })
})

describe('the port of the probes', () => {
  it('that is taken is named', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    close = () => other.close()
    const { port } = other.address() as AddressInfo
    const taken = serveHealth({ host: '127.0.0.1', port, problems: () => Promise.resolve([]), metricsPort: 1 })
    await expect(taken).rejects.toMatchObject({ code: 'PORT_IN_USE', details: { port } })
  })
})

describe('the probe of the store', () => {
  it('asks once for all who ask at the same time', async () => {
    const ask = vi.fn(() => Promise.resolve(null))
    const probe = storeProbe(ask)
    expect(await Promise.all([probe(), probe(), probe()])).toEqual([null, null, null])
    expect(ask).toHaveBeenCalledTimes(1)
  })

  it('passes on why the store does not answer', async () => {
    const probe = storeProbe(() => Promise.reject(new Error('connect ECONNREFUSED 10.0.0.1:9000')))
    expect(await probe()).toBe('the store does not answer: connect ECONNREFUSED 10.0.0.1:9000')
  })
})
