/** What a look at the store means for each object that it found unnamed, or in the trash. Pure: the deeds are done elsewhere. */

import type { ObjectKey, Sentence, Writer } from '#core/storage'
import { versionKeyOf, type VersionPlace } from './layout.ts'
import type { Mark, SizedVersion } from './mark.ts'

const DAY_MS = 24 * 3_600_000
/** Between the first look that finds something unnamed and the one that condemns it. */
export const MARKS_APART_MS = 7 * DAY_MS
/** Between the sentence and the removal: how long it can be undone. */
export const UNDELETE_MS = 7 * DAY_MS

/** Since when every look found an object unnamed. */
export interface Candidate {
  readonly key: ObjectKey
  readonly sizeBytes: number
  /** ISO 8601: the beginning of the first of these looks. */
  readonly since: string
}

export interface TrashedVersion extends SizedVersion {
  /** ISO 8601. */
  readonly trashedAt: string
}

export interface Evidence {
  readonly mark: Mark
  /** Of blobs that were condemned before the look began. */
  readonly sentences: readonly Sentence[]
  readonly trashed: readonly TrashedVersion[]
  /** What the look before this one left waiting. */
  readonly former: readonly Candidate[]
  /** Who wrote when the look began, oldest first. */
  readonly writers: readonly Writer[]
  /** When the look began: milliseconds since 1970. */
  readonly nowMs: number
}

export interface Judgement {
  /** ISO 8601: when the look began. */
  readonly at: string
  /** To be looked at again. */
  readonly waiting: readonly Candidate[]
  readonly condemn: readonly Sentence[]
  /** Sentences of blobs that somebody named again, or that are gone. */
  readonly lift: readonly Sentence[]
  readonly remove: readonly Sentence[]
  readonly trash: readonly SizedVersion[]
  readonly restore: readonly TrashedVersion[]
  readonly purge: readonly TrashedVersion[]
  /** The writer for whose sake something stays today that would go otherwise. */
  readonly waitsFor: Writer | null
}

export function judge({ mark, sentences, trashed, former, writers, nowMs }: Evidence): Judgement {
  const oldest = writers[0] ?? null
  let isHeldUp = false
  /** G2, G4: long enough ago, and before everybody began who writes now. */
  const isRipe = (since: string, afterMs: number): boolean => {
    const sinceMs = Date.parse(since)
    if (nowMs - sinceMs < afterMs) return false
    if (sinceMs < (oldest?.sinceMs ?? Infinity)) return true
    isHeldUp = true
    return false
  }

  const isOver = ({ sha256 }: Sentence): boolean => mark.reached.has(sha256) || !mark.blobs.has(sha256)
  const condemned = sentences.filter((sentence) => !isOver(sentence))
  const candidates = candidatesOf(mark, { condemned, former, nowMs })
  const ripeBlobs = candidates.filter(
    ({ key, since }) => !isVersion(key) && nowMs - Date.parse(since) >= MARKS_APART_MS,
  )
  const sinceOf = new Map(candidates.map(({ key, since }) => [key, since]))
  const trash = mark.unheld.filter((place) => isRipe(sinceOf.get(versionKeyOf(place))!, MARKS_APART_MS))
  const leaving = new Set<ObjectKey>([...ripeBlobs.map(({ key }) => key), ...trash.map(versionKeyOf)])
  const heldPlaces = new Set(mark.trashed.filter(({ held }) => held).map(nameOf))
  return {
    at: iso(nowMs),
    waiting: candidates.filter(({ key }) => !leaving.has(key)),
    condemn: ripeBlobs.map(({ key, sizeBytes }) => ({ sha256: key.slice(-64), sizeBytes, at: iso(nowMs) })),
    lift: sentences.filter(isOver),
    remove: condemned.filter(({ at }) => isRipe(at, UNDELETE_MS)),
    trash,
    restore: trashed.filter((place) => heldPlaces.has(nameOf(place))),
    purge: trashed.filter((place) => !heldPlaces.has(nameOf(place)) && isRipe(place.trashedAt, UNDELETE_MS)),
    waitsFor: isHeldUp ? oldest : null,
  }
}

interface CandidateFacts {
  readonly condemned: readonly Sentence[]
  readonly former: readonly Candidate[]
  readonly nowMs: number
}

function candidatesOf(mark: Mark, { condemned, former, nowMs }: CandidateFacts): readonly Candidate[] {
  const since = new Map(former.map((candidate) => [candidate.key, candidate.since]))
  const sentenced = new Set(condemned.map(({ sha256 }) => sha256))
  const candidate = (key: ObjectKey, sizeBytes: number): Candidate => ({
    key,
    sizeBytes,
    since: since.get(key) ?? iso(nowMs),
  })
  const blobs = [...mark.blobs].filter(([digest]) => !mark.reached.has(digest) && !sentenced.has(digest))
  return [
    ...blobs.map(([digest, sizeBytes]) => candidate(`blobs/sha256/${digest.slice(0, 2)}/${digest}`, sizeBytes)),
    ...mark.unheld.map((place) => candidate(versionKeyOf(place), place.sizeBytes)),
  ]
}

const isVersion = (key: ObjectKey): boolean => key.startsWith('datasets/')
const nameOf = ({ dataset, version }: VersionPlace): string => `${dataset}@${version}`
const iso = (ms: number): string => new Date(ms).toISOString()
