import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { appendFile, mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openFolderStore, openStore } from '#core/storage'

const fixture = (name: string) => path.resolve('test/fixtures', name)

/** A disk of 1 MiB that only the child sees: needs user namespaces or root, which some containers refuse. */
const smallDisk = (command: string) => ['unshare', '--map-root-user', '--mount', 'sh', '-c', command] as const
const [unshare, ...trial] = smallDisk('mount -t tmpfs -o size=1m tmpfs /mnt')
const canMount = spawnSync(unshare, trial).status === 0

describe('the folder store', () => {
  let root: string
  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'gyre-folder-'))
  })
  afterEach(() => rm(root, { recursive: true, force: true }))

  it('S3: shows nothing of an object whose writer was killed with −9, and lets the next writer have the key', async () => {
    const temporary = path.join(root, '.tmp')
    await mkdir(temporary)
    const started = new Promise<void>((resolve) => {
      const watcher = watch(temporary, () => {
        watcher.close()
        resolve()
      })
    })
    const sizeBytes = 256 * 1024 * 1024
    const writer = spawn(process.execPath, [
      '--import',
      'tsx',
      fixture('write-large-object.ts'),
      root,
      'a/b',
      `${sizeBytes}`,
    ])
    await started
    writer.kill('SIGKILL')
    await once(writer, 'exit')

    const store = await openFolderStore(root)
    // The half-written file proves that the kill hit in the middle.
    const [leftover = ''] = await readdir(temporary)
    expect((await stat(path.join(temporary, leftover))).size).toBeLessThan(sizeBytes)
    expect(await store.head('a/b')).toBeNull()
    expect(await store.list('')[Symbol.asyncIterator]().next()).toMatchObject({ done: true })
    expect(await store.create('a/b', Buffer.from('whole'))).toBe(true)
    expect(Buffer.from(await store.get('a/b')).toString()).toBe('whole')
  })

  it('removes what dead writers left an hour ago, and nothing younger', async () => {
    const temporary = path.join(root, '.tmp')
    await mkdir(temporary)
    for (const name of ['old', 'young']) await writeFile(path.join(temporary, name), 'half')
    const anHourAgo = Date.now() / 1000 - 3_601
    await utimes(path.join(temporary, 'old'), anHourAgo, anHourAgo)
    await openFolderStore(root)
    expect(await readdir(temporary)).toEqual(['young'])
  })

  it.skipIf(!canMount)(
    `S3: leaves nothing half there when the disk is full${canMount ? '' : ' (left out: this machine lets tests mount no small disk)'}`,
    async () => {
      const disk = path.join(root, 'disk')
      await mkdir(disk)
      const fill = `mount -t tmpfs -o size=1m tmpfs '${disk}' && exec '${process.execPath}' --import tsx '${fixture('fill-small-disk.ts')}' '${disk}' '${root}'`
      const [command, ...args] = smallDisk(fill)
      const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      const said: Buffer[] = []
      child.stdout.on('data', (chunk: Buffer) => said.push(chunk))
      await once(child, 'close')
      expect(JSON.parse(Buffer.concat(said).toString())).toEqual({
        first: 'true',
        second: 'STORE_DISK_FULL',
        secondFromFile: 'STORE_DISK_FULL',
        secondVisible: false,
        leftovers: [],
        firstIntact: true,
        afterFreeing: 'true',
      })
    },
  )

  it('keeps objects read-only, and is not shown files of its own', async () => {
    const store = await openFolderStore(root)
    await store.create('a/b', Buffer.from('x'))
    const file = await store.localFile('a/b', '/not/used')
    expect((await stat(file)).mode & 0o222).toBe(0)
    if (process.getuid?.() !== 0) await expect(appendFile(file, 'y')).rejects.toMatchObject({ code: 'EACCES' })
    await writeFile(path.join(root, '.tmp', 'half'), 'x')
    const keys: string[] = []
    for await (const { key } of store.list('')) keys.push(key)
    expect(keys).toEqual(['a/b'])
  })
})

describe('opening a store', () => {
  let root: string
  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'gyre-open-'))
  })
  afterEach(() => rm(root, { recursive: true, force: true }))

  it('takes a path or a file URI, scoped to a project', async () => {
    const byPath = await openStore(root)
    await byPath.create('a', Buffer.from('x'))
    const byUri = await openStore(`file://${root}`, { project: 'default' })
    expect(byUri.uri).toBe(`file://${root}/default`)
    expect(await byUri.head('a')).toEqual({ sizeBytes: 1 })
    expect(await (await openStore(root, { project: 'other' })).head('a')).toBeNull()
  })

  it('refuses a project that could leave the store, and schemes it does not know', async () => {
    await expect(openStore(root, { project: '../up' })).rejects.toMatchObject({ code: 'INVALID_NAME' })
    await expect(openStore('https://example.org/x')).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })
})
