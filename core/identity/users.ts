/**
 * People and their roles: a pointer log per person under `identity/users/<name>`, so that who had which role, and who
 * gave it, stays known.
 */

import { PlatformError } from '#core/errors'
import { checkName, movePointer, namesUnder, readPointer, type ObjectStore } from '#core/storage'
import type { Role } from './roles.ts'

export interface User {
  readonly name: string
  readonly role: Role
  /** ISO 8601: since when with this role. */
  readonly since: string
}

/** What the log of a person holds. */
interface UserEntry {
  readonly role: Role
  readonly active: boolean
  /** One up with each revocation: logins of former generations stay dead when the person is added again. */
  readonly generation: number
}

export interface KnownUser extends User {
  readonly generation: number
}

/**
 * Adds a person, gives a known one another role, or lets a revoked one in again (without the former logins).
 *
 * @param options - `by`: who does it.
 * @throws {PlatformError} `INVALID_NAME`; `POINTER_MOVED` when somebody else changes the same person now.
 */
export async function addUser(store: ObjectStore, name: string, role: Role, { by }: { by: string }): Promise<User> {
  checkName('user', name)
  const former = await readPointer<UserEntry>(store, logOf(name))
  if (!former?.value.active || former.value.role !== role) {
    const entry: UserEntry = { role, active: true, generation: former?.value.generation ?? 1 }
    await movePointer(store, logOf(name), entry, { by, expectedSeq: former?.seq ?? 0 })
  }
  return toUser(await findUser(store, name))
}

/**
 * Gives a person who may log in another role; their logins stay and have it from now on.
 *
 * @throws {PlatformError} `USER_NOT_FOUND`; `POINTER_MOVED` when somebody else changes the same person now.
 */
export async function setRole(store: ObjectStore, name: string, role: Role, { by }: { by: string }): Promise<User> {
  await findUser(store, name)
  return addUser(store, name, role, { by })
}

/**
 * Ends all logins of a person and lets no new one happen.
 *
 * @throws {PlatformError} `USER_NOT_FOUND`.
 */
export async function revokeUser(store: ObjectStore, name: string, { by }: { by: string }): Promise<void> {
  checkName('user', name)
  const former = await readPointer<UserEntry>(store, logOf(name))
  if (!former?.value.active) throw userNotFound(name)
  const entry: UserEntry = { role: former.value.role, active: false, generation: former.value.generation + 1 }
  await movePointer(store, logOf(name), entry, { by, expectedSeq: former.seq })
}

/** The people who may log in, by name. */
export async function listUsers(store: ObjectStore): Promise<readonly User[]> {
  const users = await Promise.all((await namesUnder(store, ROOT)).map((name) => readUser(store, name)))
  return users.filter((user) => user !== null).map(toUser)
}

/** @throws {PlatformError} `USER_NOT_FOUND` for an unknown or revoked person. */
export async function findUser(store: ObjectStore, name: string): Promise<KnownUser> {
  checkName('user', name)
  const user = await readUser(store, name)
  if (!user) throw userNotFound(name)
  return user
}

/** @returns null for an unknown or revoked person. */
export async function readUser(store: ObjectStore, name: string): Promise<KnownUser | null> {
  const entry = await readPointer<UserEntry>(store, logOf(name))
  if (!entry?.value.active) return null
  return { name, role: entry.value.role, since: entry.at, generation: entry.value.generation }
}

const ROOT = 'identity/users'

function logOf(name: string): string {
  return `${ROOT}/${name}`
}

function toUser({ name, role, since }: KnownUser): User {
  return { name, role, since }
}

function userNotFound(name: string): PlatformError {
  return new PlatformError('USER_NOT_FOUND', `nobody named ${name} may log in; add them with gyre user add`, { name })
}
