/**
 * The trash: versions of datasets that nothing holds any more, whole, and blobs that are condemned, which lie where they
 * were. Both can be brought back until they go.
 */

import { isPlatformError, PlatformError } from '#core/errors'
import {
  canonicalJson,
  liftSentence,
  SENTENCES,
  VERDICTS,
  type ObjectKey,
  type ObjectStore,
  type Sentence,
} from '#core/storage'
import { asCollector } from './collector.ts'
import { TRASHED_VERSIONS, trashedVersionAt, trashKeyOf, versionKeyOf, type VersionPlace } from './layout.ts'
import type { TrashedVersion } from './judge.ts'

/** The copy comes first: at every moment the version is in one place or in both, and a reader finds it in either. */
export async function moveToTrash(store: ObjectStore, place: VersionPlace, trashedAt: string): Promise<void> {
  const manifest = await readJson(store, versionKeyOf(place))
  if (!manifest) return
  await store.create(trashKeyOf(place), Buffer.from(canonicalJson({ ...manifest, trashedAt })))
  await store.delete(versionKeyOf(place))
}

/** @returns false when it is not in the trash. */
export async function restoreFromTrash(store: ObjectStore, place: VersionPlace): Promise<boolean> {
  const trashed = await readJson(store, trashKeyOf(place))
  if (!trashed) return false
  const { trashedAt: _, ...manifest } = trashed
  await store.create(versionKeyOf(place), Buffer.from(canonicalJson(manifest)))
  await store.delete(trashKeyOf(place))
  return true
}

/**
 * Brings a version back from the trash. Whatever took it there takes it again in a week, unless a tag or a hold keeps it.
 *
 * @param digits - of its digest, the first six at least.
 * @throws {PlatformError} `DATASET_NOT_FOUND`; `GC_RUNNING`.
 */
export async function undelete(store: ObjectStore, dataset: string, digits: string, by: string): Promise<string> {
  const found = (await trashedVersions(store, dataset)).filter(({ version }) => version.startsWith(digits))
  const [one, ...more] = found
  if (!one || more.length > 0 || digits.length < 6)
    throw new PlatformError(
      'DATASET_NOT_FOUND',
      `the trash has ${found.length} versions of ${dataset} that begin with ${digits}; give at least 6 digits of one that \`gyre dataset trash ${dataset}\` lists`,
      { dataset, digits, found: found.length },
    )
  await asCollector(store, { by }, () => restoreFromTrash(store, one))
  return one.version
}

/** Ascending by name. @param dataset - all datasets where left out. */
export async function trashedVersions(store: ObjectStore, dataset?: string): Promise<readonly TrashedVersion[]> {
  const trashed: TrashedVersion[] = []
  for await (const { key, sizeBytes } of store.list(TRASHED_VERSIONS + (dataset === undefined ? '' : `${dataset}/`))) {
    const place = trashedVersionAt(key)
    const manifest = place && (await readJson(store, key))
    if (place && manifest) trashed.push({ ...place, sizeBytes, trashedAt: String(manifest['trashedAt']) })
  }
  return trashed
}

export async function allSentences(store: ObjectStore): Promise<readonly Sentence[]> {
  const sentences: Sentence[] = []
  for await (const { key } of store.list(SENTENCES)) {
    const sentence = await readJson(store, key)
    if (sentence) sentences.push(sentence as unknown as Sentence)
  }
  return sentences
}

/**
 * What a collector that died, or a writer that kept a blob, left: sentences with a verdict are over, whichever it was,
 * and a version that is both in its place and in the trash is in its place (G6).
 */
export async function settleLeftovers(store: ObjectStore): Promise<void> {
  const judged = new Set<string>()
  for await (const { key } of store.list(VERDICTS)) judged.add(key.split('/')[2] ?? '')
  for (const sentence of await allSentences(store)) if (judged.has(sentence.sha256)) await liftSentence(store, sentence)
  // Of sentences that were lifted before somebody kept the blob.
  for await (const { key } of store.list(VERDICTS)) await store.delete(key)
  for (const place of await trashedVersions(store))
    if (await store.head(versionKeyOf(place))) await store.delete(trashKeyOf(place))
}

async function readJson(store: ObjectStore, key: ObjectKey): Promise<Record<string, unknown> | null> {
  try {
    return JSON.parse(Buffer.from(await store.get(key)).toString()) as Record<string, unknown>
  } catch (error) {
    if (isPlatformError(error) && error.code === 'OBJECT_NOT_FOUND') return null
    throw error
  }
}
