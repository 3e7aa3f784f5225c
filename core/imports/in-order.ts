/** Works on a few items of a stream at once and gives the results in the order of the items. */
import { setImmediate as nextTurn } from 'node:timers/promises'

/** Work on small images hardly waits for anything: so often, timers, messages and cancellation get their turn. */
const TURN_MS = 20

export interface InOrder<T> {
  /** Items under way or waiting to be taken. */
  readonly pieces: number
  /** Bytes that an item holds in memory; items under way hold `mostBytes` together, or are one alone. */
  readonly bytesOf: (item: T) => number
  readonly mostBytes: number
}

export async function* inOrder<T, R>(
  items: AsyncIterable<T>,
  { pieces, bytesOf, mostBytes }: InOrder<T>,
  work: (item: T) => Promise<R>,
): AsyncIterable<R> {
  const underWay: { readonly result: Promise<R>; readonly bytes: number }[] = []
  let bytesHeld = 0
  let turnEnds = performance.now() + TURN_MS
  const next = (): Promise<R> => {
    const { result, bytes } = underWay.shift()!
    bytesHeld -= bytes
    return result
  }
  try {
    for await (const item of items) {
      const bytes = bytesOf(item)
      while (underWay.length >= pieces || (underWay.length > 0 && bytesHeld + bytes > mostBytes)) yield await next()
      bytesHeld += bytes
      const result = work(item)
      result.catch(() => undefined) // Whoever takes it hears of it; if nobody does, something failed before.
      underWay.push({ result, bytes })
      if (performance.now() < turnEnds) continue
      await nextTurn()
      turnEnds = performance.now() + TURN_MS
    }
    while (underWay.length > 0) yield await next()
  } finally {
    await Promise.allSettled(underWay.map(({ result }) => result))
  }
}
