/** Requests at a fixed rate, sent whether or not the earlier ones were answered: what outside callers do to an endpoint. */

import { setTimeout as delay } from 'node:timers/promises'
import { Agent, request } from 'undici'

export interface LoadResult {
  readonly sent: number
  /** One line for each request that was not answered with 200. */
  readonly failed: readonly string[]
  readonly p95Ms: number
}

export interface OpenLoad {
  /** Sends no more, waits for what is on its way, and tells. */
  stop(): Promise<LoadResult>
}

/** @param image - an encoded image, sent as it is. */
export function openLoad(url: string, image: Uint8Array, perSecond: number): OpenLoad {
  const agent = new Agent({ connections: 64, headersTimeout: 30_000 })
  const times: number[] = []
  const failed: string[] = []
  const pending = new Set<Promise<void>>()
  let going = true

  const one = async (): Promise<void> => {
    const began = performance.now()
    try {
      const answer = await request(url, {
        method: 'POST',
        dispatcher: agent,
        headers: { 'content-type': 'image/png' },
        body: image,
      })
      const text = await answer.body.text()
      if (answer.statusCode !== 200) failed.push(`${answer.statusCode} ${text.slice(0, 200)}`)
    } catch (error) {
      failed.push(String(error))
    }
    times.push(performance.now() - began)
  }
  const sending = (async () => {
    const began = performance.now()
    for (let n = 0; going; n++) {
      const wait = began + (n * 1_000) / perSecond - performance.now()
      if (wait > 0) await delay(wait)
      const sent = one().finally(() => pending.delete(sent))
      pending.add(sent)
    }
  })()
  return {
    async stop() {
      going = false
      await sending
      await Promise.all(pending)
      await agent.destroy()
      times.sort((a, b) => a - b)
      return { sent: times.length, failed, p95Ms: Math.round(times[Math.floor(times.length * 0.95)] ?? 0) }
    },
  }
}
