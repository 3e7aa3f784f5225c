/** Keeps a few pieces of work going at once over a stream, without ever holding more of the stream than that. */
import { setImmediate as nextTurn } from 'node:timers/promises'

/** Work on small images hardly waits for anything: so often, timers, messages and cancellation get their turn. */
const TURN_MS = 20

export interface InFlight<T> {
  /** Pieces of work under way at once. */
  readonly pieces: number
  /** Bytes that an item holds in memory; items under way hold `mostBytes` together, or are one alone. */
  readonly bytesOf?: (item: T) => number
  readonly mostBytes?: number
}

/**
 * Calls `work` for every item, a few at a time and in no particular order of completion. The first failure stops the
 * taking of further items; the work under way ends before the failure is rethrown.
 */
export async function forEachInFlight<T>(
  items: AsyncIterable<T> | Iterable<T>,
  { pieces, bytesOf = () => 0, mostBytes = Infinity }: InFlight<T>,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const underWay = new Set<Promise<void>>()
  const failures: unknown[] = []
  let bytesHeld = 0
  let turnEnds = performance.now() + TURN_MS
  for await (const item of items) {
    const bytes = bytesOf(item)
    while (underWay.size > 0 && bytesHeld + bytes > mostBytes) await Promise.race(underWay)
    bytesHeld += bytes
    const piece = work(item)
      .catch((error: unknown) => void failures.push(error))
      .finally(() => {
        bytesHeld -= bytes
        underWay.delete(piece)
      })
    underWay.add(piece)
    if (underWay.size >= pieces) await Promise.race(underWay)
    if (failures.length > 0) break
    if (performance.now() < turnEnds) continue
    await nextTurn()
    turnEnds = performance.now() + TURN_MS
  }
  await Promise.all(underWay)
  if (failures.length > 0) throw failures[0]
}

/** Calls at most every tenth of a second. */
export function everyTenth(call: () => void): () => void {
  let next = 0
  return () => {
    const now = performance.now()
    if (now < next) return
    next = now + 100
    call()
  }
}
