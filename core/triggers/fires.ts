/** Every start that a trigger made, or could not make: create-only, under `triggers/<pipeline>/<trigger>/fires/<when>-<id>`. */

import { PlatformError } from '#core/errors'
import type { RunCause } from '#core/runs'
import { canonicalJson, type ObjectKey, type ObjectStore } from '#core/storage'

export interface Fire {
  readonly pipeline: string
  readonly trigger: string
  /** ISO 8601: when it was due. */
  readonly at: string
  readonly cause: RunCause
  /** The run that it started; null where it could not. */
  readonly run: string | null
  /** Why it could not, in one sentence. */
  readonly problem: string | null
}

/** Keeps a fire. The same one again, as of a retry, is dropped; so is a problem that the last fire had already. */
export async function recordFire(store: ObjectStore, id: string, fire: Fire): Promise<void> {
  if (fire.problem !== null && (await lastFire(store, fire.pipeline, fire.trigger))?.problem === fire.problem) return
  const when = fire.at.replaceAll(/[-:.]/g, '')
  const key: ObjectKey = `${folderOf(fire.pipeline, fire.trigger)}${when}-${id}.json`
  await store.create(key, new TextEncoder().encode(canonicalJson(fire)))
}

/** Newest first, at most `limit`. */
export async function listFires(
  store: ObjectStore,
  pipeline: string,
  trigger: string,
  limit: number,
): Promise<readonly Fire[]> {
  const keys: ObjectKey[] = []
  for await (const { key } of store.list(folderOf(pipeline, trigger))) keys.push(key)
  const newest = keys.toSorted().toReversed().slice(0, limit)
  return Promise.all(newest.map(async (key) => JSON.parse(new TextDecoder().decode(await store.get(key))) as Fire))
}

export async function lastFire(store: ObjectStore, pipeline: string, trigger: string): Promise<Fire | null> {
  return (await listFires(store, pipeline, trigger, 1))[0] ?? null
}

/** @throws {PlatformError} `TRIGGER_NOT_FOUND`. */
export function triggerNotFound(pipeline: string, trigger: string): never {
  throw new PlatformError(
    'TRIGGER_NOT_FOUND',
    `pipeline ${pipeline} has no trigger "${trigger}"; list them with gyre pipeline trigger list`,
    { pipeline, trigger },
  )
}

const folderOf = (pipeline: string, trigger: string): string => `triggers/${pipeline}/${trigger}/fires/`
