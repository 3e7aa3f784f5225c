/** How the serving processes begin to end: with their parent, or when nobody asks them anything any more. */

import { fstatSync } from 'node:fs'
import type { Server } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

/** A parent that holds our standard input as a pipe takes us with it when it goes, however it goes. */
export function endWithParent(onGone: () => void): void {
  const input = fstatSync(0)
  if (input.isFIFO() || input.isSocket()) process.stdin.on('end', onGone).on('error', onGone).resume()
}

/** Counts the requests of a server from their first byte to the end of their answer. */
export class RequestGauge {
  inFlight = 0
  private lastAt = performance.now()

  constructor(server: Server) {
    server.on('request', (_request, response) => {
      this.inFlight += 1
      this.lastAt = performance.now()
      response.once('close', () => {
        this.inFlight -= 1
        this.lastAt = performance.now()
      })
    })
  }

  /** Resolves when nothing was in flight for `quietMs`, at the latest after `limitMs`. */
  async quiet({ quietMs, limitMs }: { quietMs: number; limitMs: number }): Promise<void> {
    const deadline = performance.now() + limitMs
    const isQuiet = () => this.inFlight === 0 && performance.now() - this.lastAt >= quietMs
    while (!isQuiet() && performance.now() < deadline) await delay(20)
  }
}
