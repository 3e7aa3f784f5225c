import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { storedFiles } from '../../../core/imports/source.ts'
import { openVersion } from '#core/datasets'
import { verifySplits } from '#core/imports'
import { createMemoryStore, sha256Hex } from '#core/storage'
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

  it('is imported by reference: nothing is copied, and a read gives the very bytes or says what happened to them', async () => {
    const bucket = await server.createBucket('gyre-references')
    const client = new S3Client({ forcePathStyle: true })
    const put = (Key: string, Body: Uint8Array) =>
      client.send(new PutObjectCommand({ Bucket: 'gyre-references', Key, Body }))
    for (const number of [1, 2, 3]) await put(`set/${number} é.png`, await pngImage(number))
    const ctx = stepContext()
    const version = await runImport(ctx, { source: `${bucket}/set`, reference: true })
    for await (const { key } of ctx.store.list('blobs/'))
      expect((await ctx.store.head(key))!.sizeBytes).toBeLessThan(20_000)
    const reader = await openVersion(ctx.store, version)
    const facts = await reader.facts()
    expect(facts.map(({ pack, uri }) => [pack, uri]).sort()).toEqual(
      [1, 2, 3].map((number) => [null, `${bucket}/set/${number} é.png`]),
    )
    let read = 0
    for await (const { digest, bytes } of reader.images()) {
      expect(sha256Hex(bytes)).toBe(digest)
      read++
    }
    expect(read).toBe(3)
    expect((await verifySplits(ctx.store, version)).leaks).toEqual([])

    const changed = facts.find(({ uri }) => uri!.endsWith('/2 é.png'))!
    await put('set/2 é.png', await pngImage(99))
    const refused = reader.imageBytes(changed.digest)
    await expect(refused).rejects.toMatchObject({ code: 'OBJECT_CORRUPT', details: { etag: changed.etag } })
    await expect(refused).rejects.toThrow('is another object now')
    client.destroy()
  })

  it('alone can be imported by reference', async () => {
    await expect(runImport(stepContext(), { source: '/somewhere', reference: true })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
  })

  it('that does not exist is not found', async () => {
    await expect(runImport(stepContext(), { source: 's3://gyre-nowhere/x' })).rejects.toMatchObject({
      code: 'DATASET_SOURCE_NOT_FOUND',
    })
  })
})
