/** Makes the results out of the finished shards: one pass over all rows, whatever their number. */

import { open, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { thumbnail } from '#core/images'
import type { BatchResults } from '#core/steps'
import { putBlob, putBlobFile, type ObjectStore } from '#core/storage'
import { csvTable } from './csv.ts'
import { galleryPage, GallerySelection, type GalleryGroup } from './gallery.ts'
import { readShard, type BatchFailure, type BatchOutcome, type BatchRow, type BatchTask } from './records.ts'
import { isRefusal, type ReadItem } from './sources.ts'

const THUMBNAIL_PIXELS = 128
const DECODED_AT_ONCE = 8

export interface ResultsOptions {
  readonly store: ObjectStore
  readonly task: BatchTask
  readonly shards: number
  /** How many the model knows. */
  readonly classes: number
  readonly scratchDir: string
  readonly read: ReadItem
  readonly signal: AbortSignal
}

export async function writeResults(options: ResultsOptions): Promise<Omit<BatchOutcome, 'endedAt'>> {
  const { store, task } = options
  const tables = await writeTables(options)
  const groups = tables.selection.groups()
  const thumbnails = await makeThumbnails(groups, options)
  const { failures } = tables
  const page = galleryPage({ task, images: tables.selection.total, groups, failures, thumbnails })
  const results: BatchResults['results'] = {
    csv: await putBlobFile(store, tables.csv),
    json: await putBlobFile(store, tables.json),
    html: await putBlob(store, Buffer.from(page)),
  }
  const failed = await putBlob(store, Buffer.from(JSON.stringify(failures)))
  return { images: tables.selection.total, failures: { ...failed, count: failures.length }, results }
}

async function writeTables({ store, task, shards, classes, scratchDir, signal }: ResultsOptions) {
  const [csv, json] = [path.join(scratchDir, 'results.csv'), path.join(scratchDir, 'results.json')]
  const selection = new GallerySelection(classes)
  const { header, line } = csvTable(task.algorithm)
  const failures: BatchFailure[] = []
  await withFiles([csv, json], async (table, list) => {
    await table.write(header)
    await list.write('[')
    for (let shard = 0; shard < shards; shard++) {
      signal.throwIfAborted()
      const rows = await readShard(store, task.id, shard)
      await table.write(rows.map(line).join(''))
      await list.write((shard === 0 ? '\n' : ',\n') + rows.map((row) => JSON.stringify(row)).join(',\n'))
      for (const row of rows) {
        selection.add(row)
        if (row.reason !== null) failures.push({ path: row.path, reason: row.reason })
      }
    }
    await list.write('\n]\n')
  })
  return { csv, json, selection, failures }
}

async function withFiles(
  [first, second]: readonly [string, string],
  use: (first: FileHandle, second: FileHandle) => Promise<void>,
): Promise<void> {
  const handles = [await open(first, 'w'), await open(second, 'w')] as const
  try {
    await use(...handles)
  } finally {
    for (const handle of handles) await handle.close()
  }
}

async function makeThumbnails(
  groups: readonly GalleryGroup[],
  { read, signal }: ResultsOptions,
): Promise<ReadonlyMap<string, string | null>> {
  const thumbnails = new Map<string, string | null>()
  const rows = groups.flatMap((group) => group.rows)
  for (let start = 0; start < rows.length; start += DECODED_AT_ONCE) {
    signal.throwIfAborted()
    const part = rows.slice(start, start + DECODED_AT_ONCE)
    await Promise.all(part.map(async (row) => thumbnails.set(row.image!, await pictureOf(row, read))))
  }
  return thumbnails
}

/** A data URI; null for an image that has vanished since it was classified. */
async function pictureOf(row: BatchRow, read: ReadItem): Promise<string | null> {
  try {
    const bytes = await thumbnail(await read(row), THUMBNAIL_PIXELS)
    return `data:image/webp;base64,${Buffer.from(bytes).toString('base64')}`
  } catch (error) {
    if (isRefusal(error)) return null
    throw error
  }
}
