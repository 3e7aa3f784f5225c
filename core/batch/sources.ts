/** What a task runs over: a folder, dropped images, or one version of a dataset. Pinned once, listed once, then read in any order. */

import path from 'node:path'
import { openVersion, resolveVersion } from '#core/datasets'
import { isPlatformError, PlatformError } from '#core/errors'
import type { ObjectStore } from '#core/storage'
import { dropIn, listDrop, readFromDrop } from './drops.ts'
import { listFolder, readFromFolder } from './folder.ts'
import type { BatchItem, BatchTask } from './records.ts'

/** @throws {PlatformError} `IMAGE_UNREADABLE`, `IMAGE_TOO_LARGE` with a reason for a person. */
export type ReadItem = (item: Pick<BatchItem, 'path' | 'image'>) => Promise<Uint8Array>

/** @throws {PlatformError} `INVALID_INPUT` unless exactly one is given; `DATASET_NOT_FOUND`. */
export async function resolveSource(
  store: ObjectStore,
  { source, dataset }: { readonly source?: string | undefined; readonly dataset?: string | undefined },
): Promise<BatchTask['source']> {
  if (source !== undefined && dataset === undefined) {
    const drop = dropIn(source)
    return drop === null ? { kind: 'folder', path: path.resolve(source) } : { kind: 'upload', id: drop }
  }
  if (source === undefined && dataset !== undefined)
    return { kind: 'dataset', version: await resolveVersion(store, dataset) }
  const given = source === undefined ? 'neither' : 'both'
  throw new PlatformError(
    'INVALID_INPUT',
    `a batch task needs a folder or a dataset, and got ${given}; give one of them`,
  )
}

/** @throws {PlatformError} `DATASET_SOURCE_NOT_FOUND`, `DATASET_EMPTY`. */
export async function listItems(store: ObjectStore, { source }: BatchTask): Promise<readonly BatchItem[]> {
  if (source.kind === 'folder') return (await listFolder(source.path)).map(unread)
  if (source.kind === 'upload') return (await listDrop(store, source.id)).map(unread)
  const facts = await (await openVersion(store, source.version)).facts()
  return facts.map(({ source: name, digest }) => ({ path: name, image: digest }))
}

const unread = (file: string): BatchItem => ({ path: file, image: null })

export async function openReader(store: ObjectStore, { source }: BatchTask): Promise<ReadItem> {
  if (source.kind === 'folder') return (item) => readFromFolder(source.path, item.path)
  if (source.kind === 'upload') return (item) => readFromDrop(store, source.id, item.path)
  const reader = await openVersion(store, source.version)
  return (item) => reader.imageBytes(item.image!)
}

/** Whether the image itself is at fault: then that is its result. */
export function isRefusal(error: unknown): error is PlatformError {
  return isPlatformError(error) && (error.code === 'IMAGE_UNREADABLE' || error.code === 'IMAGE_TOO_LARGE')
}
