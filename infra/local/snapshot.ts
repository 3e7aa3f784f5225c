/**
 * What a state holds at one moment: the names of its objects, and a copy of Temporal's database.
 *
 * B1  All objects but blobs, and the database, are of one moment: every process that writes them stands still.
 * B2  Blobs are listed afterwards, so all that those objects name are there; more of them do no harm.
 * B3  Objects are created once and never change, so their bytes can be read later, while the stack runs again.
 *
 * The database of a process that stands still is what a kill would leave: its log (WAL) makes it whole when it is opened.
 */

import { constants, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { freeze } from './freeze.ts'
import type { StateFolder } from './state-folder.ts'

/** Temporal's database and its log; the third file of SQLite is only shared memory. */
export const DATABASE_FILES = ['temporal.db', 'temporal.db-wal'] as const

export interface Moment {
  /** Paths of objects other than blobs, relative to the folder of the store. */
  readonly records: readonly string[]
  /** How long everything stood still. */
  readonly frozenMs: number
}

/** What a running stack tells who asks for a moment of it. */
export interface Snapshot {
  /** Holds the copy of the database and `records.txt`, one path a line; the asker removes it. */
  readonly folder: string
  readonly frozenMs: number
}

/** The folder of a store; null where it is no folder. */
export function folderOfStore(uri: string): string | null {
  if (uri.startsWith('file://')) return fileURLToPath(uri)
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(uri) ? null : path.resolve(uri)
}

/** @param options - `writers`: processes that write objects or the database. */
export async function takeSnapshot(
  state: StateFolder,
  { writers, storeUri }: { writers: readonly number[]; storeUri: string },
): Promise<Snapshot> {
  mkdirSync(path.join(state.path, 'snapshots'), { recursive: true, mode: 0o700 })
  const target = mkdtempSync(path.join(state.path, 'snapshots', 'moment-'))
  const { records, frozenMs } = captureMoment({
    ...{ state: state.path, objects: folderOfStore(storeUri), writers, target },
  })
  writeFileSync(path.join(target, RECORDS_FILE), records.map((name) => `${name}\n`).join(''))
  return { folder: target, frozenMs }
}

/** The names of the records in a snapshot. */
export const RECORDS_FILE = 'records.txt'

/**
 * Holds the processes, copies the database and lists the records.
 *
 * @param options - `state`: where the database lies; `objects`: the folder of the store, null where it is elsewhere;
 *   `writers`: processes that write; `target`: an existing folder for the copy of the database.
 */
export function captureMoment(options: {
  state: string
  objects: string | null
  writers: readonly number[]
  target: string
}): Moment {
  const { state, objects, writers, target } = options
  copyDatabase(state, target) // Brings it into memory, so that the second copy takes a moment only.
  const started = performance.now()
  const thaw = freeze(writers)
  try {
    copyDatabase(state, target)
    const records = objects === null ? [] : [...listObjects(objects, 'records')]
    return { records, frozenMs: Math.round(performance.now() - started) }
  } finally {
    thaw()
  }
}

function copyDatabase(state: string, target: string): void {
  for (const name of DATABASE_FILES)
    if (existsSync(path.join(state, name)))
      copyFileSync(path.join(state, name), path.join(target, name), constants.COPYFILE_FICLONE)
}

/** Paths relative to the store's folder: `default/blobs/…` or all the others. Files being written are left out. */
export function* listObjects(objects: string, kind: 'records' | 'blobs'): Generator<string> {
  for (const project of foldersOf(objects)) {
    const parts = readdirSync(path.join(objects, project), { withFileTypes: true })
    for (const part of parts) {
      if (!part.isDirectory() || part.name === '.tmp' || (part.name === 'blobs') !== (kind === 'blobs')) continue
      yield* filesBelow(objects, `${project}/${part.name}`)
    }
  }
}

function foldersOf(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
}

function* filesBelow(root: string, relative: string): Generator<string> {
  for (const entry of readdirSync(path.join(root, relative), { withFileTypes: true })) {
    const name = `${relative}/${entry.name}`
    if (entry.isDirectory()) yield* filesBelow(root, name)
    else if (entry.isFile()) yield name
  }
}
