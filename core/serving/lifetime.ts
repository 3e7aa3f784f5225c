/** What the serving processes share at the edges of their life: bad connections, the end of a parent, the last request. */

import { fstatSync } from 'node:fs'
import type { Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { errorBody } from './oip.ts'

/** A parent that holds our standard input as a pipe takes us with it when it goes, however it goes. */
export function endWithParent(onGone: () => void): void {
  const input = fstatSync(0)
  if (input.isFIFO() || input.isSocket()) process.stdin.on('end', onGone).on('error', onGone).resume()
}

/** Answers what is no HTTP request in the protocol's form too. */
export function answerMalformed(_error: Error, socket: Duplex): void {
  if (!socket.writable) return
  const body = errorBody('this is no HTTP request')
  const head = `HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`
  socket.end(`${head}\r\n\r\n${body}`)
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
