import { createHash, timingSafeEqual } from 'node:crypto'
import { can, redeemLoginCode, revokeToken, type Doorkeeper } from '#core/identity'
import type { ObjectStore } from '#core/storage'
import type { IdentityPort } from '../ports.ts'
import type { Principal } from '../schemas.ts'

const OWNER: Principal = { name: 'owner', role: 'owner' }

export interface IdentityOptions {
  readonly doorkeeper: Doorkeeper
  /** The key of the state folder: whoever can read it is the owner of this machine's Gyre. */
  readonly ownerToken: string | null
  readonly sessionMs?: number
}

export function identityOf(store: ObjectStore, { doorkeeper, ownerToken, sessionMs }: IdentityOptions): IdentityPort {
  const owner = ownerToken === null ? null : digestOf(ownerToken)
  return {
    async authenticate(token) {
      if (owner && timingSafeEqual(digestOf(token), owner)) return OWNER
      return doorkeeper.authenticate(token)
    },
    redeem: (code) => redeemLoginCode(store, code, sessionMs === undefined ? {} : { sessionMs }),
    async revoke(token) {
      await revokeToken(store, token)
      doorkeeper.forget()
    },
    allows: ({ role }, permission) => can(role, permission),
  }
}

function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}
