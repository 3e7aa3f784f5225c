/**
 * The in-memory twin's bad days: calls that fail before or after they took effect, and reads that do not see yet what was
 * created a few calls ago. Creating stays atomic, which is all that Gyre asks of a store.
 */

import { PlatformError } from '#core/errors'
import type { ListOptions, ObjectInfo, ObjectKey, ObjectStore } from '#core/storage'
import { randomNumbers } from './images.ts'

export interface BadDay {
  readonly seed: number
  /** Shares of calls, 0–1. */
  readonly fails: number
  readonly stale: number
}

/** So many calls after its creation every read sees an object. */
const STALE_CALLS = 40

export function onABadDay(store: ObjectStore, { seed, fails, stale }: BadDay): ObjectStore {
  const random = randomNumbers(seed)
  const bornAt = new Map<ObjectKey, number>()
  let calls = 0

  const call = async <T>(act: () => Promise<T>): Promise<T> => {
    calls += 1
    if (random() < fails / 2) throw trouble(store.uri)
    const result = await act()
    if (random() < fails / 2) throw trouble(store.uri)
    return result
  }
  const isHidden = (key: ObjectKey): boolean => calls - (bornAt.get(key) ?? -Infinity) < STALE_CALLS && random() < stale
  const creating = (key: ObjectKey, create: () => Promise<boolean>): Promise<boolean> =>
    call(async () => {
      const isNew = await create()
      if (isNew) bornAt.set(key, calls)
      return isNew
    })
  const reading = <T>(key: ObjectKey, read: (key: ObjectKey) => Promise<T>): Promise<T> =>
    call(() => read(isHidden(key) ? `not/yet/${key}` : key))

  return {
    uri: store.uri,
    create: (key, bytes) => creating(key, () => store.create(key, bytes)),
    createFromFile: (key, file) => creating(key, () => store.createFromFile(key, file)),
    get: (key) => reading(key, (at) => store.get(at)),
    getRange: (key, offset, length) => reading(key, (at) => store.getRange(at, offset, length)),
    head: (key) => reading(key, (at) => store.head(at)),
    localFile: (key, directory) => reading(key, (at) => store.localFile(at, directory)),
    delete: (key) => call(() => store.delete(key)),
    async *list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo> {
      const found = await call(async () => {
        const all: ObjectInfo[] = []
        for await (const info of store.list(prefix, options)) all.push(info)
        return all
      })
      for (const info of found) if (!isHidden(info.key)) yield info
    },
  }
}

function trouble(uri: string): PlatformError {
  return new PlatformError('STORE_UNAVAILABLE', `${uri} answered SlowDown: please try again`, { uri })
}
