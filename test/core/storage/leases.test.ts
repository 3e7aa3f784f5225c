import { describe, expect, it } from 'vitest'
import { acquireLease, createMemoryStore, readLease, type ObjectStore } from '#core/storage'

/** A clock that stands still until a test moves it. */
function clock() {
  let nowMs = 1_000_000
  return { now: () => nowMs, advance: (ms: number) => (nowMs += ms) }
}

async function taken(store: ObjectStore, now: () => number, holder = 'ada') {
  const lease = await acquireLease(store, 'sessions/s1', { holder, ttlMs: 10_000, now })
  if (!lease) throw new Error(`${holder} did not get the lease`)
  return lease
}

describe('a lease', () => {
  it('is held by one of many takers', async () => {
    const store = createMemoryStore()
    const leases = await Promise.all(
      Array.from({ length: 20 }, (_, i) => acquireLease(store, 'l', { holder: `h${i}`, ttlMs: 10_000 })),
    )
    expect(leases.filter(Boolean)).toHaveLength(1)
  })

  it('tells others its holder, data and expiry while it is held', async () => {
    const { now, advance } = clock()
    const store = createMemoryStore()
    expect(await readLease(store, 'l', now)).toBeNull()
    await acquireLease(store, 'l', { holder: 'ada', ttlMs: 10_000, data: { port: 4711 }, now })
    const held = { epoch: 1, holder: 'ada', data: { port: 4711 }, expiresAtMs: 1_010_000 }
    expect(await readLease(store, 'l', now)).toEqual(held)
    advance(9_999)
    expect(await readLease(store, 'l', now)).toEqual(held)
    advance(1)
    expect(await readLease(store, 'l', now)).toBeNull()
  })

  it('L2: goes to the next taker, one epoch up, when its holder does not renew in time', async () => {
    const { now, advance } = clock()
    const store = createMemoryStore()
    const first = await taken(store, now, 'ada')
    advance(9_999)
    expect(await acquireLease(store, 'sessions/s1', { holder: 'bob', ttlMs: 10_000, now })).toBeNull()
    advance(1)
    const second = await taken(store, now, 'bob')
    expect([first.epoch, second.epoch]).toEqual([1, 2])
    expect(await first.renew()).toBe(false)
    expect(await second.renew()).toBe(true)
  })

  it('lives on as long as it is renewed, leaving two renewals behind', async () => {
    const { now, advance } = clock()
    const store = createMemoryStore()
    const lease = await taken(store, now)
    for (let i = 0; i < 5; i++) {
      advance(9_000)
      expect(await lease.renew()).toBe(true)
      expect(await acquireLease(store, 'sessions/s1', { holder: 'bob', ttlMs: 10_000, now })).toBeNull()
    }
    const keys: string[] = []
    for await (const { key } of store.list('leases/')) keys.push(key)
    // Taken at 1,000,000 ms, renewed each 9,000 ms for 10,000 ms.
    expect(keys).toEqual([
      'leases/sessions/s1/0000000001.json',
      'leases/sessions/s1/0000000001/000000001046000',
      'leases/sessions/s1/0000000001/000000001055000',
    ])
  })

  it('L2: once lost stays lost, although nobody took it', async () => {
    const { now, advance } = clock()
    const lease = await taken(createMemoryStore(), now)
    advance(10_000)
    expect(await lease.renew()).toBe(false)
    advance(-5_000)
    expect(await lease.renew()).toBe(false)
  })

  it('is lost when its renewal reaches the store only after the expiry', async () => {
    const { now, advance } = clock()
    const store = createMemoryStore()
    const lease = await taken(
      slow(store, () => advance(11_000)),
      now,
    )
    expect(await lease.renew()).toBe(false)
  })

  it('is free at once when it is released', async () => {
    const { now } = clock()
    const store = createMemoryStore()
    const lease = await taken(store, now, 'ada')
    await lease.renew()
    await lease.release()
    expect(await readLease(store, 'sessions/s1', now)).toBeNull()
    expect(await lease.renew()).toBe(false)
    expect((await taken(store, now, 'bob')).epoch).toBe(2)
  })

  it('does not disturb leases of other names', async () => {
    const store = createMemoryStore()
    const names = ['s', 's-2', 's/1', 's/0000000001']
    const leases = names.map(async (name) =>
      (await acquireLease(store, name, { holder: name, ttlMs: 10_000 }))?.renew(),
    )
    expect(await Promise.all(leases)).toEqual([true, true, true, true])
    for (const name of names) expect(await readLease(store, name)).toMatchObject({ epoch: 1, holder: name })
  })
})

/** The store, with `then` called whenever a renewal (a record two levels down) has been created. */
function slow(store: ObjectStore, then: () => void): ObjectStore {
  return {
    uri: store.uri,
    create: async (key, bytes) => {
      const created = await store.create(key, bytes)
      if (/\/\d{10}\/\d{15}$/.test(key)) then()
      return created
    },
    createFromFile: (key, path) => store.createFromFile(key, path),
    get: (key) => store.get(key),
    getRange: (key, offset, length) => store.getRange(key, offset, length),
    head: (key) => store.head(key),
    localFile: (key, directory) => store.localFile(key, directory),
    list: (prefix, options) => store.list(prefix, options),
    delete: (key) => store.delete(key),
  }
}
