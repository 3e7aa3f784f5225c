import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import type * as FsPromises from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openFolderStore } from '#core/storage'

/** The file-system call that finds no room, simulated: a real full disk (folder.test.ts) hits only some of them. */
const full = vi.hoisted(() => ({ call: null as string | null, code: 'ENOSPC' }))

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof FsPromises>()
  const failing = <A extends unknown[], R>(name: string, work: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      if (full.call !== name) return work(...args)
      throw Object.assign(new Error(`${full.code}: no space left on device`), { code: full.code })
    }
  }
  return {
    ...real,
    writeFile: failing('writeFile', real.writeFile),
    copyFile: failing('copyFile', real.copyFile),
    mkdir: failing('mkdir', real.mkdir),
    link: failing('link', real.link),
    open: async (...args: Parameters<typeof real.open>) => {
      const handle = await real.open(...args)
      handle.sync = failing('sync', handle.sync.bind(handle))
      return handle
    },
  }
})

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
    ['writeFile', 'ENOSPC'],
    ['writeFile', 'EDQUOT'],
    ['copyFile', 'ENOSPC'],
    ['sync', 'ENOSPC'],
    ['mkdir', 'ENOSPC'],
    ['link', 'ENOSPC'],
  ])('says so and leaves nothing when %s finds no room (%s)', async (call, code) => {
    const store = await openFolderStore(path.join(root, 'store'))
    Object.assign(full, { call, code })
    const creating =
      call === 'copyFile'
        ? store.createFromFile('a/b', path.join(root, 'source'))
        : store.create('a/b', Buffer.from('x'))
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
