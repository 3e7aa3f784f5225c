/** Carries a step out once per item, one after another in one thread: loading its code is paid once per thread. */

import { setImmediate, setTimeout as delay } from 'node:timers/promises'
import { toPlatformError } from '#core/errors'
import type { Item, RunItems } from '#core/maps'
import type { Json } from '#core/plan'
import type { StepContext } from './context.ts'
import type { BodyRequest } from './run-body.ts'

type Result = Awaited<ReturnType<RunItems>>['results'][number]
export type ItemBody = (item: Item) => Promise<unknown>

/** Messages to this thread, a request to stop above all, are heard this often. */
const LISTEN_MS = 100
const RETRY_MS = 100

/**
 * A failed item is tried again where that may help, up to `itemAttempts` times in all, and is a result like others after that.
 *
 * @throws the signal's reason.
 */
export async function runItems(
  { items = [], itemAttempts = 1 }: BodyRequest,
  { signal, progress }: StepContext,
  body: ItemBody,
): ReturnType<RunItems> {
  const results: Result[] = []
  const started = performance.now()
  let listened = started
  for (const item of items) {
    results.push(await tried(item, body, itemAttempts, signal))
    if (performance.now() - listened < LISTEN_MS) continue
    progress({ done: results.length, total: items.length, unit: 'items' })
    await setImmediate()
    signal.throwIfAborted()
    listened = performance.now()
  }
  return { ms: performance.now() - started, results }
}

async function tried(item: Item, body: ItemBody, attempts: number, signal: AbortSignal): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return { output: ((await body(item)) ?? null) as Json }
    } catch (error) {
      signal.throwIfAborted()
      const { message, retryable } = toPlatformError(error)
      if (!retryable || attempt >= attempts) return { error: message }
      await delay(RETRY_MS * 2 ** (attempt - 1), undefined, { signal })
    }
  }
}
