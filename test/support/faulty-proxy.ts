/**
 * An HTTP proxy before an S3 server on a bad day: some requests it answers itself with 500 or 503 SlowDown, of some it loses
 * the answer, some bodies it breaks off half way. Which, is drawn from a seed; the same request never fails more often in a
 * row than a client may be expected to try again.
 */

import { once } from 'node:events'
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { randomNumbers } from './images.ts'

export type Fault = '500' | '503' | 'lost answer' | 'truncated body'

export interface FaultyProxy {
  readonly url: string
  /** How many of each kind there were. */
  readonly faults: Readonly<Record<Fault, number>>
  stop(): Promise<void>
}

const MOST_IN_A_ROW = 2
const KINDS: readonly Fault[] = ['500', '503', 'lost answer', 'truncated body']

/** @param share - of requests that fail, 0–1. */
export async function startFaultyProxy(
  target: string,
  { seed, share }: { seed: number; share: number },
): Promise<FaultyProxy> {
  const random = randomNumbers(seed)
  const faults = { '500': 0, '503': 0, 'lost answer': 0, 'truncated body': 0 }
  const inARow = new Map<string, number>()

  const draw = ({ method, url }: IncomingMessage): Fault | null => {
    const name = `${method} ${url}`
    const row = inARow.get(name) ?? 0
    const fails = row < MOST_IN_A_ROW && random() < share
    inARow.set(name, fails ? row + 1 : 0)
    return fails ? KINDS[Math.floor(random() * KINDS.length)]! : null
  }

  const server = createServer((incoming, outgoing) => {
    const fault = draw(incoming)
    if (fault === '500' || fault === '503') {
      faults[fault] += 1
      // Read to its end, as a server does: a client that still sends does not listen.
      incoming.resume().on('end', () => refuse(outgoing, fault))
      return
    }
    const upstream = request(target + incoming.url, { method: incoming.method ?? 'GET', headers: incoming.headers })
    incoming.pipe(upstream)
    upstream.on('error', () => incoming.socket.destroy())
    upstream.on('response', (answer) => {
      if (fault === 'lost answer') {
        faults[fault] += 1
        incoming.socket.destroy()
        answer.resume()
      } else if (fault === 'truncated body' && incoming.method === 'GET' && answer.statusCode! < 300) {
        faults[fault] += 1
        void breakOff(answer, outgoing)
      } else {
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(outgoing)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    faults,
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function refuse(outgoing: ServerResponse, fault: '500' | '503'): void {
  const code = fault === '500' ? 'InternalError' : 'SlowDown'
  outgoing.writeHead(Number(fault), { 'content-type': 'application/xml' })
  outgoing.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>Please try again</Message></Error>`)
}

async function breakOff(answer: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const body = Buffer.concat((await answer.toArray()) as Buffer[])
  outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
  outgoing.write(body.subarray(0, Math.floor(body.length / 2)), () => outgoing.socket?.destroy())
}
