/** Where requests for a revision go: a replica process of this machine, or the Service of its Pods on a cluster. */

import { Pool } from 'undici'

export interface Backend {
  /** Requests that it has not answered yet. */
  outstanding: number
  /** One sentence when it cannot start. */
  readonly trouble: string | null
  /** The way to it, or null while it takes no requests. */
  readonly pool: Pool | null
  /** Told that a request found no connection. */
  suspect(): void
  /** Lets it answer what it has, then ends it. Resolves when that is done. */
  stop(): Promise<void>
}

const ANSWER_LIMIT_MS = 300_000

/** @param lifeMs - after this long a connection makes way for a new one; for ever where left out. */
export function connectionsTo(origin: string, lifeMs?: number): Pool {
  return new Pool(origin, {
    connections: 256,
    connectTimeout: 2_000,
    headersTimeout: ANSWER_LIMIT_MS,
    bodyTimeout: ANSWER_LIMIT_MS,
    ...(lifeMs !== undefined && { clientTtl: lifeMs }),
  })
}
