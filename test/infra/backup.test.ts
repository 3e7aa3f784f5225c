/** Backup files: whole or not there, and harmless whoever wrote them. */

import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { pack, type Header } from 'tar-stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readBackup, writeBackup, type Progress, type Source } from '../../infra/local/backup/index.ts'
import { freeze } from '../../infra/local/freeze.ts'
import { captureMoment, listObjects } from '../../infra/local/snapshot.ts'

let folder: string
let target: string
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'gyre-backup-'))
  target = path.join(folder, 'backup.tar')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const signal = new AbortController().signal
const FACTS = {
  gyre: '0.1.0',
  createdAt: '2026-03-02T10:00:00.000Z',
  project: 'default',
  store: 'folder',
  temporal: true,
}

function source(name: string, content: string | Buffer): Source {
  const file = path.join(folder, 'sources', name)
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, content)
  return { name, file }
}

function write(sources: readonly Source[], progress: Progress[] = []) {
  return writeBackup(target, FACTS, sources, { signal, onProgress: (now) => void progress.push(now) })
}

function read(file = target) {
  const into = mkdtempSync(path.join(folder, 'into-'))
  const header = readBackup(file, into, { signal, onProgress: () => undefined })
  return { into, header }
}

describe('a backup file', () => {
  const large = Buffer.alloc(3 * 2 ** 20 + 17, 'Gyre ')
  const deep = `objects/default/runs/${'r'.repeat(120)}/nodes/${'n'.repeat(120)}.json`
  const sources = () => [
    source('temporal.db', 'the database'),
    source('objects/default/blobs/sha256/aa/aa01', large),
    source(deep, '{}'),
    source('objects/default/empty', ''),
  ]

  it('gives back every file as it was', async () => {
    const written = await write(sources())
    expect(written).toMatchObject({ files: 4, leftOut: 0, sizeBytes: statSync(target).size })
    const { into, header } = read()
    expect(await header).toEqual({ format: 1, ...FACTS, files: 4, bytes: 12 + large.length + 2 })
    expect(readFileSync(path.join(into, 'temporal.db'), 'utf8')).toBe('the database')
    expect(readFileSync(path.join(into, 'objects/default/blobs/sha256/aa/aa01')).equals(large)).toBe(true)
    expect(readFileSync(path.join(into, deep), 'utf8')).toBe('{}')
    expect(statSync(path.join(into, 'objects/default/empty')).size).toBe(0)
  })

  it('can be checked with the tools of every system', async () => {
    await write(sources())
    const into = mkdtempSync(path.join(folder, 'tar-'))
    execFileSync('tar', ['-xf', target, '-C', into])
    const checked = execFileSync('sha256sum', ['-c', 'SHA256SUMS'], { cwd: into, encoding: 'utf8' })
    expect(checked.trim().split('\n')).toHaveLength(5)
  })

  it('is for its owner alone, and appears when it is whole', async () => {
    const progress: Progress[] = []
    const writing = write(sources(), progress)
    expect(existsSync(target)).toBe(false)
    await writing
    expect(statSync(target).mode & 0o777).toBe(0o600)
    expect(readdirSync(folder).sort()).toEqual(['backup.tar', 'sources'])
    expect(progress.at(-1)).toEqual({
      files: 4,
      totalFiles: 4,
      bytes: large.length + 14,
      totalBytes: large.length + 14,
    })
  })

  it('does without an object that was removed meanwhile', async () => {
    const [first, ...others] = sources()
    rmSync(first!.file)
    expect(await write([first!, ...others])).toMatchObject({ files: 3, leftOut: 1 })
    await read().header
  })

  it('leaves the former one alone where it cannot be written', async () => {
    writeFileSync(target, 'the former one')
    const stopped = AbortSignal.abort(new Error('stopped'))
    await expect(
      writeBackup(target, FACTS, sources(), { signal: stopped, onProgress: () => undefined }),
    ).rejects.toThrow()
    expect(readFileSync(target, 'utf8')).toBe('the former one')
    expect(readdirSync(folder).sort()).toEqual(['backup.tar', 'sources'])
  })

  it.each([0.1, 0.5, 0.9, 0.999])('cut off after %s of it is refused', async (share) => {
    await write(sources())
    truncateSync(target, Math.floor(statSync(target).size * share))
    await expect(read().header).rejects.toMatchObject({ code: 'BACKUP_INVALID' })
  })

  it('with one changed byte is refused', async () => {
    await write(sources())
    const bytes = readFileSync(target)
    bytes[bytes.indexOf('the database')]! ^= 1
    writeFileSync(target, bytes)
    await expect(read().header).rejects.toThrow(/is damaged.*sha256sum -c/)
  })
})

/** A backup of an enemy, with right sums. */
async function forge(
  entries: readonly (Partial<Header> & { name: string; content?: string })[],
  header = {},
): Promise<void> {
  const tar = pack()
  const done = pipeline(tar, createWriteStream(target))
  const facts = { format: 1, ...FACTS, files: 1_000, bytes: 1_000_000, ...header }
  const all = [{ name: 'gyre-backup.json', content: JSON.stringify(facts) }, ...entries]
  let sums = ''
  for (const { content = '', ...entry } of all) {
    tar.entry(entry, content)
    sums += `${createHash('sha256').update(content).digest('hex')}  ${entry.name}\n`
  }
  tar.entry({ name: 'SHA256SUMS' }, sums)
  tar.finalize()
  await done
}

