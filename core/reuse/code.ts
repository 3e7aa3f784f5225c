/** `code/<digest>.json`: the files that a code version is made of, so that a change of it can be named. */

import { isPlatformError } from '#core/errors'
import { canonicalJson, type ObjectStore } from '#core/storage'

/** Path from the root of the project or installation → SHA-256 of the bytes. */
export type CodeFiles = Readonly<Record<string, string>>

const codeKey = (version: string): string => `code/${version}.json`
const kept = new WeakMap<ObjectStore, Set<string>>()

/** Written once per store; a process asks the store only the first time. */
export async function keepCode(store: ObjectStore, version: string, files: CodeFiles): Promise<void> {
  const versions = kept.get(store) ?? new Set()
  kept.set(store, versions)
  if (versions.has(version)) return
  await store.create(codeKey(version), new TextEncoder().encode(canonicalJson(files)))
  versions.add(version)
}

/** @returns null for a version whose files were never kept. */
export async function readCode(store: ObjectStore, version: string): Promise<CodeFiles | null> {
  try {
    return JSON.parse(new TextDecoder().decode(await store.get(codeKey(version)))) as CodeFiles
  } catch (error) {
    if (isPlatformError(error) && error.code === 'OBJECT_NOT_FOUND') return null
    throw error
  }
}

/** Files that were added, removed or changed, ascending. */
export function changedFiles(before: CodeFiles, now: CodeFiles): readonly string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(now)])
  return [...names].filter((name) => before[name] !== now[name]).sort()
}
