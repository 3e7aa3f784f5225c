/** `code/<digest>.json`: the files that a code version is made of, so that a change of it can be named. */

import { isPlatformError } from '#core/errors'
import { canonicalJson, type ObjectStore } from '#core/storage'

export interface CodeRecord {
  /** Path from the root of the project or the installation → SHA-256 of the bytes. */
  readonly files: Readonly<Record<string, string>>
  /** Of a pipeline: the code version of each file that defines steps of it. */
  readonly steps?: Readonly<Record<string, string>>
}

const codeKey = (version: string): string => `code/${version}.json`
const kept = new WeakMap<ObjectStore, Set<string>>()

/** Written once per store; a process asks the store only the first time. */
export async function keepCode(store: ObjectStore, version: string, record: CodeRecord): Promise<void> {
  const versions = kept.get(store) ?? new Set()
  kept.set(store, versions)
  if (versions.has(version)) return
  await store.create(codeKey(version), new TextEncoder().encode(canonicalJson(record)))
  versions.add(version)
}

/** @returns null for a version whose files were never kept. */
export async function readCode(store: ObjectStore, version: string): Promise<CodeRecord | null> {
  try {
    return JSON.parse(new TextDecoder().decode(await store.get(codeKey(version)))) as CodeRecord
  } catch (error) {
    if (isPlatformError(error) && error.code === 'OBJECT_NOT_FOUND') return null
    throw error
  }
}

/** Files that were added, removed or changed, ascending. */
export function changedFiles(before: CodeRecord, now: CodeRecord): readonly string[] {
  const names = new Set([...Object.keys(before.files), ...Object.keys(now.files)])
  return [...names].filter((name) => before.files[name] !== now.files[name]).sort()
}
