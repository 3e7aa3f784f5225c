/** Opens what a person points an import at: a folder, an archive, or a prefix of an S3 bucket. */
import { readFileSync, statSync, type Dirent, type Stats } from 'node:fs'
import { open, readdir, readFile, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { isPlatformError, PlatformError } from '#core/errors'
import type { ObjectStore } from '#core/storage'
import { openArchive } from './archive.ts'
import { isHidden, refused, refusedBySize, type Arrival, type Source, type Take } from './arrivals.ts'

/**
 * @param source - a folder, a .zip, .tar or .tar.gz file, or `s3://bucket/prefix`.
 * @param take - which files, where not all images are meant.
 * @throws {PlatformError} `DATASET_SOURCE_NOT_FOUND`, `DATASET_SOURCE_UNREADABLE`.
 */
export async function openSource(source: string, take?: Take): Promise<Source> {
  if (source.startsWith('s3://')) {
    const { openS3Store } = await import('#adapter/storage/s3') // The SDK takes 0.2 s to load.
    const store = await openS3Store(source)
    await requireBucket(store, source)
    return { files: storedFiles(store, take) }
  }
  const facts = await stat(source).catch((cause: unknown) => {
    throw new PlatformError('DATASET_SOURCE_NOT_FOUND', `no folder or archive at ${source}`, { source }, { cause })
  })
  return facts.isDirectory() ? openFolder(source, take) : openArchive(source, take)
}

async function requireBucket(store: ObjectStore, source: string): Promise<void> {
  try {
    await store.list('', { limit: 1 })[Symbol.asyncIterator]().next()
  } catch (error) {
    if (!isPlatformError(error) || error.details.status !== 404) throw error
    throw new PlatformError('DATASET_SOURCE_NOT_FOUND', `no bucket at ${source}`, { source }, { cause: error })
  }
}

/** Every object of a store, unless hidden; names that end in `/` only stand for folders. */
export async function* storedFiles(store: ObjectStore, take: Take = allOfIt): AsyncIterable<Arrival> {
  for await (const { key, sizeBytes: whole, etag } of store.list('')) {
    if (isHidden(key) || key.endsWith('/')) continue
    const most = take(key, () => whole)
    if (most === 0) continue
    const sizeBytes = Math.min(whole, most)
    const read = (): Promise<Uint8Array> =>
      sizeBytes < whole ? store.getRange(key, 0, sizeBytes) : readObject(store, key)
    const mark = etag === undefined ? {} : { stamp: etag, location: { uri: `${store.uri}/${key}`, etag } }
    yield refusedBySize(key, sizeBytes) ?? { path: key, sizeBytes, read, ...mark }
  }
}

const allOfIt: Take = () => Infinity

const reasonsOfStore: Readonly<Record<string, string>> = {
  INVALID_INPUT: 'its name holds characters that Gyre does not read from a bucket',
  OBJECT_NOT_FOUND: 'vanished while it was being imported',
}

async function readObject(store: ObjectStore, key: string): Promise<Uint8Array> {
  try {
    return await store.get(key)
  } catch (error) {
    const reason = isPlatformError(error) ? reasonsOfStore[error.code] : undefined
    throw reason ? new PlatformError('IMAGE_UNREADABLE', reason, {}, { cause: error }) : error
  }
}

/**
 * A folder with all its sub-folders. Nothing outside it is ever read: links are followed only to files inside. Names
 * are bytes to the operating system, so names that are not UTF-8 are read as well.
 */
async function openFolder(folder: string, take?: Take): Promise<Source> {
  const root = await realpath(folder)
  if (take) return { files: folderFiles(root, take) }
  return { total: await countFiles(root), files: folderFiles(root, allOfIt) }
}

async function countFiles(root: string): Promise<number> {
  const files = walk(Buffer.from(root), '')[Symbol.asyncIterator]()
  let count = 0
  while (!(await files.next()).done) count++
  return count
}

interface Found {
  readonly entry: Dirent<Buffer>
  readonly location: Buffer
  readonly path: string
}

async function* folderFiles(root: string, take: Take): AsyncIterable<Arrival> {
  for await (const found of walk(Buffer.from(root), '')) {
    const arrival = await arrivalOf(root, found, take)
    if (arrival) yield arrival
  }
}

async function* walk(folder: Buffer, prefix: string): AsyncIterable<Found> {
  const entries = await readdir(folder, { withFileTypes: true, encoding: 'buffer' })
  // Equal folders give equal packs, also where two attempts read one at the same time.
  for (const entry of entries.sort((a, b) => Buffer.compare(a.name, b.name))) {
    const relative = prefix + entry.name.toString('utf8')
    if (isHidden(relative)) continue
    const location = Buffer.concat([folder, Buffer.from(path.sep), entry.name])
    if (entry.isDirectory()) yield* walk(location, `${relative}/`)
    else yield { entry, location, path: relative }
  }
}

async function arrivalOf(
  root: string,
  { entry, location, path: relative }: Found,
  take: Take,
): Promise<Arrival | null> {
  const facts = (): Stats | undefined => statSync(location, { throwIfNoEntry: false })
  const most = take(relative, () => facts()?.size ?? 0)
  if (most === 0) return null // Before anything is asked of the disk: most passes want few files of many.
  if (entry.isSymbolicLink()) {
    const target = await realpath(location, { encoding: 'buffer' }).catch(() => null)
    if (!target) return refused(relative, 'a link that leads nowhere')
    if (!isInside(target, root)) return refused(relative, 'a link that leads outside the folder')
    if ((await stat(target)).isDirectory()) return null // What lies in there is found where it lies.
  } else if (!entry.isFile()) return refused(relative, 'not a regular file')
  const { size: whole = 0, mtimeMs = 0 } = facts() ?? {}
  const sizeBytes = Math.min(whole, most)
  return (
    refusedBySize(relative, sizeBytes) ?? {
      path: relative,
      sizeBytes,
      stamp: `${whole} bytes of ${mtimeMs}`,
      read: () => readStart(location, sizeBytes, whole),
    }
  )
}

function isInside(target: Buffer, root: string): boolean {
  const start = Buffer.from(root.endsWith(path.sep) ? root : root + path.sep)
  return target.equals(Buffer.from(root)) || target.subarray(0, start.length).equals(start)
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'cannot be read: permission denied',
  EPERM: 'cannot be read: permission denied',
  ENOENT: 'vanished while it was being imported',
  EIO: 'cannot be read: the disk reports an error',
}

/** Files up to this size are read without a hand-over to another thread, which costs ten times the reading. */
const SMALL_BYTES = 256 * 1024

async function readStart(location: Buffer, sizeBytes: number, whole: number): Promise<Uint8Array> {
  try {
    if (sizeBytes < whole) return await readFirst(location, sizeBytes)
    return sizeBytes <= SMALL_BYTES ? readFileSync(location) : await readFile(location)
  } catch (error) {
    const reason = reasons[(error as NodeJS.ErrnoException).code ?? '']
    throw reason ? new PlatformError('IMAGE_UNREADABLE', reason, {}, { cause: error }) : error
  }
}

async function readFirst(location: Buffer, sizeBytes: number): Promise<Uint8Array> {
  const handle = await open(location, 'r')
  try {
    const { buffer, bytesRead } = await handle.read(new Uint8Array(sizeBytes), 0, sizeBytes, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}
