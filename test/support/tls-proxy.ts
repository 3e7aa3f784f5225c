/** Ends TLS in front of a server that speaks none, as a load balancer does. */

import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import tls from 'node:tls'

/**
 * @param target - `host:port` of the server behind.
 * @param options - certificate, key, and whether a client must have one, too.
 */
export async function startTlsProxy(
  target: string,
  options: tls.TlsOptions,
): Promise<{ port: number; stop(): Promise<void> }> {
  const [host, port] = target.split(':')
  const sockets = new Set<net.Socket>()
  const server = tls.createServer({ ...options, ALPNProtocols: ['h2'] }, (outer) => {
    const inner = net.connect(Number(port), host)
    for (const socket of [outer, inner]) {
      sockets.add(socket)
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
    }
    outer.pipe(inner).pipe(outer)
  })
  server.on('tlsClientError', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
