/** The object store's twin for tests: the whole contract, nothing on disk, gone with the process. */

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { checkRange, objectNotFound } from './failures.ts'
import { checkKey, compareKeys } from './keys.ts'
import type { ListOptions, ObjectInfo, ObjectKey, ObjectStore } from './object-store.ts'

export function createMemoryStore(name = 'test'): ObjectStore {
  return new MemoryStore(`memory://${name}`)
}

class MemoryStore implements ObjectStore {
  readonly #objects = new Map<ObjectKey, Uint8Array>()

  constructor(readonly uri: string) {}

  async create(key: ObjectKey, bytes: Uint8Array): Promise<boolean> {
    checkKey(key)
    if (this.#objects.has(key)) return false
    this.#objects.set(key, Uint8Array.from(bytes))
    return true
  }

  async createFromFile(key: ObjectKey, file: string): Promise<boolean> {
    checkKey(key)
    return this.create(key, await readFile(file))
  }

  async get(key: ObjectKey): Promise<Uint8Array> {
    return this.#find(key).slice()
  }

  async getRange(key: ObjectKey, offset: number, length: number): Promise<Uint8Array> {
    checkRange(key, offset, length)
    return this.#find(key).slice(offset, offset + length)
  }

  async head(key: ObjectKey): Promise<{ sizeBytes: number } | null> {
    checkKey(key)
    const bytes = this.#objects.get(key)
    return bytes ? { sizeBytes: bytes.byteLength } : null
  }

  async localFile(key: ObjectKey, directory: string): Promise<string> {
    const file = path.join(directory, key)
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(file, this.#find(key))
    return file
  }

  async *list(prefix: string, { startAfter, limit = Infinity }: ListOptions = {}): AsyncIterable<ObjectInfo> {
    const keys = [...this.#objects.keys()]
      .filter((key) => key.startsWith(prefix) && (startAfter === undefined || compareKeys(key, startAfter) > 0))
      .sort(compareKeys)
      .slice(0, limit)
    for (const key of keys) {
      const bytes = this.#objects.get(key)
      if (bytes) yield { key, sizeBytes: bytes.byteLength }
    }
  }

  async delete(key: ObjectKey): Promise<void> {
    checkKey(key)
    this.#objects.delete(key)
  }

  #find(key: ObjectKey): Uint8Array {
    checkKey(key)
    const bytes = this.#objects.get(key)
    if (!bytes) throw objectNotFound(this.uri, key)
    return bytes
  }
}
