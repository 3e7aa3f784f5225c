import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { storedFiles } from '../../../core/imports/source.ts'
import { createMemoryStore } from '#core/storage'
import { s3ServersRequired } from '../../support/binaries.ts'
import { pngImage, truncated } from '../../support/images.ts'
import { minio, startMinio } from '../../support/minio.ts'
import type { S3Server } from '../../support/s3-server.ts'
import { reportOf, runImport, stepContext } from './support.ts'

it('objects of a store arrive unless hidden, and one that vanishes meanwhile cannot be read', async () => {
  const store = createMemoryStore()
  for (const key of ['a/1.png', 'a/.cache/2.png', 'b/3.png', 'b/4.png'])
    await store.create(key, await pngImage(key.length))
  const seen: Record<string, number | string> = {}
  for await (const { path, read } of storedFiles(store)) {
    if (path === 'b/4.png') await store.delete('b/4.png')
    seen[path] = await read().then(
      (bytes) => bytes.length,
      (error: Error) => error.message,
    )
  }
  const bytes = (await pngImage(7)).length
  expect(seen).toEqual({ 'a/1.png': bytes, 'b/3.png': bytes, 'b/4.png': 'vanished while it was being imported' })
})

describe.skipIf(!minio.path && !s3ServersRequired)(`a bucket on MinIO ${minio.missing}`, () => {
  let server: S3Server
  beforeAll(async () => {
    if (!minio.path) throw new Error(minio.missing)
    server = await startMinio(minio.path)
  })
  afterAll(() => server?.stop())

  it('is imported below a prefix, whatever its keys are called', async () => {
    const bucket = await server.createBucket('gyre-photos')
    const client = new S3Client({ forcePathStyle: true })
    const put = (Key: string, Body: Uint8Array) =>
      client.send(new PutObjectCommand({ Bucket: 'gyre-photos', Key, Body }))
    await put('set A/cat/1.png', await pngImage(1))
    await put('set A/dog/two 🐕.png', await pngImage(2))
    await put('set A/dog/cut.png', truncated(await pngImage(3)))
    await put('set A/.hidden.png', await pngImage(4))
    await put('elsewhere/5.png', await pngImage(5))
    client.destroy()
    const ctx = stepContext()
    const version = await runImport(ctx, { source: `${bucket}/set A`, labels: 'folders' })
    expect(version).toMatchObject({ images: 2, rejected: 1 })
    expect(Object.keys((await reportOf(ctx.store, version)).balance.classes)).toEqual(['cat', 'dog'])
  })

  it('that does not exist is not found', async () => {
    await expect(runImport(stepContext(), { source: 's3://gyre-nowhere/x' })).rejects.toMatchObject({
      code: 'DATASET_SOURCE_NOT_FOUND',
    })
  })
})
