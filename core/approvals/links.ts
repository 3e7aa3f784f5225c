/**
 * One-time links: a token that lets its holder answer one question of one run in the name of one person, without a login.
 * The store keeps the digest of its secret, under `approvals/links/<id>`.
 *
 * L1  A token is spent by creating its `spent.json`, after the workflow took the answer. Of two answers with one token the
 *     workflow takes one, since nobody answers twice.
 */

import { PlatformError } from '#core/errors'
import { createSecret, listUsers, matches, parseSecret, type Principal } from '#core/identity'
import { canonicalJson, type ObjectKey, type ObjectStore } from '#core/storage'

const LIFETIME_MS = 7 * 86_400_000

interface LinkRecord {
  readonly run: string
  readonly node: string
  readonly person: string
  readonly secretSha256: string
  readonly expiresAtMs: number
  readonly by: string
}

/** What a token that is good now stands for. */
export interface Link {
  readonly id: string
  readonly run: string
  readonly node: string
  /** With the role that the person has now. */
  readonly principal: Principal
}

/**
 * Makes a link for a person, good for seven days and one answer.
 *
 * @param options - `by`: who makes it.
 * @returns `token`: to be shown once, kept nowhere.
 * @throws {PlatformError} `USER_NOT_FOUND`.
 */
export async function createLink(
  store: ObjectStore,
  { run, node, person }: { readonly run: string; readonly node: string; readonly person: string },
  { by, now = Date.now }: { readonly by: string; readonly now?: () => number },
): Promise<{ token: string; expiresAt: string }> {
  if (!(await findPerson(store, person)))
    throw new PlatformError('USER_NOT_FOUND', `nobody named ${person} may log in; add them with gyre user add`, {
      name: person,
    })
  const { id, text, digest } = createSecret()
  const expiresAtMs = now() + LIFETIME_MS
  const record: LinkRecord = { run, node, person, secretSha256: digest, expiresAtMs, by }
  await store.create(recordKey(id), new TextEncoder().encode(canonicalJson(record)))
  return { token: text, expiresAt: new Date(expiresAtMs).toISOString() }
}

/** @returns null when the token is unknown, spent or expired, or its person may not log in any more. */
export async function openLink(
  store: ObjectStore,
  token: string,
  { now = Date.now }: { readonly now?: () => number } = {},
): Promise<Link | null> {
  const parts = parseSecret(token)
  const record = parts && (await readRecord(store, parts.id))
  if (!parts || !record || !matches(parts.secret, record.secretSha256) || now() >= record.expiresAtMs) return null
  if ((await store.head(spentKey(parts.id))) !== null) return null
  const principal = await findPerson(store, record.person)
  return principal && { id: parts.id, run: record.run, node: record.node, principal }
}

/** Ends a link (L1). */
export async function spendLink(store: ObjectStore, { id }: Pick<Link, 'id'>): Promise<void> {
  await store.create(spentKey(id), new Uint8Array())
}

async function findPerson(store: ObjectStore, name: string): Promise<Principal | null> {
  const user = (await listUsers(store)).find((one) => one.name === name)
  return user ? { name: user.name, role: user.role } : null
}

async function readRecord(store: ObjectStore, id: string): Promise<LinkRecord | null> {
  try {
    return JSON.parse(new TextDecoder().decode(await store.get(recordKey(id)))) as LinkRecord
  } catch (error) {
    if (error instanceof PlatformError && error.code === 'OBJECT_NOT_FOUND') return null
    throw error
  }
}

const recordKey = (id: string): ObjectKey => `approvals/links/${id}/link.json`
const spentKey = (id: string): ObjectKey => `approvals/links/${id}/spent.json`
