/**
 * How long versions of a dataset are kept, and what holds them beyond that. Both are pointer logs, so who set what, and
 * when, stays known: `datasets/<name>/policy/<seq>.json`, `datasets/<name>/holds/<hold>/<seq>.json` (null: released).
 */

import { PlatformError } from '#core/errors'
import { checkName, movePointer, namesUnder, readPointer, type ObjectStore } from '#core/storage'

/** Where all are null, every version that a ref ever pointed to is kept. */
export interface RetentionPolicy {
  /** Of each ref, the versions of so many last moves. */
  readonly versions: number | null
  /** Versions that a ref pointed to, or that were made, within so many days. */
  readonly days: number | null
  /** A run holds the versions it used for so many days after its end; null: for ever. */
  readonly runDays: number | null
}

export interface PolicyEntry {
  readonly policy: RetentionPolicy
  /** Null where nobody ever set one. */
  readonly by: string | null
  readonly at: string | null
}

export interface Hold {
  readonly name: string
  /** Null: all versions, those to come too. */
  readonly version: string | null
  readonly reason: string
  readonly by: string
  readonly at: string
}

export const KEEP_ALL: RetentionPolicy = { versions: null, days: null, runDays: null }

export async function readPolicy(store: ObjectStore, dataset: string): Promise<PolicyEntry> {
  const entry = await readPointer<RetentionPolicy>(store, policyLog(dataset))
  return entry ? { policy: entry.value, by: entry.by, at: entry.at } : { policy: KEEP_ALL, by: null, at: null }
}

/** @throws {PlatformError} `INVALID_INPUT`; `DATASET_NOT_FOUND`. */
export async function setPolicy(
  store: ObjectStore,
  dataset: string,
  policy: RetentionPolicy,
  by: string,
): Promise<PolicyEntry> {
  await requireDataset(store, dataset)
  for (const [name, value] of Object.entries(policy))
    if (value !== null && !(Number.isInteger(value) && value >= 1 && value <= 36_500))
      throw new PlatformError(
        'INVALID_INPUT',
        `${name} is ${String(value)}; give a whole number from 1 to 36,500, or none`,
        {
          name,
        },
      )
  await movePointer(store, policyLog(dataset), policy, { by })
  return readPolicy(store, dataset)
}

/** Holds that stand, ascending by name. */
export async function listHolds(store: ObjectStore, dataset: string): Promise<readonly Hold[]> {
  const holds: Hold[] = []
  for (const name of await namesUnder(store, holdsFolder(dataset))) {
    const entry = await readPointer<HoldValue | null>(store, holdLog(dataset, name))
    if (entry?.value) holds.push({ name, ...entry.value, by: entry.by, at: entry.at })
  }
  return holds
}

type HoldValue = Pick<Hold, 'version' | 'reason'>

/** Places a hold, or moves it to another version. @throws {PlatformError} `INVALID_NAME`; `DATASET_NOT_FOUND`. */
export async function placeHold(
  store: ObjectStore,
  dataset: string,
  { name, version, reason }: Pick<Hold, 'name' | 'version' | 'reason'>,
  by: string,
): Promise<void> {
  checkName('hold', name)
  await requireDataset(store, dataset)
  await movePointer(store, holdLog(dataset, name), { version, reason } satisfies HoldValue, { by })
}

/** @throws {PlatformError} `HOLD_NOT_FOUND`. */
export async function releaseHold(store: ObjectStore, dataset: string, name: string, by: string): Promise<void> {
  checkName('hold', name)
  const entry = await readPointer<HoldValue | null>(store, holdLog(dataset, name))
  if (!entry?.value)
    throw new PlatformError(
      'HOLD_NOT_FOUND',
      `dataset ${dataset} has no hold ${name}; list them with \`gyre dataset hold ${dataset}\``,
      {
        dataset,
        name,
      },
    )
  await movePointer(store, holdLog(dataset, name), null, { by, expectedSeq: entry.seq })
}

async function requireDataset(store: ObjectStore, dataset: string): Promise<void> {
  checkName('dataset', dataset)
  for await (const found of store.list(`datasets/${dataset}/`, { limit: 1 })) if (found) return
  throw new PlatformError('DATASET_NOT_FOUND', `there is no dataset ${dataset}`, { dataset })
}

const policyLog = (dataset: string): string => `datasets/${dataset}/policy`
const holdsFolder = (dataset: string): string => `datasets/${dataset}/holds`
const holdLog = (dataset: string, name: string): string => `${holdsFolder(dataset)}/${name}`
