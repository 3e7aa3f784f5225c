/**
 * What a backup file is: a tar of
 *
 *   gyre-backup.json     what it is of (the header below)
 *   temporal.db*         the engine's database, where it was ours
 *   objects/…            the object store, where it was a folder
 *   SHA256SUMS           of all entries before, in order, as `sha256sum` writes them; a file without it is not whole
 */

import { z } from 'zod'
import { checkKey } from '#core/storage'
import { isPlatformError } from '#core/errors'
import { DATABASE_FILES } from '../snapshot.ts'

export const HEADER_NAME = 'gyre-backup.json'
export const SUMS_NAME = 'SHA256SUMS'
export const FORMAT = 1

export const backupHeader = z.object({
  format: z.number(),
  /** The version of Gyre that wrote it. */
  gyre: z.string(),
  createdAt: z.iso.datetime(),
  project: z.string(),
  /** `folder`: the objects are in the file; else they are where this says, and stay there. */
  store: z.string(),
  /** Whether Temporal's database is in the file; else it is with a server of its own. */
  temporal: z.boolean(),
  /** Of the entries between this and the sums, at most: what is removed meanwhile is left out. */
  files: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
})
export type BackupHeader = z.infer<typeof backupHeader>

export const OBJECTS_PREFIX = 'objects/'

/** Whether an entry of this name may lie in a state folder: nothing outside of it, nothing that a stack runs. */
export function isStateFile(name: string): boolean {
  if ((DATABASE_FILES as readonly string[]).includes(name)) return true
  if (!name.startsWith(OBJECTS_PREFIX)) return false
  try {
    checkKey(name.slice(OBJECTS_PREFIX.length))
    return true
  } catch (error) {
    if (isPlatformError(error)) return false
    throw error
  }
}

/** A line of `SHA256SUMS`. */
export function sumLine(name: string, sha256: string): string {
  return `${sha256}  ${name}\n`
}
