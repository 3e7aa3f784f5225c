/**
 * An object store in a folder: one machine, nothing to install.
 *
 * A new object is written to `<root>/.tmp`, synced to disk, and then linked to its name. link(2) refuses a name that is
 * taken, atomically (S2), and gives the name to finished bytes only (S3); the folder is synced after it, so that an
 * answer, be it true or false, still holds after a power cut. Network file systems must have atomic link(2).
 *
 * What the page cache answers (names, small bytes) is asked for on the calling thread: handing it over to another one
 * takes ten times as long. Waiting for the disk (fsync, large bytes) is always done elsewhere.
 */

import {
  closeSync,
  constants,
  fstatSync,
  fsync as fsyncCallback,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { chmod, copyFile, mkdir, open, readdir, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { randomUUID } from 'node:crypto'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { PlatformError } from '#core/errors'
import { checkRange, objectNotFound } from './failures.ts'
import { checkKey, compareKeys, TEMPORARY_FOLDER } from './keys.ts'
import type { ListOptions, ObjectInfo, ObjectKey, ObjectStore } from './object-store.ts'

/** A file in `.tmp` that nobody wrote to for so long belongs to a dead writer. */
const LEFTOVER_AGE_MS = 60 * 60 * 1000

/** Objects up to this size are read and written without a hand-over. */
const SMALL_BYTES = 64 * 1024

/** Opens the store, creating the folder where it is missing and clearing what dead writers left. */
export async function openFolderStore(root: string): Promise<ObjectStore> {
  const folder = path.resolve(root)
  await withDiskFull(folder, () => mkdir(path.join(folder, TEMPORARY_FOLDER), { recursive: true }))
  await removeLeftovers(path.join(folder, TEMPORARY_FOLDER))
  return new FolderStore(folder)
}

class FolderStore implements ObjectStore {
  readonly uri: string
  readonly #root: string
  /** Folders whose own names are known to be on disk. */
  readonly #durableFolders = new Set<string>()

  constructor(root: string) {
    this.#root = root
    this.uri = pathToFileURL(root).href
  }

  create(key: ObjectKey, bytes: Uint8Array): Promise<boolean> {
    return this.#publish(key, async (temporary) => {
      const options = { flag: 'wx', mode: 0o444 }
      if (bytes.byteLength <= SMALL_BYTES) writeFileSync(temporary, bytes, options)
      else await writeFile(temporary, bytes, options)
    })
  }

  createFromFile(key: ObjectKey, file: string): Promise<boolean> {
    // A copy, not a link: a later write to the caller's file must not change the object (S1).
    return this.#publish(key, async (temporary) => {
      await copyFile(file, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
      await chmod(temporary, 0o444)
    })
  }

  async get(key: ObjectKey): Promise<Uint8Array> {
    return this.#reading(key, (file) => readSmall(file) ?? readFile(file))
  }

  async getRange(key: ObjectKey, offset: number, length: number): Promise<Uint8Array> {
    checkRange(key, offset, length)
    return this.#reading(key, async (file) => {
      const handle = await open(file, 'r')
      try {
        const { size } = await handle.stat()
        const bytes = Buffer.alloc(Math.max(0, Math.min(length, size - offset)))
        let filled = 0
        while (filled < bytes.byteLength) {
          const { bytesRead } = await handle.read(bytes, filled, bytes.byteLength - filled, offset + filled)
          if (bytesRead === 0) break
          filled += bytesRead
        }
        return bytes.subarray(0, filled)
      } finally {
        await handle.close()
      }
    })
  }

  async head(key: ObjectKey): Promise<{ sizeBytes: number } | null> {
    return sizeOf(this.#fileOf(key))
  }

  async localFile(key: ObjectKey): Promise<string> {
    const file = this.#fileOf(key)
    if (!sizeOf(file)) throw objectNotFound(this.uri, key)
    return file
  }

  async *list(prefix: string, { startAfter, limit = Infinity }: ListOptions = {}): AsyncIterable<ObjectInfo> {
    let left = limit
    if (left <= 0) return
    for await (const info of this.#walk('', prefix, startAfter)) {
      yield info
      if (--left <= 0) return
    }
  }

  async delete(key: ObjectKey): Promise<void> {
    await unlink(this.#fileOf(key)).catch(ignore('ENOENT', 'ENOTDIR'))
  }

  #fileOf(key: ObjectKey): string {
    checkKey(key)
    return path.join(this.#root, key)
  }

  async #publish(key: ObjectKey, write: (temporary: string) => Promise<void>): Promise<boolean> {
    const file = this.#fileOf(key)
    const folder = path.dirname(file)
    if (sizeOf(file)) {
      await this.#syncFolder(folder)
      return false
    }
    const temporary = path.join(this.#root, TEMPORARY_FOLDER, `${process.pid}-${randomUUID()}`)
    return withDiskFull(this.#root, async () => {
      try {
        await write(temporary)
        await syncPath(temporary)
        const created = linkIfAbsent(temporary, file)
        await this.#syncFolder(folder)
        return created
      } finally {
        rmSync(temporary, { force: true })
      }
    })
  }

  /** Puts the folder's entries on disk and, the first time, its name and those of the folders above it. */
  async #syncFolder(folder: string): Promise<void> {
    await syncPath(folder)
    for (let current = folder; current !== this.#root && !this.#durableFolders.has(current);) {
      this.#durableFolders.add(current)
      current = path.dirname(current)
      await syncPath(current)
    }
  }

  async #reading<T>(key: ObjectKey, read: (file: string) => T | Promise<T>): Promise<T> {
    try {
      return await read(this.#fileOf(key))
    } catch (error) {
      if (isMissing(error)) throw objectNotFound(this.uri, key, error)
      throw error
    }
  }

  /** @param relative - a folder under the root, '' or ending in '/'. Entries sort as their keys do: a folder as `name/`. */
  async *#walk(relative: string, prefix: string, startAfter: string | undefined): AsyncIterable<ObjectInfo> {
    const entries = await readdir(path.join(this.#root, relative), { withFileTypes: true }).catch((error: unknown) => {
      if (isMissing(error)) return []
      throw error
    })
    const names = entries
      .filter((entry) => entry.isDirectory() || entry.isFile())
      .map((entry) => relative + entry.name + (entry.isDirectory() ? '/' : ''))
      .filter((name) => name !== `${TEMPORARY_FOLDER}/` && mayHold(name, prefix, startAfter))
      .sort(compareKeys)
    for (const name of names) {
      if (name.endsWith('/')) yield* this.#walk(name, prefix, startAfter)
      else {
        const found = sizeOf(path.join(this.#root, name))
        if (found) yield { key: name, ...found }
      }
    }
  }
}

