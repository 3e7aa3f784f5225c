import { createHash, timingSafeEqual } from 'node:crypto'
import { addUser, authenticate, can, createLoginCode, listUsers, redeemLoginCode, revokeToken } from '#core/identity'
import type { ObjectStore } from '#core/storage'
import type { IdentityPort } from '../ports.ts'
import type { Principal } from '../schemas.ts'

/** A page asks for fifty thumbnails at once: a token that was good a moment ago is good still. */
const TRUSTED_MS = 3_000
const TRUSTED_TOKENS = 10_000

const OWNER: Principal = { name: 'owner', role: 'owner' }

/** @param ownerToken - the key of the state folder: whoever can read it is the owner of this machine's Gyre. */
export function identityOf(store: ObjectStore, ownerToken: string | null): IdentityPort {
  const trusted = new Map<string, { principal: Principal; untilMs: number }>()
  const owner = ownerToken === null ? null : digestOf(ownerToken)
  return {
    async authenticate(token) {
      const digest = digestOf(token)
      if (owner && timingSafeEqual(digest, owner)) return OWNER
      const key = digest.toString('base64')
      const known = trusted.get(key)
      if (known && known.untilMs > Date.now()) return known.principal
      const principal = await authenticate(store, token)
      trusted.delete(key)
      if (principal) trusted.set(key, { principal, untilMs: Date.now() + TRUSTED_MS })
      for (const oldest of trusted.keys()) {
        if (trusted.size <= TRUSTED_TOKENS) break
        trusted.delete(oldest)
      }
      return principal
    },
    redeem: (code) => redeemLoginCode(store, code),
    async revoke(token) {
      trusted.delete(digestOf(token).toString('base64'))
      await revokeToken(store, token)
    },
    allows: ({ role }, permission) => can(role, permission),
    async users() {
      return (await listUsers(store)).map(({ name, role }) => ({ name, role }))
    },
    async invite(name, role, by) {
      await addUser(store, name, role, { by })
      return createLoginCode(store, name)
    },
  }
}

function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}
