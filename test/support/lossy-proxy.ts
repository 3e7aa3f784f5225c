/** An HTTP proxy that passes the first PUT on, and then hangs up instead of passing the answer back. */

import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

export async function startLossyProxy(target: string): Promise<{ url: string; lost(): number; stop(): Promise<void> }> {
  let lost = 0
  const server = createServer((incoming, outgoing) => {
    const upstream = request(target + incoming.url, { method: incoming.method ?? 'GET', headers: incoming.headers })
    incoming.pipe(upstream)
    upstream.on('response', (answer) => {
      if (incoming.method === 'PUT' && lost === 0) {
        lost += 1
        incoming.socket.destroy()
        answer.resume()
        return
      }
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(outgoing)
    })
    upstream.on('error', () => incoming.socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lost: () => lost,
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
