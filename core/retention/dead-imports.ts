/** Parts of imports that were cut short and never gone on with: until they go, they hold the packs they name. */

import { lastGeneration, readOutcome } from '#core/runs'
import type { ObjectKey, ObjectStore } from '#core/storage'

/** After its end a run may be resumed, and takes its parts up again; after so long it reads its source anew. */
const PARTS_KEPT_MS = 30 * 24 * 3_600_000

/** `datasets/<name>/imports/<run>.<node>/<number>.parquet`; those of a run that is not known stay. */
export async function partsOfDeadImports(store: ObjectStore, nowMs: number): Promise<readonly ObjectKey[]> {
  const ends = new Map<string, Promise<number>>()
  const dead: ObjectKey[] = []
  for await (const { key } of store.list('datasets/')) {
    const run = /^datasets\/[^/]+\/imports\/([^/.]+)\.[^/]+\/\d+\.parquet$/.exec(key)?.[1]
    if (run === undefined) continue
    const end = ends.get(run) ?? endOf(store, run)
    ends.set(run, end)
    if (nowMs - (await end) >= PARTS_KEPT_MS) dead.push(key)
  }
  return dead
}

/** Milliseconds since 1970; in the future where it has not ended. */
export async function endOf(store: ObjectStore, run: string): Promise<number> {
  const outcome = await readOutcome(store, run, await lastGeneration(store, run))
  return outcome ? Date.parse(outcome.endedAt) : Infinity
}