describe('a hostile backup', () => {
  it('is one by what it holds, not by how it was made', async () => {
    await forge([{ name: 'objects/default/x', content: 'fine' }])
    const { into, header } = read()
    await header
    expect(readFileSync(path.join(into, 'objects/default/x'), 'utf8')).toBe('fine')
  })

  it.each([
    '../evil',
    'objects/../../evil',
    'objects/default/../../../evil',
    '/etc/evil',
    'objects//evil',
    'objects/default/a\\..\\evil',
    'objects/.tmp/evil',
    'objects/',
    'owner-token',
    'stack.json',
    'logs/evil.log',
    'temporal.db-shm',
  ])('may not hold %s', async (name) => {
    await forge([{ name, type: 'file', content: 'evil' }])
    await expect(read().header).rejects.toMatchObject({ code: 'BACKUP_INVALID' })
    expect(existsSync(path.join(folder, 'evil'))).toBe(false)
  })

  it.each(['symlink', 'link', 'directory', 'fifo', 'character-device'] as const)('may not hold a %s', async (type) => {
    await forge([
      { name: 'objects/default/way-out', type, linkname: folder },
      { name: 'objects/default/way-out/evil', content: 'evil' },
    ])
    await expect(read().header).rejects.toMatchObject({
      code: 'BACKUP_INVALID',
      message: expect.stringContaining('which is no file') as string,
    })
    expect(existsSync(path.join(folder, 'evil'))).toBe(false)
  })

  it('may not hold a name twice, nor more than it announces', async () => {
    await forge([
      { name: 'objects/default/x', content: 'a' },
      { name: 'objects/default/x', content: 'b' },
    ])
    await expect(read().header).rejects.toThrow('twice')
    await forge([{ name: 'objects/default/x', content: 'too long' }], { bytes: 7 })
    await expect(read().header).rejects.toThrow('more than it announces')
    await forge([{ name: 'objects/default/x' }, { name: 'objects/default/y' }], { files: 1 })
    await expect(read().header).rejects.toThrow('more than it announces')
  })

  it('is refused before anything is written where there is no room for it', async () => {
    await forge([{ name: 'objects/default/x' }], { bytes: 2 ** 52 })
    await expect(read().header).rejects.toMatchObject({ code: 'STORE_DISK_FULL' })
  })

  it('of a newer format asks for an upgrade', async () => {
    await forge([], { format: 2, gyre: '9.1.0' })
    await expect(read().header).rejects.toThrow('was written by Gyre 9.1.0 in format 2, newer than this one reads (1)')
  })

  it.each(['', 'no tar at all', Buffer.alloc(4_096)])('is none where it is something else', async (content) => {
    writeFileSync(target, content)
    await expect(read().header).rejects.toMatchObject({ code: 'BACKUP_INVALID' })
  })
})

describe('a moment of a state', () => {
  it('holds the names of all objects but those being written, blobs apart', () => {
    for (const name of ['p/blobs/sha256/aa/1', 'p/runs/r/plan.json', 'p/.tmp/2', 'q/cache/x', 'q/blobs/3'])
      source(name, '')
    const objects = path.join(folder, 'sources')
    expect([...listObjects(objects, 'blobs')].sort()).toEqual(['p/blobs/sha256/aa/1', 'q/blobs/3'])
    expect([...listObjects(objects, 'records')].sort()).toEqual(['p/runs/r/plan.json', 'q/cache/x'])
  })

  it('is one: what two processes write in turns is there for both or for neither', () => {
    const objects = path.join(folder, 'objects')
    mkdirSync(path.join(objects, 'p/a'), { recursive: true })
    mkdirSync(path.join(objects, 'p/b'))
    // Writes a name to `b` only after it is in `a`; its child does the writing, so that the family must be held.
    const program = `for i in $(seq 1 100000); do : > p/a/$i; : > p/b/$i; done`
    const writer = spawn('sh', ['-c', `sh -c '${program}'; :`], { cwd: objects, stdio: 'ignore', detached: true })
    try {
      while (readdirSync(path.join(objects, 'p/b')).length < 50);
      const moments = Array.from({ length: 20 }, () =>
        captureMoment({ state: folder, objects, writers: [writer.pid!], target: folder }),
      )
      const counts = moments.map(({ records }) => {
        const [a, b] = ['p/a/', 'p/b/'].map((part) => records.filter((name) => name.startsWith(part)).length)
        return { a: a!, b: b! }
      })
      for (const { a, b } of counts) expect(a - b === 0 || a - b === 1).toBe(true)
      expect(counts.at(-1)!.a).toBeGreaterThan(counts[0]!.a)
    } finally {
      process.kill(-writer.pid!, 'SIGKILL')
    }
  })

  it('is taken of processes that start others all the time', () => {
    const restless = spawn('sh', ['-c', 'while :; do /bin/true; done'], { stdio: 'ignore', detached: true })
    try {
      // One in ten of them catches a process between its birth and its program.
      for (let moment = 0; moment < 60; moment += 1) freeze([restless.pid!])()
      expect(restless.exitCode).toBe(null)
    } finally {
      process.kill(-restless.pid!, 'SIGKILL')
    }
  })

  it('lets everything go on, also when it cannot be taken', async () => {
    const child = spawn('sh', ['-c', 'sleep 0.3; exit 7'], { stdio: 'ignore' })
    const ended = new Promise((resolve) => child.once('close', resolve))
    const { file } = source('a file', '')
    const unreadable = { state: folder, objects: file, writers: [child.pid!], target: folder }
    expect(() => captureMoment(unreadable)).toThrow('ENOTDIR')
    freeze([child.pid!])()
    expect(await ended).toBe(7)
  })
})
