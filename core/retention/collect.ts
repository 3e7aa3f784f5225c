/**
 * Garbage collection: removes what nothing names any more, from a store that others write to meanwhile.
 *
 * G1  Nothing that a record names is ever removed, nor what a run in flight or a writer with a lease is about to name.
 * G2  A blob is condemned when every look at the store found it unnamed for a week; it is removed a week later at the
 *     earliest, if the look on that day finds it unnamed still and all who write then began after it was condemned.
 * G3  A writer that finds a condemned blob stored keeps it by a verdict (N1, N2): of writer and collector one wins.
 * G4  A version of a dataset that nothing held for a week goes to the trash, where its full digest still reads it, and a
 *     week later for good. Its blobs are judged after that (M3).
 * G5  Keys of unknown kinds are never removed, and hold what they name.
 * G6  One collector at a time, by a lease. A kill at any moment leaves sentences, verdicts and copies that the next
 *     collection settles in favour of what exists.
 */

import {
  blobKey,
  condemn,
  liftSentence,
  movePointer,
  passVerdict,
  readPointer,
  type ObjectKey,
  type ObjectStore,
  type Sentence,
} from '#core/storage'
import { asCollector } from './collector.ts'
import { partsOfDeadImports } from './dead-imports.ts'
import { writersNow } from './in-flight-runs.ts'
import { judge, type Candidate, type Judgement } from './judge.ts'
import { MARKS, trashKeyOf } from './layout.ts'
import { markStore, type Mark, type MarkOptions } from './mark.ts'
import { allSentences, moveToTrash, restoreFromTrash, settleLeftovers, trashedVersions } from './trash.ts'

export interface CollectOptions extends Omit<MarkOptions, 'now' | 'beat'> {
  readonly by: string
  /** Looks and tells, and changes nothing. */
  readonly dryRun?: boolean
  /** Milliseconds since 1970; the system's clock where left out. */
  readonly now?: () => number
}

export interface Amount {
  readonly objects: number
  readonly sizeBytes: number
}

/** What was found, and what was done; of a dry run, what would be. It names no blob: a run's record would hold it. */
export interface Collection {
  readonly dryRun: boolean
  readonly blobs: Amount
  /** Of all blobs, those that some record names. */
  readonly named: Amount
  /** Unnamed, and waiting to be so for a week. */
  readonly waiting: Amount
  /** Unnamed for a week, and condemned: to go in a week. */
  readonly condemned: Amount
  /** Gone for good. */
  readonly removed: Amount
  /** Condemned, and named again: they stay. */
  readonly rescued: Amount
  readonly versions: {
    readonly waiting: number
    readonly trashed: number
    readonly removed: number
    readonly rescued: number
    /** Of blobs that go when all versions go that nothing holds. */
    readonly heldAloneBytes: number
  }
  /** Who keeps things from going today that it might still name: a run, a writer; null where nobody does. */
  readonly waitsFor: string | null
}

/** @throws {PlatformError} `GC_RUNNING` where another collector holds the lease; `STORE_UNAVAILABLE`; `OBJECT_CORRUPT`. */
export async function collectGarbage(options: CollectOptions): Promise<Collection> {
  const { store, by, dryRun = false, now = Date.now } = options
  if (dryRun) {
    const found = await look(options, now, async () => undefined)
    return told(found, found.judgement, dryRun)
  }
  return asCollector(store, { by, now }, async (beat) => {
    await settleLeftovers(store)
    const found = await look(options, now, beat)
    await writeCandidates(store, found.judgement.waiting, by)
    for (const key of await partsOfDeadImports(store, now())) await store.delete(key)
    return told(found, { ...found.judgement, remove: await carryOut(store, found.judgement, beat) }, dryRun)
  })
}

interface Found {
  readonly mark: Mark
  readonly judgement: Judgement
}

async function look(options: CollectOptions, now: () => number, beat: () => Promise<void>): Promise<Found> {
  const { store } = options
  const nowMs = now()
  // Before anything is read: who has ended by now is known by what it wrote (G1).
  const writers = await writersNow(store, now)
  const before = { writers, sentences: await allSentences(store), trashed: await trashedVersions(store) }
  const mark = await markStore({ ...options, now, beat })
  return { mark, judgement: judge({ ...before, mark, former: await readCandidates(store), nowMs }) }
}

/** @returns the blobs that went. */
async function carryOut(
  store: ObjectStore,
  { at, lift, remove, condemn: condemned, restore, purge, trash }: Judgement,
  beat: () => Promise<void>,
): Promise<readonly Sentence[]> {
  const each = async <T>(items: readonly T[], act: (item: T) => Promise<unknown>): Promise<void> => {
    for (const item of items) {
      await beat()
      await act(item)
    }
  }
  await each(lift, (sentence) => liftSentence(store, sentence))
  await each(restore, (place) => restoreFromTrash(store, place))
  const removed: Sentence[] = []
  await each(remove, async (sentence) => {
    const isOurs = (await passVerdict(store, sentence, 'removed')) === 'removed' // G3
    if (isOurs) {
      await store.delete(blobKey(sentence.sha256))
      removed.push(sentence)
    }
    await liftSentence(store, sentence)
  })
  await each(purge, (place) => store.delete(trashKeyOf(place)))
  await each(condemned, (sentence) => condemn(store, sentence))
  await each(trash, (place) => moveToTrash(store, place, at))
  return removed
}

function told({ mark, judgement }: Found, { remove }: Pick<Judgement, 'remove'>, dryRun: boolean): Collection {
  const { waiting, condemn: condemned, lift, trash, purge, restore, waitsFor } = judgement
  const bytesOf = (digests: Iterable<string>): number =>
    [...digests].reduce((sum, digest) => sum + (mark.blobs.get(digest) ?? 0), 0)
  const blobs = waiting.filter(({ key }) => key.startsWith('blobs/'))
  return {
    dryRun,
    blobs: { objects: mark.blobs.size, sizeBytes: bytesOf(mark.blobs.keys()) },
    named: { objects: mark.reached.size, sizeBytes: bytesOf(mark.reached) },
    waiting: amount(blobs),
    condemned: amount(condemned),
    removed: amount(remove),
    rescued: amount(lift),
    versions: {
      waiting: waiting.length - blobs.length,
      trashed: trash.length,
      removed: purge.length,
      rescued: restore.length,
      heldAloneBytes: bytesOf(mark.reachedByUnheld),
    },
    waitsFor: waitsFor?.holder ?? null,
  }
}

function amount(items: readonly { readonly sizeBytes: number }[]): Amount {
  return { objects: items.length, sizeBytes: items.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) }
}

/** Written when a look is complete, so that one that was cut short judges nothing (M4). The two newest stay. */
async function writeCandidates(store: ObjectStore, candidates: readonly Candidate[], by: string): Promise<void> {
  await movePointer(store, MARKS, candidates, { by })
  const keys: ObjectKey[] = []
  for await (const { key } of store.list(`${MARKS}/`)) keys.push(key)
  for (const key of keys.slice(0, -2)) await store.delete(key)
}

async function readCandidates(store: ObjectStore): Promise<readonly Candidate[]> {
  return (await readPointer<readonly Candidate[]>(store, MARKS))?.value ?? []
}
