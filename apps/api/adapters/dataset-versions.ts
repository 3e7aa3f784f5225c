import {
  listRefs,
  mergeVersions,
  openDiff,
  resolveVersion,
  restoreVersion,
  tagVersion,
  versionHistory,
  type Diff,
} from '#core/datasets'
import { PlatformError } from '#core/errors'
import type { ObjectStore } from '#core/storage'
import type { VersionPort } from '../ports.ts'

/** A comparison that nobody asked so long is closed. */
const IDLE_MS = 60_000
const KEPT = 3

/** History, comparisons and moves of versions as the store has them. */
export function datasetVersionsOf(store: ObjectStore): VersionPort {
  const diffs = new KeptDiffs(store)
  return {
    log: async (name, { ref, limit }) => {
      const { version } = await resolveVersion(store, `${name}@${ref}`)
      return versionHistory(store, name, { version, limit })
    },

    async refs(name) {
      await resolveVersion(store, name)
      return listRefs(store, name)
    },

    diff: (name, { from, to }) => diffs.use(name, from, to, (diff) => diff.counts()),
    diffRows: (name, { from, to, ...options }) =>
      diffs.use(name, from, to, async (diff) => ({ rows: await diff.rows(options) })),

    async tag(name, { tag, version, move, note }, by) {
      const named = await resolveVersion(store, `${name}@${version}`)
      return tagVersion(store, named, tag, { by, note, move })
    },

    async restore(name, { version, ref, note }, by) {
      const named = await resolveVersion(store, `${name}@${version}`)
      return restoreVersion(store, named, { ref, by, note })
    },

    async merge(name, { ours, theirs, policies, decisions, note }, by) {
      const [into, incoming] = [
        await resolveVersion(store, `${name}@${ours}`),
        await resolveVersion(store, `${name}@${theirs}`),
      ]
      const refs = await listRefs(store, name)
      const ref = refs.some((held) => held.name === ours) ? ours : null
      const merged = await mergeVersions(
        store,
        { dataset: name, ours: into.version, theirs: incoming.version },
        { policies, decisions, ref, by, note },
      )
      if ('version' in merged) return merged.version
      const { total } = merged
      throw new PlatformError(
        'DATASET_MERGE_CONFLICTS',
        `${theirs} and ${ours} of ${name} disagree in ${total} ${total === 1 ? 'place' : 'places'}; decide each or give a policy`,
        { conflicts: merged.conflicts, total },
      )
    },
  }
}

/** Comparisons stay open while a page leafs through them. */
class KeptDiffs {
  readonly #held = new Map<string, { readonly diff: Promise<Diff>; users: number; idle?: NodeJS.Timeout }>()

  constructor(private readonly store: ObjectStore) {}

  async use<T>(name: string, from: string, to: string, work: (diff: Diff) => Promise<T>): Promise<T> {
    const sides = await Promise.all([from, to].map((ref) => resolveVersion(this.store, `${name}@${ref}`)))
    const [a, b] = sides as [(typeof sides)[0], (typeof sides)[0]]
    const key = `${name} ${a.version} ${b.version}`
    const kept = this.#held.get(key) ?? { diff: openDiff(this.store, a, b), users: 0 }
    clearTimeout(kept.idle)
    this.#held.delete(key)
    this.#held.set(key, kept)
    kept.users += 1
    try {
      return await work(await kept.diff)
    } catch (error) {
      this.#close(key)
      throw error
    } finally {
      kept.users -= 1
      kept.idle = setTimeout(() => this.#close(key), IDLE_MS).unref()
      for (const [oldest, { users }] of this.#held) if (this.#held.size > KEPT && users === 0) this.#close(oldest)
    }
  }

  #close(key: string): void {
    const kept = this.#held.get(key)
    if (!kept || kept.users > 1) return
    clearTimeout(kept.idle)
    this.#held.delete(key)
    kept.diff.then(
      (diff) => diff.close(),
      () => undefined,
    )
  }
}
