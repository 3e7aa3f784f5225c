/** Writes a backup: into a file of another name, which gets its own when it is whole and on disk. */

import { createHash, type Hash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { open, rename, rm, stat, statfs } from 'node:fs/promises'
import path from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { pack, type Pack } from 'tar-stream'
import { PlatformError } from '#core/errors'
import { FORMAT, HEADER_NAME, sumLine, SUMS_NAME, type BackupHeader } from './format.ts'

/** One file to be kept. */
export interface Source {
  /** Its name in the backup. */
  readonly name: string
  readonly file: string
}

export interface Progress {
  readonly files: number
  readonly bytes: number
  readonly totalFiles: number
  readonly totalBytes: number
}

export interface WriteOptions {
  readonly signal: AbortSignal
  readonly onProgress: (progress: Progress) => void
}

export interface Written {
  readonly sizeBytes: number
  readonly files: number
  /** Objects that were removed between their listing and their turn: results that are made anew, leases. */
  readonly leftOut: number
}

type Measured = Source & { readonly bytes: number }

/** Smaller files go through memory in one piece. */
const WHOLE_BYTES = 2 ** 20
/** Of tar, for each entry, at most: header, padding, a header for long names. */
const TAR_BYTES = 2_560
const MTIME = new Date(0)

/**
 * @param facts - the header without its counts.
 * @throws {PlatformError} `STORE_DISK_FULL` before anything is written, or later.
 */
export async function writeBackup(
  target: string,
  facts: Omit<BackupHeader, 'format' | 'files' | 'bytes'>,
  sources: Iterable<Source>,
  { signal, onProgress }: WriteOptions,
): Promise<Written> {
  const listed = [...sources]
  const measured = await measure(listed)
  const totalBytes = measured.reduce((sum, { bytes }) => sum + bytes, 0)
  await requireRoom(target, totalBytes + measured.length * TAR_BYTES)
  const header: BackupHeader = { format: FORMAT, ...facts, files: measured.length, bytes: totalBytes }
  const part = `${target}.part`
  await Promise.all([part, `${part}.sums`].map((file) => rm(file, { force: true })))
  const tar = pack()
  const written = pipeline(tar, createWriteStream(part, { flags: 'wx', mode: 0o600 }), { signal })
  try {
    const total = { totalFiles: measured.length, totalBytes }
    const files = await writeEntries(tar, header, measured, `${part}.sums`, (done) => onProgress({ ...done, ...total }))
    tar.finalize()
    await written
    await putOnDisk(part, target)
    return { sizeBytes: (await stat(target)).size, files, leftOut: listed.length - files }
  } catch (error) {
    tar.destroy()
    // What ended the writing is the cause; what the entries met is its consequence.
    const cause: unknown = await written.then(
      () => error,
      (first: unknown) => first ?? error,
    )
    throw diskFull(cause, target)
  } finally {
    await Promise.all([part, `${part}.sums`].map((file) => rm(file, { force: true })))
  }
}

async function measure(sources: readonly Source[]): Promise<Measured[]> {
  const measured: Measured[] = []
  for (const source of sources) {
    const facts = await stat(source.file).catch(ignoreMissing)
    if (facts) measured.push({ ...source, bytes: facts.size })
  }
  return measured
}

/** @returns how many files were added. */
async function writeEntries(
  tar: Pack,
  header: BackupHeader,
  sources: readonly Measured[],
  sumsFile: string,
  onProgress: (done: { files: number; bytes: number }) => void,
): Promise<number> {
  const done = { files: 0, bytes: 0 }
  const sums = await open(sumsFile, 'wx', 0o600)
  try {
    const headerBytes = Buffer.from(`${JSON.stringify(header, null, 2)}\n`)
    await addBytes(tar, HEADER_NAME, headerBytes)
    await sums.write(sumLine(HEADER_NAME, createHash('sha256').update(headerBytes).digest('hex')))
    for (const source of sources) {
      const sha256 = await addFile(tar, source)
      if (sha256 === null) continue
      await sums.write(sumLine(source.name, sha256))
      done.files += 1
      done.bytes += source.bytes
      onProgress(done)
    }
  } finally {
    await sums.close()
  }
  await addFile(tar, { name: SUMS_NAME, file: sumsFile, bytes: (await stat(sumsFile)).size })
  return done.files
}

/** @returns the SHA-256 of what was added; null where the file is gone. */
async function addFile(tar: Pack, { name, file, bytes }: Measured): Promise<string | null> {
  const hash = createHash('sha256')
  const handle = await open(file).catch(ignoreMissing)
  if (!handle) return null
  try {
    if (bytes <= WHOLE_BYTES) {
      const content = Buffer.alloc(bytes)
      const { bytesRead } = await handle.read(content, 0, bytes, 0)
      if (bytesRead !== bytes) throw changed(file)
      await addBytes(tar, name, content)
      return hash.update(content).digest('hex')
    }
    const reader = createReadStream('', { fd: handle.fd, autoClose: false, start: 0, end: bytes - 1 })
    await pipeline(reader, hashing(hash), tar.entry({ name, size: bytes, mode: 0o600, mtime: MTIME }))
    return hash.digest('hex')
  } finally {
    await handle.close()
  }
}

function addBytes(tar: Pack, name: string, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) =>
    tar.entry({ name, mode: 0o600, mtime: MTIME }, bytes, (error) => (error ? reject(error) : resolve())),
  )
}

function hashing(hash: Hash): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      done(null, chunk)
    },
  })
}

async function putOnDisk(part: string, target: string): Promise<void> {
  await sync(part)
  await rename(part, target)
  await sync(path.dirname(target))
}

async function sync(target: string): Promise<void> {
  const handle = await open(target, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** @throws {PlatformError} `STORE_DISK_FULL`. */
export async function requireRoom(target: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(path.dirname(target))
  if (bavail * bsize >= bytes) return
  const [needed, free] = [bytes, bavail * bsize].map((value) => `${Math.ceil(value / 2 ** 20)} MiB`)
  throw new PlatformError('STORE_DISK_FULL', `${needed} are needed in ${path.dirname(target)}, ${free} are free`, {
    bytes,
  })
}

function diskFull(error: unknown, target: string): unknown {
  if ((error as NodeJS.ErrnoException | null)?.code !== 'ENOSPC') return error
  return new PlatformError('STORE_DISK_FULL', `no room left for ${target}`, {}, { cause: error })
}

function ignoreMissing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null
  throw error
}

function changed(file: string): PlatformError {
  return new PlatformError('OBJECT_CORRUPT', `${file} became shorter while it was backed up`, { file })
}
