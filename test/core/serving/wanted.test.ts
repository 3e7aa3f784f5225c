import { describe, expect, it } from 'vitest'
import {
  closeEndpoint,
  createRevision,
  describeEndpoint,
  isIdle,
  listEndpointKeys,
  listEndpoints,
  liveRevisions,
  markRetired,
  readObserved,
  readShares,
  recordObserved,
  wantedRevisions,
  writeTraffic,
} from '#core/serving'
import { createMemoryStore, pointerHistory, type ObjectStore } from '#core/storage'

const MINUTE = 60_000

async function storeWith(revisions: number): Promise<ObjectStore> {
  const store = createMemoryStore()
  for (let revision = 1; revision <= revisions; revision++)
    await createRevision(store, {
      endpoint: 'e',
      revision,
      model: { name: 'm', version: revision, digest: 'a'.repeat(64) },
      replicas: 1,
      queueLimit: 8,
      captureBytes: 0,
      captureDataset: null,
    })
  return store
}

async function wanted(store: ObjectStore): Promise<number[]> {
  const keys = (await listEndpointKeys(store)).get('e')!
  return wantedRevisions(keys, await readShares(store, 'e', keys, null))
}

describe('what is to run', () => {
  it('is every revision that is not retired', async () => {
    const store = await storeWith(3)
    await markRetired(store, 'e', 2)
    expect(await wanted(store)).toEqual([1, 3])
  })

  it('is any revision with a share, also one whose mark crossed the change of the shares', async () => {
    const store = await storeWith(2)
    await writeTraffic(store, 'e', { 1: 100 }, 'test')
    await markRetired(store, 'e', 1)
    expect(await wanted(store)).toEqual([1, 2])
    expect((await liveRevisions(store, 'e')).map(({ revision }) => revision)).toEqual([1, 2])
  })

  it('is nothing of an endpoint that was removed, which is then as if it had never been', async () => {
    const store = await storeWith(2)
    await writeTraffic(store, 'e', { 2: 100 }, 'test')
    await closeEndpoint(store, 'e', 'test')
    expect(await wanted(store)).toEqual([])
    expect(await listEndpoints(store)).toEqual([])
    await expect(describeEndpoint(store, 'e')).rejects.toMatchObject({ code: 'ENDPOINT_NOT_FOUND' })
  })

  it('reads shares again only where there are newer ones', async () => {
    const store = await storeWith(2)
    await writeTraffic(store, 'e', { 1: 100 }, 'test')
    const keys = (await listEndpointKeys(store)).get('e')!
    const shares = await readShares(store, 'e', keys, null)
    await writeTraffic(store, 'e', { 2: 100 }, 'test')
    expect(await readShares(store, 'e', keys, shares)).toBe(shares)
    const newer = (await listEndpointKeys(store)).get('e')!
    expect(await readShares(store, 'e', newer, shares)).toMatchObject({ seq: 2, shares: { 2: 100 } })
  })
})

describe('traffic', () => {
  it('goes to no revision that is over', async () => {
    const store = await storeWith(2)
    await writeTraffic(store, 'e', { 2: 100 }, 'test')
    await markRetired(store, 'e', 1)
    await expect(writeTraffic(store, 'e', { 1: 10, 2: 90 }, 'test')).rejects.toMatchObject({
      code: 'ENDPOINT_CONFLICT',
      message: 'revision 1 of endpoint e is over and no longer runs; roll its model out again',
    })
  })
})

describe('a revision without traffic', () => {
  const created = (minutesAgo: number, revision = 1) => ({
    revision,
    createdAt: new Date(Date.now() - minutesAgo * MINUTE).toISOString(),
  })
  const since = (minutesAgo: number, shares: Record<number, number>) => ({
    seq: 1,
    shares,
    at: Date.now() - minutesAgo * MINUTE,
  })

  it('is idle when it has been without for its warm time', () => {
    expect(isIdle(created(90), since(9, { 2: 100 }), 10 * MINUTE)).toBe(false)
    expect(isIdle(created(90), since(11, { 2: 100 }), 10 * MINUTE)).toBe(true)
  })

  it('may be on its way for an hour when it is newer than all with traffic', () => {
    expect(isIdle(created(59, 3), since(600, { 2: 100 }), 10 * MINUTE)).toBe(false)
    expect(isIdle(created(61, 3), since(600, { 2: 100 }), 10 * MINUTE)).toBe(true)
    expect(isIdle(created(59), null, 10 * MINUTE)).toBe(false)
  })

  it('is never idle with a share', () => {
    expect(isIdle(created(900), since(600, { 1: 1, 2: 99 }), 0)).toBe(false)
  })
})

describe('what a cluster was seen to do', () => {
  it('is written only when it changed', async () => {
    const store = createMemoryStore()
    const status = (ready: number) => [{ revision: 1, wanted: 2, ready, trouble: null, waiting: null }]
    expect(await readObserved(store, 'e')).toBeNull()
    for (const ready of [0, 0, 2, 2]) await recordObserved(store, 'e', status(ready))
    expect(await readObserved(store, 'e')).toEqual(status(2))
    expect(await pointerHistory(store, 'observed/e')).toHaveLength(2)
  })
})
