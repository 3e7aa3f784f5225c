/**
 * Logins without passwords: a one-time code (in the link that `gyre dev` and `gyre user add` print) becomes a session
 * token. Both are shown once and stored as digests, create-only, under `identity/codes` and `identity/tokens`.
 *
 * A code is spent by creating its `spent.json`: of two people who open one link exactly one gets in (S2).
 */

import { canonicalJson, type ObjectKey, type ObjectStore } from '#core/storage'
import { isPlatformError } from '#core/errors'
import type { Role } from './roles.ts'
import { createSecret, matches, parseSecret } from './secrets.ts'
import { findUser, readUser, type KnownUser } from './users.ts'

const CODE_TTL_MS = 24 * 3_600_000
const TOKEN_TTL_MS = 30 * 24 * 3_600_000

/** Who makes a call or an annotation. */
export interface Principal {
  readonly name: string
  readonly role: Role
}

/** Milliseconds since 1970; the system's clock where left out. */
type Clock = () => number

/** What is stored of a code or token. */
interface LoginRecord {
  readonly user: string
  readonly generation: number
  readonly secretSha256: string
  readonly expiresAtMs: number
}

/**
 * Makes a one-time code for a person, good for 24 hours.
 *
 * @returns `code`: to be shown once, kept nowhere. `expiresAt`: ISO 8601.
 * @throws {PlatformError} `USER_NOT_FOUND`.
 */
export async function createLoginCode(
  store: ObjectStore,
  user: string,
  { now = Date.now }: { now?: Clock } = {},
): Promise<{ code: string; expiresAt: string }> {
  const expiresAtMs = now() + CODE_TTL_MS
  const code = await createLogin(store, 'codes', await findUser(store, user), expiresAtMs)
  return { code, expiresAt: new Date(expiresAtMs).toISOString() }
}

/**
 * Spends a code for a session token, good for 30 days.
 *
 * @returns null when the code is unknown, spent or expired, or its person revoked.
 */
export async function redeemLoginCode(
  store: ObjectStore,
  code: string,
  { now = Date.now }: { now?: Clock } = {},
): Promise<{ token: string; principal: Principal } | null> {
  const login = await findLogin(store, 'codes', code, now)
  if (!login || !(await store.create(markOf('codes', login.id, 'spent'), new Uint8Array()))) return null
  const token = await createLogin(store, 'tokens', login.user, now() + TOKEN_TTL_MS)
  return { token, principal: toPrincipal(login.user) }
}

/** The person behind a session token, with the role they have now; null when it is unknown, expired or revoked. */
export async function authenticate(
  store: ObjectStore,
  token: string,
  { now = Date.now }: { now?: Clock } = {},
): Promise<Principal | null> {
  const login = await findLogin(store, 'tokens', token, now)
  if (!login || (await store.head(markOf('tokens', login.id, 'revoked')))) return null
  return toPrincipal(login.user)
}

/** Logs out: ends one session token. One that is no token of ours is no error. */
export async function revokeToken(store: ObjectStore, token: string): Promise<void> {
  const login = await findLogin(store, 'tokens', token, Date.now)
  if (login) await store.create(markOf('tokens', login.id, 'revoked'), new Uint8Array())
}

type Kind = 'codes' | 'tokens'

async function createLogin(store: ObjectStore, kind: Kind, user: KnownUser, expiresAtMs: number): Promise<string> {
  const { id, text, digest } = createSecret()
  const record: LoginRecord = { user: user.name, generation: user.generation, secretSha256: digest, expiresAtMs }
  await store.create(recordOf(kind, id), Buffer.from(canonicalJson(record)))
  return text
}

async function findLogin(
  store: ObjectStore,
  kind: Kind,
  presented: string,
  now: Clock,
): Promise<{ id: string; user: KnownUser } | null> {
  const parts = parseSecret(presented)
  const record = parts && (await readRecord(store, recordOf(kind, parts.id)))
  if (!record || !matches(parts.secret, record.secretSha256) || now() >= record.expiresAtMs) return null
  const user = await readUser(store, record.user)
  return user?.generation === record.generation ? { id: parts.id, user } : null
}

async function readRecord(store: ObjectStore, key: ObjectKey): Promise<LoginRecord | null> {
  try {
    return JSON.parse(Buffer.from(await store.get(key)).toString()) as LoginRecord
  } catch (error) {
    if (isPlatformError(error) && error.code === 'OBJECT_NOT_FOUND') return null
    throw error
  }
}

function recordOf(kind: Kind, id: string): ObjectKey {
  return `identity/${kind}/${id}/login.json`
}

function markOf(kind: Kind, id: string, mark: 'spent' | 'revoked'): ObjectKey {
  return `identity/${kind}/${id}/${mark}.json`
}

function toPrincipal({ name, role }: KnownUser): Principal {
  return { name, role }
}
