/** Only one process collects garbage, or brings something back, at a time (G6). */

import { PlatformError } from '#core/errors'
import { acquireLease, COLLECTOR_LEASE, type Lease, type ObjectStore } from '#core/storage'

/** What is asked of the store takes seconds at most, so a collector that is still at it after this long is dead. */
const LEASE_MS = 10 * 60_000

/**
 * Does what only one process may do at a time.
 *
 * @param work - gets what is to be called before every act: it renews the lease, and throws when that was lost.
 */
export async function asCollector<T>(
  store: ObjectStore,
  { by, now = Date.now }: { readonly by: string; readonly now?: () => number },
  work: (beat: () => Promise<void>) => Promise<T>,
): Promise<T> {
  const lease = await acquireLease(store, COLLECTOR_LEASE, { holder: by, ttlMs: LEASE_MS, now })
  if (!lease)
    throw new PlatformError(
      'GC_RUNNING',
      `another collection is at work in ${store.uri}, or died less than ten minutes ago; try again then`,
      { uri: store.uri },
    )
  const result = await work(beatOf(lease, now))
  // Not where it failed: a removal whose answer was lost may still come to pass, and is waited for.
  await lease.release()
  return result
}

function beatOf(lease: Lease, now: () => number): () => Promise<void> {
  let renewedAtMs = now()
  return async () => {
    if (now() - renewedAtMs < LEASE_MS / 4) return
    if (!(await lease.renew()))
      throw new PlatformError(
        'GC_RUNNING',
        'this collection stood still for ten minutes and lost its turn; nothing was harmed, start it again',
      )
    renewedAtMs = now()
  }
}
