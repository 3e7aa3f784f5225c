import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createMemoryStore, openStore, probeRaces, refuseUnsafeStore } from '#core/storage'
import { s3ServersRequired } from '../support/binaries.ts'
import type { S3Server } from '../support/s3-server.ts'
import { startVersitygw, versitygw } from '../support/versitygw.ts'

/** A key has two winners in 4–7 % of races, so one probe of 50 keys misses it about once in 12 times, ten never. */
const MOST_PROBES = 10

describe('the race probe', () => {
  it('passes a store that keeps create-if-absent', async () => {
    expect(await probeRaces(createMemoryStore())).toEqual({ keys: 50, doubleWins: 0 })
  })

  it('refuses a store that lets every writer win', async () => {
    const careless = { ...boundMethods(), uri: 'memory://careless' }
    expect(await probeRaces(careless)).toEqual({ keys: 50, doubleWins: 50 })
    await expect(refuseUnsafeStore(careless)).rejects.toMatchObject({
      code: 'STORE_UNSAFE',
      details: { uri: 'memory://careless', keys: 50, doubleWins: 50 },
    })
  })
})

describe.skipIf(!versitygw.path && !s3ServersRequired)(`the race probe on versitygw ${versitygw.missing}`, () => {
  let server: S3Server
  let bucket: string
  beforeAll(async () => {
    if (!versitygw.path) throw new Error(versitygw.missing)
    server = await startVersitygw(versitygw.path)
    bucket = await server.createBucket('gyre-races')
  })
  afterAll(() => server?.stop())

  it('catches conditional writes that are not atomic', async () => {
    const store = await openStore(bucket)
    let caught = 0
    for (let probe = 0; probe < MOST_PROBES && caught === 0; probe++) caught = (await probeRaces(store)).doubleWins
    expect(caught).toBeGreaterThan(0)
  }, 180_000)
})

function boundMethods() {
  const store = createMemoryStore()
  return {
    create: async () => true,
    createFromFile: async () => true,
    get: store.get.bind(store),
    getRange: store.getRange.bind(store),
    head: store.head.bind(store),
    localFile: store.localFile.bind(store),
    list: store.list.bind(store),
    delete: store.delete.bind(store),
  }
}
