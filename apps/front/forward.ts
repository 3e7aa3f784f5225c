/**
 * Carries a call to a server of this machine and its answer back, as it comes: uploads and event streams pass through
 * without being held. What the caller claims about itself in forwarding headers is replaced by what is known.
 */

import { Agent, request as open, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream'

/** They speak of one connection, or are ours to say. */
const DROPPED = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
  'forwarded',
  'x-real-ip',
])

/** Below the time after which the servers behind close a connection on which nothing happens. */
const IDLE_CONNECTION_MS = 30_000

/** What is known of a caller. */
export interface Caller {
  readonly address: string
  readonly host: string
  readonly scheme: 'http' | 'https'
}

export class Upstream {
  readonly #agent = new Agent({ keepAlive: true, timeout: IDLE_CONNECTION_MS })

  constructor(
    private readonly url: URL,
    /** Answers for a server that does not. */
    private readonly onAway: (response: ServerResponse) => void,
  ) {}

  forward(request: IncomingMessage, response: ServerResponse, caller: Caller): void {
    const outgoing = open({
      agent: this.#agent,
      host: this.url.hostname,
      port: this.url.port,
      method: request.method,
      path: request.url,
      headers: {
        ...endToEnd(request.headers),
        // A body of unknown length goes on in pieces as it came.
        ...(request.headers['transfer-encoding'] !== undefined && { 'transfer-encoding': 'chunked' }),
        host: caller.host,
        'x-forwarded-for': caller.address,
        'x-forwarded-proto': caller.scheme,
      },
    })
    outgoing.once('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, endToEnd(answer.headers))
      pipeline(answer, response, () => undefined) // Either side may leave; the other is closed then.
    })
    outgoing.once('error', () => (response.headersSent ? response.destroy() : this.onAway(response)))
    response.once('close', () => outgoing.destroy())
    request.pipe(outgoing)
  }
}

function endToEnd(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const isOurs = (name: string) => DROPPED.has(name) || name.startsWith('x-forwarded-')
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !isOurs(name)))
}
