import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openStore } from '#core/storage'
import { s3ServersRequired } from '../support/binaries.ts'
import { startFaultyProxy, type FaultyProxy } from '../support/faulty-proxy.ts'
import { minio, startMinio } from '../support/minio.ts'
import type { S3Server } from '../support/s3-server.ts'
import { objectStoreContract } from './object-store.ts'

describe.skipIf(!minio.path && !s3ServersRequired)(`S3 on a bad day ${minio.missing}`, () => {
  let server: S3Server
  let proxy: FaultyProxy
  let bucket: string
  beforeAll(async () => {
    if (!minio.path) throw new Error(minio.missing)
    server = await startMinio(minio.path)
    bucket = await server.createBucket('gyre-faults')
    proxy = await startFaultyProxy(server.endpoint, { seed: 7, share: 0.1 })
    process.env.AWS_ENDPOINT_URL_S3 = proxy.url
  })
  afterAll(async () => {
    await proxy?.stop()
    await server?.stop()
  })

  objectStoreContract('S3 that answers 500 and 503, loses answers and breaks bodies off', () =>
    openStore(`${bucket}/faults`, { project: `p-${randomUUID().slice(0, 8)}` }),
  )

  it('gives whole objects or none, whichever way they are read', async () => {
    const store = await openStore(`${bucket}/reads-${randomUUID()}`)
    const scratch = await mkdtemp(path.join(tmpdir(), 'gyre-faults-'))
    const objects = Array.from({ length: 40 }, (_, i) => ({ key: `o/${i}`, bytes: randomBytes(20_000) }))
    await Promise.all(objects.map(({ key, bytes }) => store.create(key, bytes)))
    for (const { key, bytes } of objects) {
      expect(bytes.equals(await store.get(key))).toBe(true)
      expect(bytes.subarray(100, 9_100).equals(await store.getRange(key, 100, 9_000))).toBe(true)
      expect(bytes.equals(await readFile(await store.localFile(key, scratch)))).toBe(true)
    }
    await rm(scratch, { recursive: true })
  })

  it('met every kind of fault on the way', () => {
    expect(Math.min(...Object.values(proxy.faults))).toBeGreaterThan(0)
  })
})
