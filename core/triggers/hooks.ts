/**
 * Secrets of webhooks. Each is derived from one key of the installation and a number, so that the store holds none of them;
 * a new secret is the next number, and the one before is good no more.
 */

import { createHmac } from 'node:crypto'
import { movePointer, readPointer, type ObjectKey, type ObjectStore } from '#core/storage'

export interface HookPlace {
  readonly project: string
  readonly pipeline: string
  readonly trigger: string
}

/** Makes a new secret; to be shown once. */
export async function newHookSecret(
  store: ObjectStore,
  key: string,
  place: HookPlace,
  { by }: { readonly by: string },
): Promise<string> {
  const former = await readPointer(store, logOf(place))
  const seq = await movePointer(store, logOf(place), {}, { by, expectedSeq: former?.seq ?? 0 })
  return derive(key, place, seq)
}

/** @returns the secret that is good now; null where nobody has made one. */
export async function hookSecret(store: ObjectStore, key: string, place: HookPlace): Promise<string | null> {
  const now = await readPointer(store, logOf(place))
  return now && derive(key, place, now.seq)
}

function derive(key: string, { project, pipeline, trigger }: HookPlace, serial: number): string {
  const text = ['hook', project, pipeline, trigger, serial].join('/')
  return `whsec_${createHmac('sha256', key).update(text).digest('base64url')}`
}

const logOf = ({ pipeline, trigger }: HookPlace): ObjectKey => `triggers/${pipeline}/${trigger}/secret`
