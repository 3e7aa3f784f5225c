/** Similar images and maps of versions; what answers for a version stays open while others ask for the same. */
import { tmpdir } from 'node:os'
import { resolveVersion } from '#core/datasets'
import { openSimilar, type SimilarImages } from '#core/neighbours'
import type { DatasetVersion } from '#core/steps'
import { describeStream } from '#core/streaming'
import type { ObjectStore } from '#core/storage'
import type { NeighbourPort, StreamPort } from '../ports.ts'

/** Each holds two threads and, where the store is not a folder, a copy of the vectors on disk. */
const KEPT = 2

interface Open {
  readonly similar: Promise<SimilarImages>
  users: number
  dropped: boolean
}

export function neighboursOf(store: ObjectStore): NeighbourPort {
  const open = new Map<string, Open>()

  const hold = (version: DatasetVersion): Open => {
    const key = `${version.dataset}@${version.version}`
    const entry = open.get(key) ?? { similar: openSimilar(store, version), users: 0, dropped: false }
    open.delete(key)
    open.set(key, entry)
    // What is not mapped now may be mapped the next time.
    entry.similar.catch(() => open.get(key) === entry && open.delete(key))
    for (const [oldest, { users }] of open) {
      if (open.size <= KEPT) break
      if (oldest === key || users > 0) continue
      drop(open.get(oldest)!)
      open.delete(oldest)
    }
    return entry
  }
  const using = async <T>(name: string, ref: string, work: (similar: SimilarImages) => Promise<T>): Promise<T> => {
    const entry = hold(await resolveVersion(store, `${name}@${ref}`))
    entry.users += 1
    try {
      return await work(await entry.similar)
    } finally {
      entry.users -= 1
      if (entry.dropped) drop(entry)
    }
  }
  return {
    toImage: (name, { ref, digest, count }) => using(name, ref, (similar) => similar.toImage(digest, count)),
    toBytes: (name, { ref, count }, bytes) => using(name, ref, (similar) => similar.toBytes(bytes, count)),
    map: (name, ref) => using(name, ref, (similar) => similar.map()),
  }
}

/** Closes it when its last user is done. */
function drop(entry: Open): void {
  entry.dropped = true
  if (entry.users > 0) return
  entry.similar.then(
    (similar) => similar.close(),
    () => undefined,
  )
}

export function streamsOf(store: ObjectStore): StreamPort {
  return {
    async describe(name, { ref, ...choice }) {
      const version = await resolveVersion(store, `${name}@${ref}`)
      return describeStream(store, version, { ...choice, scratchDir: tmpdir() })
    },
  }
}
