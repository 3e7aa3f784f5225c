import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openStore, probeRaces, refuseUnsafeStore } from '#core/storage'
import { s3ServersRequired } from '../support/binaries.ts'
import { minio, startMinio } from '../support/minio.ts'
import { startLossyProxy } from '../support/lossy-proxy.ts'
import type { S3Server } from '../support/s3-server.ts'
import { objectStoreContract } from './object-store.ts'

describe.skipIf(!minio.path && !s3ServersRequired)(`S3 on MinIO ${minio.missing}`, () => {
  let server: S3Server
  let bucket: string
  beforeAll(async () => {
    if (!minio.path) throw new Error(minio.missing)
    server = await startMinio(minio.path)
    bucket = await server.createBucket('gyre-contract')
  })
  afterAll(() => server?.stop())

  objectStoreContract('S3', () => openStore(`${bucket}/some/prefix`, { project: `p-${randomUUID().slice(0, 8)}` }))

  it('passes the race probe, which leaves nothing behind', async () => {
    const store = await openStore(bucket)
    expect(await probeRaces(store)).toEqual({ keys: 50, doubleWins: 0 })
    await expect(refuseUnsafeStore(store)).resolves.toBeUndefined()
    expect(await store.list('', { limit: 1 })[Symbol.asyncIterator]().next()).toMatchObject({ done: true })
  })

  it.each(['bytes', 'a file'])(
    'S2: learns that it won although the answer to its create with %s was lost',
    async (from) => {
      const direct = server.endpoint
      const proxy = await startLossyProxy(direct)
      process.env.AWS_ENDPOINT_URL_S3 = proxy.url
      const store = await openStore(`${bucket}/lossy-${randomUUID()}`)
      process.env.AWS_ENDPOINT_URL_S3 = direct
      try {
        const created =
          from === 'bytes' ? store.create('key', Buffer.from('x')) : store.createFromFile('key', 'package.json')
        expect(await created).toBe(true)
        expect(proxy.lost()).toBe(1)
        expect(await store.create('key', Buffer.from('y'))).toBe(false)
      } finally {
        await proxy.stop()
      }
    },
  )

  it('keeps projects apart', async () => {
    const [one, two] = [await openStore(bucket, { project: 'one' }), await openStore(bucket, { project: 'two' })]
    await one.create('key', Buffer.from('1'))
    expect(await two.head('key')).toBeNull()
    expect(one.uri).toBe(`${bucket}/one`)
  })

  it('says that a bucket is missing', async () => {
    const store = await openStore('s3://gyre-no-such-bucket')
    await expect(store.create('key', Buffer.from('1'))).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('s3://gyre-no-such-bucket') as string,
    })
    await expect(store.get('key')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })
})
