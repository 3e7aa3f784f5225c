import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { blobFile, blobKey, createMemoryStore, putBlob, putBlobFile, readBlob } from '#core/storage'

// printf hello | sha256sum
const HELLO = '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824'

describe('blobs', () => {
  let scratch: string
  beforeAll(async () => {
    scratch = await mkdtemp(path.join(tmpdir(), 'gyre-blobs-'))
  })
  afterAll(() => rm(scratch, { recursive: true, force: true }))

  it('are named by their digest and stored once', async () => {
    const store = createMemoryStore()
    const file = path.join(scratch, 'hello')
    await writeFile(file, 'hello')
    const ref = await putBlob(store, Buffer.from('hello'))
    expect(ref).toEqual({ sha256: HELLO, sizeBytes: 5 })
    expect(await putBlobFile(store, file)).toEqual(ref)
    expect(await store.head(`blobs/sha256/2c/${HELLO}`)).toEqual({ sizeBytes: 5 })
  })

  it('are read by reference or by digest', async () => {
    const store = createMemoryStore()
    const ref = await putBlob(store, Buffer.from('hello'))
    expect(Buffer.from(await readBlob(store, ref)).toString()).toBe('hello')
    expect(Buffer.from(await readBlob(store, HELLO)).toString()).toBe('hello')
    expect(await readFile(await blobFile(store, ref, scratch), 'utf8')).toBe('hello')
  })

  it('are refused when their bytes do not have their digest', async () => {
    const store = createMemoryStore()
    await store.create(blobKey(HELLO), Buffer.from('hullo'))
    await expect(readBlob(store, HELLO)).rejects.toMatchObject({ code: 'OBJECT_CORRUPT', details: { sha256: HELLO } })
  })

  it('are refused as a file when their size differs from the reference', async () => {
    const store = createMemoryStore()
    await store.create(blobKey(HELLO), Buffer.from('hell'))
    await expect(blobFile(store, { sha256: HELLO, sizeBytes: 5 }, scratch)).rejects.toMatchObject({
      code: 'OBJECT_CORRUPT',
    })
  })

  it('have no key for what is not a digest', () => {
    expect(() => blobKey('../../etc/passwd')).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }))
  })
})
