/** Keeps a few pieces of work going at once over a stream, without ever holding more of the stream than that. */

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
  for await (const item of items) {
    const piece = work(item)
      .catch((error: unknown) => void failures.push(error))
      .finally(() => underWay.delete(piece))
    underWay.add(piece)
    if (underWay.size >= inFlight) await Promise.race(underWay)
    if (failures.length > 0) break
  }
  await Promise.all(underWay)
  if (failures.length > 0) throw failures[0]
}
