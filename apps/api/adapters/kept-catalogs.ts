/** The catalogs that the API reads, a few open at a time: the one that nobody asked for the longest is closed. */
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { openCatalog, type Catalog } from '#core/catalog'
import { resolveVersion } from '#core/datasets'
import { PlatformError } from '#core/errors'
import type { DatasetVersion } from '#core/steps'
import type { ObjectStore } from '#core/storage'

export interface KeptCatalogs {
  /** The version that a ref means. @throws {PlatformError} `DATASET_NOT_FOUND`. */
  resolve(dataset: string, ref: string): Promise<Pick<DatasetVersion, 'dataset' | 'version'>>
  /**
   * Works with the catalog of a version, made now where there is none.
   *
   * @throws {PlatformError} `CATALOG_BUILDING` where that takes longer than a call should; it goes on.
   */
  use<T>(version: Pick<DatasetVersion, 'dataset' | 'version'>, work: (catalog: Catalog) => Promise<T>): Promise<T>
  /** Those of a dataset that are open, the one used last first. */
  useOpen<T>(dataset: string, work: (catalog: Catalog) => Promise<T | null>): Promise<T | null>
}

interface Kept {
  readonly catalog: Promise<Catalog>
  readonly progress: { done: number; total: number }
  users: number
}

export interface KeptCatalogsOptions {
  /** A folder of temporary files where left out. */
  readonly cacheDir?: string
  readonly kept?: number
  /** How long a call waits for a catalog that is being made. */
  readonly patienceMs?: number
}

const KEPT = 3
const PATIENCE_MS = 10_000
const WHOLE_DIGEST = /^[0-9a-f]{64}$/

export function keepCatalogs(store: ObjectStore, options: KeptCatalogsOptions = {}): KeptCatalogs {
  const { cacheDir = path.join(tmpdir(), 'gyre', 'catalogs'), kept = KEPT, patienceMs = PATIENCE_MS } = options
  const held = new Map<string, Kept>()

  function hold(key: string, version: Pick<DatasetVersion, 'dataset' | 'version'>): Kept {
    const entry = held.get(key) ?? opening(version)
    held.delete(key)
    held.set(key, entry)
    entry.catalog.catch(() => held.get(key) === entry && held.delete(key))
    return entry
  }

  /** Closes those beyond the number kept that nobody uses, the one used longest ago first. */
  function trim(): void {
    for (const [key, { users, catalog }] of held) {
      if (held.size <= kept) break
      if (users > 0) continue
      held.delete(key)
      catalog.then(
        (opened) => opened.close(),
        () => undefined,
      )
    }
  }

  function opening(version: Pick<DatasetVersion, 'dataset' | 'version'>): Kept {
    const progress = { done: 0, total: 0 }
    const onProgress = (done: number, total: number): void => void Object.assign(progress, { done, total })
    return { catalog: openCatalog(store, version, { cacheDir, onProgress }), progress, users: 0 }
  }

  async function using<T>(entry: Kept, work: (catalog: Catalog) => Promise<T>): Promise<T> {
    entry.users += 1
    try {
      return await work(await patiently(entry, patienceMs))
    } finally {
      entry.users -= 1
      trim()
    }
  }

  return {
    async resolve(dataset, ref) {
      return WHOLE_DIGEST.test(ref) ? { dataset, version: ref } : resolveVersion(store, `${dataset}@${ref}`)
    },
    use: (version, work) => using(hold(`${version.dataset}@${version.version}`, version), work),
    async useOpen(dataset, work) {
      for (const [key, entry] of [...held].reverse()) {
        const found = key.startsWith(`${dataset}@`) ? await using(entry, work) : null
        if (found !== null) return found
      }
      return null
    },
  }
}

async function patiently({ catalog, progress }: Kept, patienceMs: number): Promise<Catalog> {
  const enough = new AbortController()
  try {
    const late = delay(patienceMs, null, { signal: enough.signal })
    late.catch(() => undefined)
    const found = await Promise.race([catalog, late])
    if (found) return found
  } finally {
    enough.abort()
  }
  const share = progress.total === 0 ? 0 : Math.floor((100 * progress.done) / progress.total)
  throw new PlatformError('CATALOG_BUILDING', `the catalog of the version is being made: ${share} %`, {
    ...progress,
    retryAfterSeconds: 1,
  })
}
