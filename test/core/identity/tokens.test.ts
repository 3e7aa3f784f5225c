import { beforeEach, describe, expect, it } from 'vitest'
import {
  addUser,
  authenticate,
  createDoorkeeper,
  createLoginCode,
  createToken,
  listTokens,
  redeemLoginCode,
  revokeTokenById,
  revokeUser,
  setRole,
} from '#core/identity'
import { createMemoryStore, type ObjectStore } from '#core/storage'

const by = 'root'
const DAY_MS = 86_400_000

let store: ObjectStore
beforeEach(async () => {
  store = createMemoryStore()
  await addUser(store, 'shop', 'viewer', { by })
})

const make = (use: 'api' | 'endpoints', now = 0) =>
  createToken(store, 'shop', { use, label: 'till 3', lifetimeMs: 90 * DAY_MS, now: () => now })

describe('a token of a program', () => {
  it('for endpoints opens nothing else', async () => {
    const { token } = await make('endpoints')
    const now = () => 1
    expect(await authenticate(store, token, { door: 'endpoints', now })).toEqual({ name: 'shop', role: 'viewer' })
    expect(await authenticate(store, token, { door: 'api', now })).toBeNull()
    expect(await authenticate(store, token, { now })).toBeNull()
  })

  it('for the API opens both, as a session does', async () => {
    const { token } = await make('api')
    const session = await redeemLoginCode(store, (await createLoginCode(store, 'shop', { now: () => 0 })).code, {
      now: () => 0,
    })
    for (const one of [token, session?.token ?? ''])
      for (const door of ['api', 'endpoints'] as const)
        expect(await authenticate(store, one, { door, now: () => 1 })).toMatchObject({ name: 'shop' })
  })

  it('ends when its time is over', async () => {
    const { token, expiresAt } = await make('api')
    expect(expiresAt).toBe('1970-04-01T00:00:00.000Z')
    expect(await authenticate(store, token, { now: () => 90 * DAY_MS - 1 })).not.toBeNull()
    expect(await authenticate(store, token, { now: () => 90 * DAY_MS })).toBeNull()
  })

  it('is listed without its secret, and can be ended by its id', async () => {
    const first = await make('api', Date.now() - 1_000)
    const second = await make('endpoints', Date.now())
    const listed = await listTokens(store, 'shop')
    expect(listed.map(({ id, use, label }) => [id, use, label])).toEqual([
      [first.id, 'api', 'till 3'],
      [second.id, 'endpoints', 'till 3'],
    ])
    expect(JSON.stringify(listed)).not.toContain(first.token.split('.')[1])
    await revokeTokenById(store, 'shop', first.id)
    expect(await authenticate(store, first.token)).toBeNull()
    expect(await listTokens(store, 'shop')).toHaveLength(1)
    await expect(revokeTokenById(store, 'shop', first.id)).rejects.toMatchObject({ code: 'TOKEN_NOT_FOUND' })
  })

  it('cannot be ended in the name of somebody else', async () => {
    await addUser(store, 'eve', 'viewer', { by })
    const { id } = await make('api', Date.now())
    await expect(revokeTokenById(store, 'eve', id)).rejects.toMatchObject({ code: 'TOKEN_NOT_FOUND' })
  })

  it('ends with its person', async () => {
    const { token } = await make('api', Date.now())
    await revokeUser(store, 'shop', { by })
    expect(await authenticate(store, token)).toBeNull()
  })
})

describe('a session', () => {
  it('lasts as long as it is told to', async () => {
    const { code } = await createLoginCode(store, 'shop', { now: () => 0 })
    const login = await redeemLoginCode(store, code, { now: () => 0, sessionMs: 5_000 })
    expect(await authenticate(store, login?.token ?? '', { now: () => 4_999 })).not.toBeNull()
    expect(await authenticate(store, login?.token ?? '', { now: () => 5_000 })).toBeNull()
  })
})

describe('a role', () => {
  it('changes for people who may log in, and their logins stay', async () => {
    const { token } = await make('api', Date.now())
    await setRole(store, 'shop', 'engineer', { by })
    expect(await authenticate(store, token)).toEqual({ name: 'shop', role: 'engineer' })
    await expect(setRole(store, 'nobody', 'viewer', { by })).rejects.toMatchObject({ code: 'USER_NOT_FOUND' })
  })
})

describe('a doorkeeper', () => {
  it('asks the store again after its time, and when told to forget', async () => {
    let now = Date.now()
    const doorkeeper = createDoorkeeper(store, { door: 'api', trustedMs: 1_000, now: () => now })
    const { token } = await make('api', now)
    const role = async () => (await doorkeeper.authenticate(token))?.role
    expect(await role()).toBe('viewer')
    await setRole(store, 'shop', 'engineer', { by })
    expect(await role()).toBe('viewer')
    now += 1_000
    expect(await role()).toBe('engineer')
    await revokeUser(store, 'shop', { by })
    doorkeeper.forget()
    expect(await role()).toBeUndefined()
  })
})
