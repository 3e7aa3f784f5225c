/** The end of a call whose body nobody wants. */

import type { IncomingMessage } from 'node:http'
import { finished } from 'node:stream/promises'

const LINGER_MS = 2_000

/**
 * Reads what is left of a body, for up to 2 s, and forgets it: closing on a client that still sends would reset the
 * connection before the client has read why.
 */
export async function discardBody(request: IncomingMessage): Promise<void> {
  if (request.readableEnded || request.destroyed) return
  request.resume()
  await finished(request, { signal: AbortSignal.timeout(LINGER_MS), cleanup: true }).catch(() => undefined)
}
