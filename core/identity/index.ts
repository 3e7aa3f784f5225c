/** Who may do what: people with roles, one-time links, session tokens. OIDC comes behind the same functions. */

export {
  authenticate,
  createLoginCode,
  createToken,
  listTokens,
  redeemLoginCode,
  revokeToken,
  revokeTokenById,
  TOKEN_USES,
  type Door,
  type Principal,
  type TokenFacts,
  type TokenUse,
} from './logins.ts'
export { ACTIONS, can, RIGHTS, ROLES, type Action, type Role } from './roles.ts'
export { createSecret, matches, parseSecret, type Secret } from './secrets.ts'
export { readSettings, saveSettings, type Settings } from './settings.ts'
export { createDoorkeeper, type Doorkeeper } from './trusted.ts'
export { addUser, listUsers, revokeUser, setRole, type User } from './users.ts'
export {
  createSigningKey,
  fingerprintOf,
  isSignedBy,
  listSigningKeys,
  openSigningKey,
  publishSigningKey,
  type PublishedKey,
  type Signature,
  type SigningKey,
} from './signing-key.ts'