/** Gives a file its name, in a folder that is made where it is missing. @returns whether the name was free. */
function linkIfAbsent(existing: string, name: string): boolean {
  try {
    try {
      linkSync(existing, name)
    } catch (error) {
      if (!isMissing(error)) throw error
      mkdirSync(path.dirname(name), { recursive: true })
      linkSync(existing, name)
    }
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Whether a file (its key) or a folder (ending in '/') can hold a key under the prefix and after `startAfter`. */
function mayHold(name: string, prefix: string, startAfter: string | undefined): boolean {
  const isFolder = name.endsWith('/')
  if (!name.startsWith(prefix) && !(isFolder && prefix.startsWith(name))) return false
  if (startAfter === undefined || compareKeys(name, startAfter) > 0) return true
  return isFolder && startAfter.startsWith(name)
}

function sizeOf(file: string): { sizeBytes: number } | null {
  try {
    const facts = statSync(file, { throwIfNoEntry: false })
    return facts?.isFile() ? { sizeBytes: facts.size } : null
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

/** @returns null for a file that is not small. */
function readSmall(file: string): Uint8Array | null {
  const descriptor = openSync(file, 'r')
  try {
    const { size } = fstatSync(descriptor)
    if (size > SMALL_BYTES) return null
    const bytes = Buffer.alloc(size)
    let filled = 0
    for (let read = -1; read !== 0 && filled < size; filled += read)
      read = readSync(descriptor, bytes, filled, size - filled, filled)
    return bytes.subarray(0, filled)
  } finally {
    closeSync(descriptor)
  }
}

const fsync = promisify(fsyncCallback)

async function syncPath(target: string): Promise<void> {
  const descriptor = openSync(target, 'r')
  try {
    await fsync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const file = path.join(folder, name)
    const facts = await stat(file).catch(ignore('ENOENT'))
    if (facts && Date.now() - facts.mtimeMs > LEFTOVER_AGE_MS) await rm(file, { force: true })
  }
}

async function withDiskFull<T>(root: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error
    throw new PlatformError(
      'STORE_DISK_FULL',
      `no room left on the disk that holds ${root}; free some space, then resume`,
      { root },
      { cause: error },
    )
  }
}

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOENT' || code === 'ENOTDIR'
}

function ignore(...codes: readonly string[]): (error: NodeJS.ErrnoException) => undefined {
  return (error) => {
    if (!codes.includes(error.code ?? '')) throw error
  }
}
