/**
 * Logins without passwords: a one-time code (in the link that `gyre dev` and `gyre user add` print) becomes a session
 * token; programs get tokens of their own. All are shown once and stored as digests, create-only, under
 * `identity/codes` and `identity/tokens`.
 *
 * A code is spent by creating its `spent.json`: of two people who open one link exactly one gets in (S2).
 */

import { canonicalJson, namesUnder, type ObjectKey, type ObjectStore } from '#core/storage'
import { isPlatformError, PlatformError } from '#core/errors'
import type { Role } from './roles.ts'
import { createSecret, matches, parseSecret } from './secrets.ts'
import { findUser, readUser, type KnownUser } from './users.ts'

const CODE_TTL_MS = 24 * 3_600_000
const SESSION_TTL_MS = 30 * 24 * 3_600_000

/** Who makes a call or an annotation. */
export interface Principal {
  readonly name: string
  readonly role: Role
}

/** Milliseconds since 1970; the system's clock where left out. */
type Clock = () => number

/**
 * What a token is good for: a `session` in a browser and an `api` token for all that its person may do, an `endpoints`
 * token for predictions alone.
 */
export const TOKEN_USES = ['session', 'api', 'endpoints'] as const
export type TokenUse = (typeof TOKEN_USES)[number]

/** The two doors that tokens open. */
export type Door = 'api' | 'endpoints'

export interface TokenFacts {
  /** Names the token without telling it. */
  readonly id: string
  readonly use: TokenUse
  /** What it is for, in its person's words. */
  readonly label: string
  /** ISO 8601. */
  readonly createdAt: string
  readonly expiresAt: string
}

/** What is stored of a code or token. */
interface LoginRecord {
  readonly user: string
  readonly generation: number
  readonly secretSha256: string
  readonly expiresAtMs: number
  readonly use: TokenUse
  readonly label: string
  readonly createdAtMs: number
}

type LoginTerms = Pick<LoginRecord, 'use' | 'label' | 'createdAtMs' | 'expiresAtMs'>

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
  const terms = termsOf({ use: 'session', label: '', createdAtMs: now(), lifetimeMs: CODE_TTL_MS })
  const code = await createLogin(store, 'codes', await findUser(store, user), terms)
  return { code, expiresAt: isoTime(terms.expiresAtMs) }
}

/**
 * Makes a token for a program that acts in a person's name, with the role that the person has at each call.
 *
 * @param options - `label`: what it is for.
 * @returns `token`: to be shown once, kept nowhere.
 * @throws {PlatformError} `USER_NOT_FOUND`.
 */
export async function createToken(
  store: ObjectStore,
  user: string,
  options: { use: Door; label: string; lifetimeMs: number; now?: Clock },
): Promise<TokenFacts & { token: string }> {
  const { now = Date.now, ...terms } = options
  const record = termsOf({ ...terms, createdAtMs: now() })
  const token = await createLogin(store, 'tokens', await findUser(store, user), record)
  return { ...factsOf(token.split('.')[0] ?? '', record), token }
}

/** A person's tokens and sessions that are good now, oldest first. @throws {PlatformError} `USER_NOT_FOUND`. */
export async function listTokens(
  store: ObjectStore,
  user: string,
  { now = Date.now }: { now?: Clock } = {},
): Promise<readonly TokenFacts[]> {
  const { generation } = await findUser(store, user)
  const logins = await Promise.all(
    (await namesUnder(store, 'identity/tokens')).map(async (id) => {
      const record = await readRecord(store, recordOf('tokens', id))
      const isTheirs = record?.user === user && record.generation === generation && now() < record.expiresAtMs
      return isTheirs && !(await isRevoked(store, id)) ? [{ id, record }] : []
    }),
  )
  return logins
    .flat()
    .toSorted((a, b) => (a.record.createdAtMs ?? 0) - (b.record.createdAtMs ?? 0))
    .map(({ id, record }) => factsOf(id, record))
}

/**
 * Spends a code for a session token, good for 30 days where nothing else is said.
 *
 * @returns null when the code is unknown, spent or expired, or its person revoked.
 */
