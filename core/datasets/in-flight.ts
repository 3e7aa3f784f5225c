/** Keeps a few pieces of work going at once over a stream, without ever holding more of the stream than that. */
import { setImmediate as nextTurn } from 'node:timers/promises'

/** Work on small images hardly waits for anything: so often, timers, messages and cancellation get their turn. */
const TURN_MS = 20

/**
 * Calls `work` for every item, at most `inFlight` at a time and in no particular order of completion. The first failure
 * stops the taking of further items; the work under way ends before the failure is rethrown.
 */
export async function forEachInFlight<T>(
  items: AsyncIterable<T> | Iterable<T>,
  inFlight: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const underWay = new Set<Promise<void>>()
  const failures: unknown[] = []
  let turnEnds = performance.now() + TURN_MS
  for await (const item of items) {
    const piece = work(item)
      .catch((error: unknown) => void failures.push(error))
      .finally(() => underWay.delete(piece))
    underWay.add(piece)
    if (underWay.size >= inFlight) await Promise.race(underWay)
    if (failures.length > 0) break
    if (performance.now() < turnEnds) continue
    await nextTurn()
    turnEnds = performance.now() + TURN_MS
  }
  await Promise.all(underWay)
  if (failures.length > 0) throw failures[0]
}
