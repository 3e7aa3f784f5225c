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

  describe('presigned addresses', () => {
    const put = (url: string, body: string, headers: Record<string, string> = {}) =>
      fetch(url, { method: 'PUT', body, headers }).then(({ status }) => status)
    const createOnly = { 'If-None-Match': '*' }

    it('let whoever holds them read and write one object, without credentials', async () => {
      const store = await openStore(`${bucket}/presigned-${randomUUID()}`)
      const request = { key: 'a/b.txt', expiresSeconds: 60 }
      const url = await store.presign!({ method: 'PUT', ...request })
      expect(await put(url, 'one')).toBe(200)
      expect(await put(url, 'two')).toBe(200)
      const read = await fetch(await store.presign!({ method: 'GET', ...request }))
      expect(await read.text()).toBe('two')
      expect(await put(url.replace('b.txt', 'c.txt'), 'three')).toBe(403)
    })

    it('that are create-only answer a second writer with 412, and refuse one who does not ask for it', async () => {
      const store = await openStore(`${bucket}/presigned-${randomUUID()}`)
      const url = await store.presign!({ method: 'PUT', key: 'end.json', expiresSeconds: 60, createOnly: true })
      expect(await put(url, 'does not ask')).toBe(400)
      expect(await store.head('end.json')).toBeNull()
      expect(await put(url, 'first', createOnly)).toBe(200)
      expect(await put(url, 'second', createOnly)).toBe(412)
      expect(Buffer.from(await store.get('end.json')).toString()).toBe('first')
    })

    it('name the host at which the holder reaches the store', async () => {
      const store = await openStore(bucket)
      const endpoint = server.endpoint.replace('127.0.0.1', 'localhost')
      const url = await store.presign!({ method: 'PUT', key: `k-${randomUUID()}`, expiresSeconds: 60, endpoint })
      expect(new URL(url).host).toBe(new URL(endpoint).host)
      expect(await put(url, 'from elsewhere')).toBe(200)
    })
  })

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
