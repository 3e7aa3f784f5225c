/**
 * How the revisions of an endpoint were when a cluster was last looked at, as a pointer log `observed/<endpoint>`. Written
 * by whoever may look at the cluster, and only when something changed; read by those who may not, as the API.
 */

import type { RevisionStatus } from '#core/compute'
import { canonicalJson, movePointer, readPointer, type ObjectStore } from '#core/storage'

export async function recordObserved(
  store: ObjectStore,
  endpoint: string,
  status: readonly RevisionStatus[],
): Promise<void> {
  const known = await readObserved(store, endpoint)
  if (known && canonicalJson(known) === canonicalJson(status)) return
  await movePointer(store, `observed/${endpoint}`, status, { by: 'service-host' })
}

/** @returns null where nobody has looked yet. */
export async function readObserved(store: ObjectStore, endpoint: string): Promise<readonly RevisionStatus[] | null> {
  return (await readPointer<readonly RevisionStatus[]>(store, `observed/${endpoint}`))?.value ?? null
}
