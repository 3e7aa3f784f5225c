/** A client that sends its whole call before it reads a word of the answer, as many programs do. */

import net from 'node:net'
import { text } from 'node:stream/consumers'

/** @returns the raw answer. Rejects where the server closed the connection on what was still being sent. */
export async function sendAllThenRead(
  url: string,
  bytes: number,
  headers: Record<string, string> = {},
): Promise<string> {
  const { hostname, port, pathname } = new URL(url)
  const socket = net.connect(Number(port), hostname)
  const fields = Object.entries({ host: hostname, 'content-length': String(bytes), ...headers })
  const head = `POST ${pathname} HTTP/1.1\r\n${fields.map((field) => field.join(': ')).join('\r\n')}\r\n\r\n`
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.write(head)
    socket.write(Buffer.alloc(bytes), (error) => (error ? reject(error) : resolve()))
  })
  return text(socket)
}
