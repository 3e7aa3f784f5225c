/** What every object store must do: run on the folder, the S3 adapter against a real server, and the twin in memory. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ObjectInfo, ObjectStore } from '#core/storage'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (content: Uint8Array) => new TextDecoder().decode(content)

/** @param open - gives a new, empty store on each call. */
export function objectStoreContract(name: string, open: () => Promise<ObjectStore>): void {
  describe(`object store: ${name}`, () => {
    let store: ObjectStore
    let scratch: string
    const keysOf = async (found: AsyncIterable<ObjectInfo>) => {
      const keys: string[] = []
      for await (const { key } of found) keys.push(key)
      return keys
    }

    beforeAll(async () => {
      store = await open()
      scratch = await mkdtemp(path.join(tmpdir(), 'gyre-store-'))
    })
    afterAll(() => rm(scratch, { recursive: true, force: true }))

    it('gives back the bytes that were created', async () => {
      expect(await store.create('a/first', bytes('hello'))).toBe(true)
      expect(text(await store.get('a/first'))).toBe('hello')
      expect(await store.head('a/first')).toEqual({ sizeBytes: 5 })
    })

    it('keeps an empty object', async () => {
      expect(await store.create('a/empty', new Uint8Array())).toBe(true)
      expect(await store.get('a/empty')).toHaveLength(0)
      expect(await store.head('a/empty')).toEqual({ sizeBytes: 0 })
      expect(await store.getRange('a/empty', 0, 10)).toHaveLength(0)
    })

    it('S1: refuses a second create and keeps the first content', async () => {
      await store.create('s1/key', bytes('first'))
      expect(await store.create('s1/key', bytes('second'))).toBe(false)
      expect(text(await store.get('s1/key'))).toBe('first')
    })

    it('S1: is untouched by later changes to the bytes it was given', async () => {
      const mine = bytes('before')
      await store.create('s1/copied', mine)
      mine.fill(0x78)
      expect(text(await store.get('s1/copied'))).toBe('before')
      const file = path.join(scratch, 'mine')
      await writeFile(file, 'before')
      await store.createFromFile('s1/copied-file', file)
      await writeFile(file, 'after!')
      expect(text(await store.get('s1/copied-file'))).toBe('before')
    })

    it('S2: lets exactly one of 16 concurrent writers win each key, and stores what the winner wrote', async () => {
      for (let round = 0; round < 10; round++) {
        const key = `s2/round-${round}`
        const won = await Promise.all(Array.from({ length: 16 }, (_, i) => store.create(key, bytes(`writer ${i}`))))
        expect(won.filter(Boolean)).toHaveLength(1)
        expect(text(await store.get(key))).toBe(`writer ${won.indexOf(true)}`)
      }
    })

    it('S2: holds between bytes and files as well', async () => {
      const file = path.join(scratch, 'racer')
      await writeFile(file, 'from a file')
      const won = await Promise.all(
        Array.from({ length: 8 }, (_, i) =>
          i % 2 ? store.create('s2/mixed', bytes('from bytes')) : store.createFromFile('s2/mixed', file),
        ),
      )
      expect(won.filter(Boolean)).toHaveLength(1)
      expect(text(await store.get('s2/mixed'))).toBe(won.indexOf(true) % 2 ? 'from bytes' : 'from a file')
    })

    it('creates from a file of several megabytes and leaves the file where it is', async () => {
      const content = Buffer.alloc(5_000_000, 'gyre ')
      const file = path.join(scratch, 'large')
      await writeFile(file, content)
      expect(await store.createFromFile('files/large', file)).toBe(true)
      expect(await store.createFromFile('files/large', file)).toBe(false)
      expect(Buffer.compare(await store.get('files/large'), content)).toBe(0)
      expect((await readFile(file)).byteLength).toBe(5_000_000)
    })

    it('reads ranges, cut off at the end of the object', async () => {
      await store.create('ranges/digits', bytes('0123456789'))
      expect(text(await store.getRange('ranges/digits', 2, 3))).toBe('234')
      expect(text(await store.getRange('ranges/digits', 8, 100))).toBe('89')
      expect(text(await store.getRange('ranges/digits', 10, 5))).toBe('')
      expect(text(await store.getRange('ranges/digits', 0, 0))).toBe('')
      await expect(store.getRange('ranges/digits', -1, 5)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    })

    it('gives a local file with the bytes of an object', async () => {
      await store.create('local/one', bytes('on disk'))
      const file = await store.localFile('local/one', scratch)
      expect(await readFile(file, 'utf8')).toBe('on disk')
      expect(await store.localFile('local/one', scratch)).toBe(file)
    })

    it('says which object is missing', async () => {
      const missing = { code: 'OBJECT_NOT_FOUND', message: expect.stringContaining('no/such') as string }
      await expect(store.get('no/such')).rejects.toMatchObject(missing)
      await expect(store.getRange('no/such', 0, 1)).rejects.toMatchObject(missing)
      await expect(store.getRange('no/such', 0, 0)).rejects.toMatchObject(missing)
      await expect(store.localFile('no/such', scratch)).rejects.toMatchObject(missing)
      expect(await store.head('no/such')).toBeNull()
    })

    it('lists by prefix in the order of UTF-8 bytes', async () => {
      // '-' and '.' sort before '/', '0' after it; U+FF5E is below U+1F600 in UTF-8 and above it in UTF-16.
      const sorted = ['l/a-', 'l/a-b/x', 'l/a.json', 'l/a/x', 'l/a/y/z', 'l/a0', 'l/b', 'l/\uff5e', 'l/\u{1f600}']
      for (const key of [...sorted].reverse()) await store.create(key, bytes(key))
      expect(await keysOf(store.list('l/'))).toEqual(sorted)
      expect(await keysOf(store.list('l/a/'))).toEqual(['l/a/x', 'l/a/y/z'])
      expect(await keysOf(store.list('l/a'))).toEqual(sorted.slice(0, 6))
      expect(await keysOf(store.list('l/c'))).toEqual([])
      expect(await keysOf(store.list('l/', { startAfter: 'l/a.json' }))).toEqual(sorted.slice(3))
      expect(await keysOf(store.list('l/', { startAfter: 'l/a/x', limit: 2 }))).toEqual(['l/a/y/z', 'l/a0'])
      expect(await keysOf(store.list('l/', { limit: 0 }))).toEqual([])
    })

    it('lists sizes, and more objects than one page of an S3 server holds', async () => {
      const keys = Array.from({ length: 1_050 }, (_, i) => `many/${String(i).padStart(4, '0')}`)
      for (let from = 0; from < keys.length; from += 50)
        await Promise.all(keys.slice(from, from + 50).map((key) => store.create(key, bytes('x'))))
      expect(await keysOf(store.list('many/'))).toEqual(keys)
      for await (const info of store.list('many/', { startAfter: 'many/1048' }))
        expect(info).toMatchObject({ key: 'many/1049', sizeBytes: 1 })
    })

    it('deletes an object, and does not mind a missing one', async () => {
      await store.create('d/gone', bytes('x'))
      await store.delete('d/gone')
      await store.delete('d/gone')
      await store.delete('d/gone/never/there')
      expect(await store.head('d/gone')).toBeNull()
      expect(await store.create('d/gone', bytes('again'))).toBe(true)
    })

    it.each([
      '',
      '/absolute',
      'a//b',
      'a/',
      '.',
      'a/./b',
      '../outside',
      'a/../../outside',
      'a\\b',
      'a\0b',
      'line\nbreak',
      '.tmp/x',
      'x'.repeat(256),
      'abcdefg/'.repeat(64) + 'x',
    ])('refuses the key %j everywhere', async (key) => {
      const refused = { code: 'INVALID_INPUT' }
      await expect(store.create(key, bytes('x'))).rejects.toMatchObject(refused)
      await expect(store.createFromFile(key, '/etc/hostname')).rejects.toMatchObject(refused)
      await expect(store.get(key)).rejects.toMatchObject(refused)
      await expect(store.getRange(key, 0, 1)).rejects.toMatchObject(refused)
      await expect(store.head(key)).rejects.toMatchObject(refused)
      await expect(store.localFile(key, scratch)).rejects.toMatchObject(refused)
      await expect(store.delete(key)).rejects.toMatchObject(refused)
    })
  })
}
