import { beforeEach, describe, expect, it } from 'vitest'
import {
  ACTIONS,
  addUser,
  authenticate,
  can,
  createLoginCode,
  listUsers,
  redeemLoginCode,
  revokeToken,
  revokeUser,
  ROLES,
} from '#core/identity'
import { createMemoryStore, pointerHistory, type ObjectStore } from '#core/storage'

const by = 'root'
const hours = (count: number) => count * 3_600_000

describe('people', () => {
  it('are listed by name with their role', async () => {
    const store = createMemoryStore()
    await addUser(store, 'grace', 'annotator', { by })
    await addUser(store, 'ada', 'owner', { by })
    expect(await listUsers(store)).toMatchObject([
      { name: 'ada', role: 'owner' },
      { name: 'grace', role: 'annotator' },
    ])
  })

  it('are added once, however often they are added with the same role', async () => {
    const store = createMemoryStore()
    const first = await addUser(store, 'ada', 'owner', { by })
    expect(await addUser(store, 'ada', 'owner', { by })).toEqual(first)
    expect(await pointerHistory(store, 'identity/users/ada')).toHaveLength(1)
  })

  it('change roles, and the log says who changed them', async () => {
    const store = createMemoryStore()
    await addUser(store, 'ada', 'viewer', { by })
    await addUser(store, 'ada', 'engineer', { by: 'grace' })
    const history = await pointerHistory<{ role: string }>(store, 'identity/users/ada')
    expect(history.map((entry) => [entry.value.role, entry.by])).toEqual([
      ['viewer', 'root'],
      ['engineer', 'grace'],
    ])
  })

  it('have names that fit into a key', async () => {
    await expect(addUser(createMemoryStore(), '../ada', 'owner', { by })).rejects.toMatchObject({
      code: 'INVALID_NAME',
    })
  })

  it('cannot be revoked twice', async () => {
    const store = createMemoryStore()
    await addUser(store, 'ada', 'owner', { by })
    await revokeUser(store, 'ada', { by })
    expect(await listUsers(store)).toEqual([])
    await expect(revokeUser(store, 'ada', { by })).rejects.toMatchObject({ code: 'USER_NOT_FOUND' })
    await expect(createLoginCode(store, 'ada')).rejects.toMatchObject({ code: 'USER_NOT_FOUND' })
  })
})

describe('a login', () => {
  let store: ObjectStore
  const login = async () => {
    const redeemed = await redeemLoginCode(store, (await createLoginCode(store, 'ada')).code)
    if (!redeemed) throw new Error('a fresh code was refused')
    return redeemed.token
  }
  beforeEach(async () => {
    store = createMemoryStore()
    await addUser(store, 'ada', 'engineer', { by })
  })

  it('turns a one-time code into a token that names its person', async () => {
    const { code } = await createLoginCode(store, 'ada')
    const redeemed = await redeemLoginCode(store, code)
    expect(redeemed?.principal).toEqual({ name: 'ada', role: 'engineer' })
    expect(await authenticate(store, redeemed?.token ?? '')).toEqual({ name: 'ada', role: 'engineer' })
  })

  it('spends a code once, also when many open the link at the same time', async () => {
    const { code } = await createLoginCode(store, 'ada')
    const redeemed = await Promise.all(Array.from({ length: 10 }, () => redeemLoginCode(store, code)))
    expect(redeemed.filter(Boolean)).toHaveLength(1)
    expect(await redeemLoginCode(store, code)).toBeNull()
  })

  it('takes a code for 24 hours and a token for 30 days', async () => {
    const { code, expiresAt } = await createLoginCode(store, 'ada', { now: () => 0 })
    expect(expiresAt).toBe('1970-01-02T00:00:00.000Z')
    expect(await redeemLoginCode(store, code, { now: () => hours(24) })).toBeNull()
    const redeemed = await redeemLoginCode(store, code, { now: () => hours(24) - 1 })
    const token = redeemed?.token ?? ''
    const end = hours(24) - 1 + hours(30 * 24)
    expect(await authenticate(store, token, { now: () => end - 1 })).toMatchObject({ name: 'ada' })
    expect(await authenticate(store, token, { now: () => end })).toBeNull()
  })

  it('is refused when the secret is another one, or the text no secret at all', async () => {
    const token = await login()
    const [id = '', secret = ''] = token.split('.')
    const other = secret.startsWith('A') ? `B${secret.slice(1)}` : `A${secret.slice(1)}`
    for (const wrong of [`${id}.${other}`, `0123456789abcdef.${secret}`, `../${token}`, id, '', '.', `${token}x`])
      expect(await authenticate(store, wrong)).toBeNull()
  })

  it('does not take a code for a token, nor a token for a code', async () => {
    const { code } = await createLoginCode(store, 'ada')
    expect(await authenticate(store, code)).toBeNull()
    expect(await redeemLoginCode(store, await login())).toBeNull()
  })

  it('ends with its own log-out and leaves others alone', async () => {
    const [one, two] = [await login(), await login()]
    await revokeToken(store, one)
    await revokeToken(store, 'no token')
    expect(await authenticate(store, one)).toBeNull()
    expect(await authenticate(store, two)).toMatchObject({ name: 'ada' })
  })

  it('has the role that its person has now', async () => {
    const token = await login()
    await addUser(store, 'ada', 'viewer', { by })
    expect(await authenticate(store, token)).toEqual({ name: 'ada', role: 'viewer' })
  })

  it('ends when its person is revoked, and stays dead when the person is added again', async () => {
    const token = await login()
    const { code } = await createLoginCode(store, 'ada')
    await revokeUser(store, 'ada', { by })
    expect(await authenticate(store, token)).toBeNull()
    await addUser(store, 'ada', 'engineer', { by })
    expect(await authenticate(store, token)).toBeNull()
    expect(await redeemLoginCode(store, code)).toBeNull()
    expect(await authenticate(store, await login())).toMatchObject({ name: 'ada' })
  })

  it('leaves no secret in the store', async () => {
    const { code } = await createLoginCode(store, 'ada')
    const token = (await redeemLoginCode(store, code))?.token ?? ''
    const [secretOfCode = '', secretOfToken = ''] = [code, token].map((text) => text.split('.')[1] ?? '')
    expect(secretOfCode).toHaveLength(43)
    let stored = ''
    for await (const { key } of store.list('')) stored += key + Buffer.from(await store.get(key)).toString()
    expect(stored).toContain('"user":"ada"')
    expect(stored).not.toContain(secretOfCode)
    expect(stored).not.toContain(secretOfToken)
  })
})

describe('roles', () => {
  it('allow exactly this', () => {
    const table = Object.fromEntries(ROLES.map((role) => [role, ACTIONS.filter((action) => can(role, action))]))
    expect(table).toEqual({
      owner: ['view', 'annotate', 'run', 'code', 'publish', 'administer'],
      engineer: ['view', 'annotate', 'run', 'code', 'publish'],
      annotator: ['view', 'annotate'],
      operator: ['view', 'run', 'publish'],
      viewer: ['view'],
    })
  })
})
