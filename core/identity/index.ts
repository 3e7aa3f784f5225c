/** Who may do what: people with roles, one-time links, session tokens. OIDC comes behind the same functions. */

export { authenticate, createLoginCode, redeemLoginCode, revokeToken, type Principal } from './logins.ts'
export { ACTIONS, can, ROLES, type Action, type Role } from './roles.ts'
export { addUser, listUsers, revokeUser, type User } from './users.ts'
