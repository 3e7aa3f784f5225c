/**
 * Blobs that garbage collection is about to remove. From its sentence until its removal, days later, a blob lies where it
 * was: who names it in a record meanwhile saves it, and who finds it already stored, instead of storing it, says so first.
 *
 * N1  Of each sentence there is one verdict, `kept` or `removed`, whoever asks and whenever (S2).
 * N2  A blob is removed only after the verdict `removed`; a writer relies on a condemned blob only after `kept`.
 * N3  A verdict `removed` whose collector died is void: the sentence goes, and the blob is judged anew.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { isPlatformError, PlatformError } from '#core/errors'
import { canonicalJson } from './canonical-json.ts'
import { readLease } from './leases.ts'
import type { ObjectKey, ObjectStore } from './object-store.ts'

/** Held by the one collector. */
export const COLLECTOR_LEASE = 'collector'
/** Below it lie sentences; their names speak of blobs and hold none. */
export const SENTENCES = 'trash/blobs/'
export const VERDICTS = 'trash/verdicts/'

export interface Sentence {
  readonly sha256: string
  readonly sizeBytes: number
  /** ISO 8601: when it was condemned, and what tells this sentence from others of the same blob. */
  readonly at: string
}

export type Verdict = 'kept' | 'removed'

/** A collector removes within milliseconds what it has passed its verdict on. */
const WAITS = 5
const WAIT_MS = 50

/**
 * To be asked before relying on a blob that somebody else stored.
 *
 * @returns false when the blob is not there.
 * @throws {PlatformError} `STORE_UNAVAILABLE` while a collection removes it: storing it again succeeds afterwards.
 */
export async function keepStored(store: ObjectStore, blob: ObjectKey, sha256: string): Promise<boolean> {
  for (let attempt = 0; ; attempt++) {
    const sentence = await readSentence(store, sha256)
    if (!sentence || (await passVerdict(store, sentence, 'kept')) === 'kept') return (await store.head(blob)) !== null
    if (!(await readLease(store, COLLECTOR_LEASE))) await liftSentence(store, sentence) // N3
    if (attempt === WAITS)
      throw new PlatformError(
        'STORE_UNAVAILABLE',
        `blob ${sha256} is being removed as garbage at this moment; it can be stored again within ten minutes`,
        { uri: store.uri, sha256 },
      )
    await delay(WAIT_MS)
  }
}

/** @returns the verdict that stands: this one, or the one that somebody passed before. */
export async function passVerdict(store: ObjectStore, sentence: Sentence, verdict: Verdict): Promise<Verdict> {
  const key = verdictKey(sentence)
  if (await store.create(key, Buffer.from(canonicalJson({ verdict })))) return verdict
  // Gone again: the sentence it belonged to was lifted meanwhile, so the blob is not in danger by it.
  return (await readJson<{ verdict: Verdict }>(store, key))?.verdict ?? 'kept'
}

export function readVerdict(store: ObjectStore, sentence: Sentence): Promise<Verdict | null> {
  return readJson<{ verdict: Verdict }>(store, verdictKey(sentence)).then((found) => found?.verdict ?? null)
}

export function readSentence(store: ObjectStore, sha256: string): Promise<Sentence | null> {
  return readJson<Sentence>(store, sentenceKey(sha256))
}

/** @returns false when it is condemned already. */
export function condemn(store: ObjectStore, sentence: Sentence): Promise<boolean> {
  return store.create(sentenceKey(sentence.sha256), Buffer.from(canonicalJson(sentence)))
}

/** The verdict goes last: while there is a sentence, its verdict stands. */
export async function liftSentence(store: ObjectStore, sentence: Sentence): Promise<void> {
  await store.delete(sentenceKey(sentence.sha256))
  await store.delete(verdictKey(sentence))
}

const sentenceKey = (sha256: string): ObjectKey => `${SENTENCES}${sha256}.json`
const verdictKey = ({ sha256, at }: Sentence): ObjectKey => `${VERDICTS}${sha256}/${Date.parse(at)}.json`

async function readJson<T>(store: ObjectStore, key: ObjectKey): Promise<T | null> {
  try {
    return JSON.parse(Buffer.from(await store.get(key)).toString()) as T
  } catch (error) {
    if (isPlatformError(error) && error.code === 'OBJECT_NOT_FOUND') return null
    throw error
  }
}
