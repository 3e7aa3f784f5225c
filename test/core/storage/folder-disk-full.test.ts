import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import type * as Fs from 'node:fs'
import type * as FsPromises from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openFolderStore } from '#core/storage'

/** The file-system call that finds no room, simulated: a real full disk (folder.test.ts) hits only some of them. */
const full = vi.hoisted(() => ({ call: null as string | null, code: 'ENOSPC' }))

vi.mock('node:fs', async (original) => {
  const real = await original<typeof Fs>()
  const failing = <A extends unknown[], R>(name: string, work: (...args: A) => R) => {
    return (...args: A): R => {
      if (full.call === name) throw noRoom()
      return work(...args)
    }
  }
  const fsync = (descriptor: number, done: (error: Error | null) => void): void =>
    full.call === 'fsync' ? done(noRoom()) : real.fsync(descriptor, done)
  return {
    ...real,
    fsync,
    writeFileSync: failing('writeFileSync', real.writeFileSync),
    mkdirSync: failing('mkdirSync', real.mkdirSync),
    linkSync: failing('linkSync', real.linkSync),
  }
})

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof FsPromises>()
  const failing = <A extends unknown[], R>(name: string, work: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      if (full.call === name) throw noRoom()
      return work(...args)
    }
  }
  return {
    ...real,
    writeFile: failing('writeFile', real.writeFile),
    copyFile: failing('copyFile', real.copyFile),
    mkdir: failing('mkdir', real.mkdir),
  }
})

function noRoom(): Error {
  return Object.assign(new Error(`${full.code}: no space left on device`), { code: full.code })
}

describe('a folder store on a full disk', () => {
  let root: string
  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'gyre-full-'))
    await writeFile(path.join(root, 'source'), 'x')
  })
  afterEach(async () => {
    full.call = null
    await rm(root, { recursive: true, force: true })
  })

  it.each([
    ['writeFileSync', 'ENOSPC'],
    ['writeFileSync', 'EDQUOT'],
    ['writeFile', 'ENOSPC'],
    ['copyFile', 'ENOSPC'],
    ['fsync', 'ENOSPC'],
    ['mkdirSync', 'ENOSPC'],
    ['linkSync', 'ENOSPC'],
  ])('says so and leaves nothing when %s finds no room (%s)', async (call, code) => {
    const store = await openFolderStore(path.join(root, 'store'))
    Object.assign(full, { call, code })
    const creating =
      call === 'copyFile'
        ? store.createFromFile('a/b', path.join(root, 'source'))
        : store.create('a/b', call === 'writeFile' ? Buffer.alloc(1 << 20) : Buffer.from('x'))
    await expect(creating).rejects.toMatchObject({
      code: 'STORE_DISK_FULL',
      details: { root: path.join(root, 'store') },
    })
    full.call = null
    expect(await store.head('a/b')).toBeNull()
    expect(await readdir(path.join(root, 'store', '.tmp'))).toEqual([])
    expect(await store.create('a/b', Buffer.from('x'))).toBe(true)
  })

  it('says so when it cannot even be opened', async () => {
    full.call = 'mkdir'
    await expect(openFolderStore(path.join(root, 'store'))).rejects.toMatchObject({ code: 'STORE_DISK_FULL' })
  })
})
