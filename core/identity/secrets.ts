/**
 * Secrets that are shown once: login codes and session tokens, `<id>.<secret>`. The id finds the record; the store keeps
 * only the digest of the secret, which has 256 random bits and so needs no slow hash.
 */

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

export interface Secret {
  readonly id: string
  /** `<id>.<secret>`: for its owner alone, never stored or logged. */
  readonly text: string
  /** SHA-256 of the secret, hex: what is stored. */
  readonly digest: string
}

export function createSecret(): Secret {
  const id = randomBytes(8).toString('hex')
  const secret = randomBytes(32).toString('base64url')
  return { id, text: `${id}.${secret}`, digest: digestOf(secret).toString('hex') }
}

/** The two parts of what somebody presents, or null when it cannot be one of ours. */
export function parseSecret(text: string): { id: string; secret: string } | null {
  const [, id, secret] = /^([0-9a-f]{16})\.([A-Za-z0-9_-]{43})$/.exec(text) ?? []
  return id && secret ? { id, secret } : null
}

/** Compares in constant time. */
export function matches(secret: string, digest: string): boolean {
  const expected = Buffer.from(digest, 'hex')
  const actual = digestOf(secret)
  return expected.byteLength === actual.byteLength && timingSafeEqual(expected, actual)
}

function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}
