import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { storedFiles } from '../../../core/imports/source.ts'
import { takeIn } from '../../../core/imports/intake.ts'
import { createMemoryStore } from '#core/storage'
import { s3ServersRequired } from '../../support/binaries.ts'
import { pngImage, truncated } from '../../support/images.ts'
import { minio, startMinio } from '../../support/minio.ts'
import type { S3Server } from '../../support/s3-server.ts'
import { reportOf, runImport, stepContext } from './support.ts'

it('objects of a store arrive unless hidden, and one that vanishes meanwhile is refused alone', async () => {
  const store = createMemoryStore()
  for (const key of ['a/1.png', 'a/.cache/2.png', 'b/3.png']) await store.create(key, await pngImage(key.length))
  await store.create('b/4.png', await pngImage(4))
  async function* files() {
    for await (const arrival of storedFiles(store)) {
      if (arrival.path === 'b/4.png') await store.delete('b/4.png')
      yield arrival
    }
  }
  const options = { directory: '/nonexistent', signal: new AbortController().signal, progress: () => undefined }
  const intake = await takeIn({ files: files() }, options)
  expect(intake.images.map(({ source }) => source).concat(intake.duplicates.map(({ path }) => path))).toEqual([
    'a/1.png',
    'b/3.png',
  ])
  expect(intake.rejected).toEqual([{ path: 'b/4.png', reason: 'vanished while it was being imported' }])
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
