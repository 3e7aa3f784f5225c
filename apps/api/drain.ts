/** Lets a server end soon: calls in progress finish, and connections that carry none do not keep it waiting. */

import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/** An upload that takes longer than this after the end was asked for is cut off. */
const DRAIN_MS = 10_000

/**
 * Node's own `closeIdleConnections` leaves out connections on which nothing was ever asked; browsers open those ahead.
 * @returns what to call when the end begins.
 */
export function prepareDrain(server: Server): () => void {
  const idle = new Set<Socket>()
  let ending = false
  const rest = (socket: Socket) => {
    if (ending) socket.destroySoon()
    else idle.add(socket)
  }
  server.on('connection', (socket) => {
    rest(socket)
    socket.once('close', () => idle.delete(socket))
  })
  server.on('request', ({ socket }, response) => {
    idle.delete(socket)
    response.once('close', () => rest(socket))
  })
  return () => {
    ending = true
    for (const socket of idle) socket.destroy()
    setTimeout(() => server.closeAllConnections(), DRAIN_MS).unref()
  }
}