export async function redeemLoginCode(
  store: ObjectStore,
  code: string,
  { now = Date.now, sessionMs = SESSION_TTL_MS }: { now?: Clock; sessionMs?: number } = {},
): Promise<{ token: string; principal: Principal } | null> {
  const login = await findLogin(store, 'codes', code, now)
  if (!login || !(await store.create(markOf('codes', login.id, 'spent'), new Uint8Array()))) return null
  const terms = termsOf({ use: 'session', label: '', createdAtMs: now(), lifetimeMs: sessionMs })
  const token = await createLogin(store, 'tokens', login.user, terms)
  return { token, principal: toPrincipal(login.user) }
}

/**
 * The person behind a token, with the role they have now.
 *
 * @param options - `door`: what the token must open.
 * @returns null when it is unknown, expired, revoked or for something else.
 */
export async function authenticate(
  store: ObjectStore,
  token: string,
  { now = Date.now, door = 'api' }: { now?: Clock; door?: Door } = {},
): Promise<Principal | null> {
  const login = await findLogin(store, 'tokens', token, now)
  if (!login || (login.use === 'endpoints' && door !== 'endpoints') || (await isRevoked(store, login.id))) return null
  return toPrincipal(login.user)
}

/** Logs out: ends one session or token. One that is no token of ours is no error. */
export async function revokeToken(store: ObjectStore, token: string): Promise<void> {
  const login = await findLogin(store, 'tokens', token, Date.now)
  if (login) await markRevoked(store, login.id)
}

/**
 * Ends a session or token of a person by its id.
 *
 * @throws {PlatformError} `TOKEN_NOT_FOUND` when the person has none of this id that is good now.
 */
export async function revokeTokenById(store: ObjectStore, user: string, id: string): Promise<void> {
  const known = await listTokens(store, user)
  if (!known.some((token) => token.id === id))
    throw new PlatformError('TOKEN_NOT_FOUND', `${user} has no token ${id}; list them with gyre user tokens ${user}`, {
      user,
      id,
    })
  await markRevoked(store, id)
}

async function isRevoked(store: ObjectStore, id: string): Promise<boolean> {
  return (await store.head(markOf('tokens', id, 'revoked'))) !== null
}

async function markRevoked(store: ObjectStore, id: string): Promise<void> {
  await store.create(markOf('tokens', id, 'revoked'), new Uint8Array())
}

type Kind = 'codes' | 'tokens'

async function createLogin(store: ObjectStore, kind: Kind, user: KnownUser, terms: LoginTerms): Promise<string> {
  const { id, text, digest } = createSecret()
  const record: LoginRecord = { user: user.name, generation: user.generation, secretSha256: digest, ...terms }
  await store.create(recordOf(kind, id), Buffer.from(canonicalJson(record)))
  return text
}

async function findLogin(
  store: ObjectStore,
  kind: Kind,
  presented: string,
  now: Clock,
): Promise<{ id: string; user: KnownUser; use: TokenUse } | null> {
  const parts = parseSecret(presented)
  const record = parts && (await readRecord(store, recordOf(kind, parts.id)))
  if (!record || !matches(parts.secret, record.secretSha256) || now() >= record.expiresAtMs) return null
  const user = await readUser(store, record.user)
  return user?.generation === record.generation ? { id: parts.id, user, use: record.use } : null
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

function termsOf(terms: Omit<LoginTerms, 'expiresAtMs'> & { readonly lifetimeMs: number }): LoginTerms {
  const { lifetimeMs, ...rest } = terms
  return { ...rest, expiresAtMs: rest.createdAtMs + lifetimeMs }
}

/** Sessions made before tokens had terms have none. */
function factsOf(
  id: string,
  { use = 'session', label = '', createdAtMs = 0, expiresAtMs }: Partial<LoginTerms>,
): TokenFacts {
  return { id, use, label, createdAt: isoTime(createdAtMs), expiresAt: isoTime(expiresAtMs ?? 0) }
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}

function toPrincipal({ name, role }: KnownUser): Principal {
  return { name, role }
}
