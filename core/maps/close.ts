/** Joins the results of a map in the order of its items, as one table. */

import { createWriteStream } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { PlatformError } from '#core/errors'
import type { BlobRef } from '#core/steps'
import { putBlobFile, type ObjectStore } from '#core/storage'
import { chunkFolder, type MapWork, type ResultLine } from './layout.ts'
import { linesUnder } from './lines.ts'
import type { OpenedMap } from './open.ts'

/** What a map gives: one row per item that succeeded, in their order, and one line {index, code, message} per other. */
export interface MapTable {
  readonly kind: 'table'
  readonly rows: number
  readonly blob: BlobRef
  readonly failed: number
  readonly failures: BlobRef | null
}

export interface CloseOptions {
  readonly opened: OpenedMap
  /** Share of the items that must have succeeded, 0–1. */
  readonly atLeast: number
  /** An empty folder. */
  readonly scratchDir: string
}

/** @throws {PlatformError} `MAP_ITEMS_FAILED` where too few have succeeded, with the first failure. */
export async function closeMap(
  store: ObjectStore,
  work: MapWork,
  { opened, atLeast, scratchDir }: CloseOptions,
): Promise<MapTable> {
  let rows = 0
  const failures: { readonly index: number; readonly code: string; readonly message: string }[] = []
  async function* rowLines(): AsyncGenerator<string> {
    for await (const { i, out, error } of resultsOf(store, work, opened)) {
      if (error) failures.push({ index: i, ...error })
      else {
        rows += 1
        yield `${JSON.stringify(out)}\n`
      }
    }
  }
  const blob = await putLines(store, path.join(scratchDir, 'rows'), rowLines())
  const { total } = opened
  if (failures.length > 0 && rows < atLeast * total) {
    const { index, message } = failures[0]!
    const missing = total - rows - failures.length
    throw new PlatformError(
      'MAP_ITEMS_FAILED',
      `${failures.length} of ${total} items failed${missing > 0 ? `, ${missing} were not tried any more` : ''}; at least ${100 * atLeast} % must succeed; item ${index}: ${message}`,
      { failed: failures.length, total, first: index },
    )
  }
  const lines = failures.map((failure) => `${JSON.stringify(failure)}\n`)
  const told = failures.length > 0 ? await putLines(store, path.join(scratchDir, 'failures'), lines) : null
  return { kind: 'table', rows, blob, failed: failures.length, failures: told }
}

/** Both parts are in the order of the items, so that merging them needs one line of each. */
async function* resultsOf(store: ObjectStore, work: MapWork, { folder }: OpenedMap): AsyncGenerator<ResultLine> {
  const parts = [linesUnder<ResultLine>(store, `${folder}known/`), doneIn(store, work)]
  const heads = await Promise.all(parts.map((part) => part.next()))
  for (;;) {
    const open = [0, 1].filter((at) => !heads[at]!.done)
    if (open.length === 0) return
    const at = open.reduce((a, b) => ((heads[a]!.value as ResultLine).i < (heads[b]!.value as ResultLine).i ? a : b))
    yield heads[at]!.value as ResultLine
    heads[at] = await parts[at]!.next()
  }
}

async function* doneIn(store: ObjectStore, work: MapWork): AsyncGenerator<ResultLine> {
  for await (const line of linesUnder<Partial<ResultLine>>(store, chunkFolder(work)))
    if (line.i !== undefined) yield line as ResultLine
}

async function putLines(store: ObjectStore, file: string, lines: AsyncIterable<string> | string[]): Promise<BlobRef> {
  await pipeline(Readable.from(lines, { objectMode: true }), createWriteStream(file))
  return putBlobFile(store, file)
}
