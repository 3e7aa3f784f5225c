/**
 * Asks the store about a token once in a while instead of at every call: a page asks for fifty thumbnails at once, and an
 * application sends hundreds of images a second. A token that was good a moment ago is good still.
 */

import { createHash } from 'node:crypto'
import type { ObjectStore } from '#core/storage'
import { authenticate, type Door, type Principal } from './logins.ts'

/** Whoever is removed, or loses a role, is out after this long at the latest. */
const TRUSTED_MS = 3_000
const TRUSTED_TOKENS = 10_000

export interface Doorkeeper {
  /** The person behind a token, or null. */
  authenticate(token: string): Promise<Principal | null>
  /** Forgets what it knows, so that the next call asks the store. */
  forget(): void
}

export function createDoorkeeper(
  store: ObjectStore,
  { door, trustedMs = TRUSTED_MS, now = Date.now }: { door: Door; trustedMs?: number; now?: () => number },
): Doorkeeper {
  const trusted = new Map<string, { principal: Principal; untilMs: number }>()
  return {
    async authenticate(token) {
      const key = createHash('sha256').update(token).digest('base64')
      const known = trusted.get(key)
      if (known && known.untilMs > now()) return known.principal
      trusted.delete(key)
      const principal = await authenticate(store, token, { door, now })
      if (principal) trusted.set(key, { principal, untilMs: now() + trustedMs })
      for (const oldest of trusted.keys()) {
        if (trusted.size <= TRUSTED_TOKENS) break
        trusted.delete(oldest)
      }
      return principal
    },
    forget: () => trusted.clear(),
  }
}
