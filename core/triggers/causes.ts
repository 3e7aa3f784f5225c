/**
 * What a trigger on data has seen, and whether there is something new. A pointer log per trigger and watched thing, under
 * `triggers/<pipeline>/<trigger>/seen/<watch>`, holds what each start saw; its first entry is what the trigger found when it
 * was first looked after, so that adding one starts nothing.
 *
 * C1  A cause is named by the number that its entry in the log will have: a look that is repeated finds the same cause.
 */

import { resolveVersion } from '#core/datasets'
import { isPlatformError } from '#core/errors'
import type { RunCause } from '#core/runs'
import { digestJson, movePointer, readPointer, type ObjectKey, type ObjectStore } from '#core/storage'
import { spanMs, type NamedTrigger } from './definitions.ts'

export interface EndedRun {
  readonly run: string
  /** ISO 8601. */
  readonly endedAt: string
}

export interface CausePorts {
  readonly store: ObjectStore
  /** Runs of a pipeline that ended so, after a time, oldest first. */
  readonly endedRuns: (pipeline: string, status: string, after: string) => Promise<readonly EndedRun[]>
}

export interface Cause extends Omit<RunCause, 'trigger'> {
  /** Names the cause: equal for a repeated look, another one for the next start. */
  readonly key: string
  /** Notes that it has had its start. */
  readonly settle: () => Promise<void>
}

type DataTrigger = Exclude<NamedTrigger, { kind: 'schedule' | 'webhook' }>

interface Found {
  /** What is there now, to be compared with at the next look. */
  readonly seen: Seen
  /** Why this is a reason to start; null where it is none. */
  readonly text: string | null
}

interface Seen {
  readonly version?: string
  readonly images?: number
  readonly seq?: number
  readonly endedAt?: string
}

/**
 * @param atMs - the time of the look.
 * @returns null where there is no reason to start.
 */
export async function lookForCause(
  ports: CausePorts,
  pipeline: string,
  trigger: DataTrigger,
  atMs: number,
): Promise<Cause | null> {
  const { store } = ports
  const { name, params: _params, ...watched } = trigger
  const watch = digestJson(watched).slice(0, 12)
  const log: ObjectKey = `triggers/${pipeline}/${name}/seen/${watch}`
  const former = await readPointer<Seen>(store, log)
  const { seen, text } = await look(ports, trigger, former && { ...former.value, atMs: Date.parse(former.at) }, atMs)
  const seq = former?.seq ?? 0
  const settle = async () => {
    await movePointer(store, log, seen, { by: `trigger:${name}`, expectedSeq: seq }).catch((error: unknown) => {
      // A look that was repeated has noted it already (C1).
      if (!isPlatformError(error) || error.code !== 'POINTER_MOVED') throw error
    })
  }
  if (!former) await settle()
  return former && text !== null ? { kind: trigger.kind, text, key: `${watch}/${seq + 1}`, settle } : null
}

type Former = (Seen & { readonly atMs: number }) | null

async function look(ports: CausePorts, trigger: DataTrigger, former: Former, atMs: number): Promise<Found> {
  switch (trigger.kind) {
    case 'new-images':
      return lookAtImages(ports.store, trigger, former, atMs)
    case 'ref-moved': {
      const { dataset, ref = 'latest' } = trigger
      const { version } = await versionOf(ports.store, `${dataset}@${ref}`)
      const moved = version !== '' && version !== former?.version
      return { seen: { version }, text: moved ? `${dataset}@${ref} moved to ${version.slice(0, 12)}` : null }
    }
    case 'drift': {
      const drift = await readPointer<{ readonly text: string }>(ports.store, driftLog(trigger.endpoint))
      const seq = drift?.seq ?? 0
      return {
        seen: { seq },
        text: drift && seq > (former?.seq ?? 0) ? `${trigger.endpoint}: ${drift.value.text}` : null,
      }
    }
    case 'run-ended': {
      const { pipeline, status = 'completed' } = trigger
      if (!former?.endedAt) return { seen: { endedAt: new Date(atMs).toISOString() }, text: null }
      const [first] = await ports.endedRuns(pipeline, status, former.endedAt)
      return { seen: { endedAt: first?.endedAt ?? former.endedAt }, text: first ? `${first.run} ${status}` : null }
    }
  }
}

async function lookAtImages(
  store: ObjectStore,
  { dataset, atLeast, orEvery }: Extract<NamedTrigger, { kind: 'new-images' }>,
  former: Former,
  atMs: number,
): Promise<Found> {
  const { images } = await versionOf(store, dataset)
  if (!former) return { seen: { images }, text: null }
  const added = images - (former.images ?? 0)
  const due = added >= atLeast || (orEvery !== undefined && added > 0 && atMs - former.atMs >= spanMs(orEvery))
  const since = new Date(former.atMs).toISOString().slice(0, 16).replace('T', ' ')
  return { seen: { images }, text: due ? `${added} new images in ${dataset} since ${since} UTC` : null }
}

/** A dataset that nobody has imported yet is an empty one. */
async function versionOf(store: ObjectStore, spec: string): Promise<{ version: string; images: number }> {
  try {
    return await resolveVersion(store, spec)
  } catch (error) {
    if (isPlatformError(error) && error.code === 'DATASET_NOT_FOUND') return { version: '', images: 0 }
    throw error
  }
}

/**
 * Reports that what an endpoint is asked about has drifted: whoever watches endpoints calls this, and `onDrift` triggers start.
 *
 * @param text - one line for people: "share of class dent rose from 4 % to 19 %".
 */
export async function reportDrift(store: ObjectStore, endpoint: string, text: string, by: string): Promise<void> {
  const former = await readPointer(store, driftLog(endpoint))
  await movePointer(store, driftLog(endpoint), { text }, { by, expectedSeq: former?.seq ?? 0 })
}

/** What was last reported, and when (ISO 8601); null where nothing was. */
export async function lastDrift(store: ObjectStore, endpoint: string): Promise<{ text: string; at: string } | null> {
  const entry = await readPointer<{ readonly text: string }>(store, driftLog(endpoint))
  return entry && { text: entry.value.text, at: entry.at }
}

const driftLog = (endpoint: string): ObjectKey => `drift/${endpoint}`
