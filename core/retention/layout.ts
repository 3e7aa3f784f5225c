/** Which part of the store a key belongs to, as far as garbage collection must know. Keys of unknown kinds are records: kept, and followed. */

import type { ObjectKey } from '#core/storage'

/** What garbage collection writes itself; it names what it would remove, and must not hold it. */
export const MARKS = 'gc/marks'
export const TRASHED_VERSIONS = 'trash/versions/'

export interface VersionPlace {
  readonly dataset: string
  readonly version: string
}

/** `datasets/<name>/versions/<digest>.json`. */
export function versionAt(key: ObjectKey): VersionPlace | null {
  const [, dataset, version] = /^datasets\/([^/]+)\/versions\/([0-9a-f]{64})\.json$/.exec(key) ?? []
  return dataset && version ? { dataset, version } : null
}

/** `trash/versions/<name>/<digest>.json`. */
export function trashedVersionAt(key: ObjectKey): VersionPlace | null {
  const [, dataset, version] = /^trash\/versions\/([^/]+)\/([0-9a-f]{64})\.json$/.exec(key) ?? []
  return dataset && version ? { dataset, version } : null
}

export function versionKeyOf({ dataset, version }: VersionPlace): ObjectKey {
  return `datasets/${dataset}/versions/${version}.json`
}

export function trashKeyOf({ dataset, version }: VersionPlace): ObjectKey {
  return `${TRASHED_VERSIONS}${dataset}/${version}.json`
}

/** Digest of the blob at a key. */
export function blobAt(key: ObjectKey): string | null {
  return /^blobs\/sha256\/[0-9a-f]{2}\/([0-9a-f]{64})$/.exec(key)?.[1] ?? null
}

/** Objects that hold nothing by what they say: garbage's own records, logs for people, images as they came. */
const HOLDS_NOTHING = [
  /^blobs\//,
  /^gc\//,
  /^trash\/(blobs|verdicts)\//,
  /^leases\//,
  /^deleted\//,
  /^runs\/[^/]+\/logs\//,
  /^jobs\/[^/]+\/[^/]+\/log\//,
  /^captures\//,
  /^uploads\/[^/]+\/images\//,
]

export function holdsNothing(key: ObjectKey): boolean {
  return HOLDS_NOTHING.some((pattern) => pattern.test(key))
}

/** What a record is to versions of datasets. */
export type RecordKind =
  | { readonly kind: 'ref' | 'history'; readonly dataset: string }
  | { readonly kind: 'run'; readonly run: string }
  /** Names versions without holding them: results that may be computed again, versions themselves. */
  | { readonly kind: 'weak' }
  | { readonly kind: 'other' }

/** Of a dataset: holds are asked for as they stand now; the others speak of versions. */
const ABOUT_VERSIONS: ReadonlySet<string> = new Set(['versions', 'holds', 'health', 'imports'])

export function recordKind(key: ObjectKey): RecordKind {
  const [first = '', second = '', third = ''] = key.split('/')
  if (first === 'datasets' && third === 'refs') return { kind: 'ref', dataset: second }
  if (first === 'datasets' && third === 'history') return { kind: 'history', dataset: second }
  if (first === 'runs') return { kind: 'run', run: second }
  if (first === 'cache' || (first === 'datasets' && ABOUT_VERSIONS.has(third))) return { kind: 'weak' }
  return { kind: 'other' }
}
