/** Runs whose records say that they have not ended: what they stored and did not name yet is no garbage. */

import { isPlatformError } from '#core/errors'
import { liveWriters, type ObjectStore, type Writer } from '#core/storage'

/** A run whose workflow was ended from outside leaves no outcome; what it named by then is held for ever anyway. */
const LONGEST_SILENCE_MS = 60 * 24 * 3_600_000

/** Runs in flight and writers with a lease, oldest first. To be asked before marking, so that who ended is seen by what it wrote. */
export async function writersNow(store: ObjectStore, now: () => number): Promise<readonly Writer[]> {
  const runs = await runsInFlight(store, now)
  return [...runs, ...(await liveWriters(store, now))].sort((a, b) => a.sinceMs - b.sinceMs)
}

/** Each since its last resume: what an earlier generation left unnamed was never used again. */
async function runsInFlight(store: ObjectStore, now: () => number): Promise<readonly Writer[]> {
  const open = new Map<string, string>()
  for await (const { key } of store.list('runs/')) {
    const [, run, generation, what] = /^runs\/([^/]+)\/(?:g(\d+)\/)?(opened|outcome|plan)\.json$/.exec(key) ?? []
    if (!run) continue
    // Generations come in ascending order, before the plan.
    if (what === 'outcome') open.set(run, '')
    else if (generation !== undefined || !open.has(run)) open.set(run, key)
  }
  const writers: Writer[] = []
  for (const [run, key] of open) {
    const sinceMs = key === '' ? null : await beginningAt(store, key)
    if (sinceMs !== null && now() - sinceMs < LONGEST_SILENCE_MS) writers.push({ holder: `run ${run}`, sinceMs })
  }
  return writers
}

async function beginningAt(store: ObjectStore, key: string): Promise<number | null> {
  try {
    const { at, startedAt } = JSON.parse(Buffer.from(await store.get(key)).toString()) as Record<string, string>
    return Date.parse(at ?? startedAt ?? '') || 0
  } catch (error) {
    if (isPlatformError(error) && error.code === 'OBJECT_NOT_FOUND') return null
    throw error
  }
}
