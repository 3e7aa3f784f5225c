/**
 * Reads a backup into an empty folder. The file may come from anywhere: it can write nothing but objects and the database
 * of this folder, no links, no more than its header announces, and counts only when all of it arrived as it was written.
 */

import { createHash, type Hash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { Transform, type Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { extract, type Header } from 'tar-stream'
import { isPlatformError, PlatformError } from '#core/errors'
import {
  backupHeader,
  FORMAT,
  HEADER_NAME,
  isStateFile,
  OBJECTS_PREFIX,
  SUMS_NAME,
  sumLine,
  type BackupHeader,
} from './format.ts'
import { requireRoom, type Progress } from './write.ts'

type Entry = Readable & { readonly header: Header }

/** Objects never change. */
const OBJECT_MODE = 0o444
const HEADER_BYTES = 64 * 2 ** 10

/**
 * @param folder - exists and is empty; what it holds after a failure is worth nothing.
 * @throws {PlatformError} `BACKUP_INVALID` naming what is wrong; `STORE_DISK_FULL` before anything is written.
 */
export async function readBackup(
  file: string,
  folder: string,
  { signal, onProgress }: { signal: AbortSignal; onProgress: (progress: Progress) => void },
): Promise<BackupHeader> {
  const tar = extract()
  const fed = pipeline(createReadStream(file), tar, { signal })
  fed.catch(() => undefined) // Looked at below, where it is the cause.
  try {
    const header = await readEntries(tar as unknown as AsyncIterable<Entry>, file, folder, onProgress)
    await fed
    return header
  } catch (error) {
    tar.destroy()
    const first: unknown = isPlatformError(error)
      ? error
      : await fed.then(
          () => error,
          (cause: unknown) => cause ?? error,
        )
    signal.throwIfAborted()
    throw isPlatformError(first) ? first : invalid(file, `cannot be read: ${(first as Error).message}`, first)
  }
}

async function readEntries(
  entries: AsyncIterable<Entry>,
  file: string,
  folder: string,
  onProgress: (progress: Progress) => void,
): Promise<BackupHeader> {
  let header: BackupHeader | null = null
  let isComplete = false
  const sums = createHash('sha256')
  const done = { files: 0, bytes: 0 }
  for await (const entry of entries) {
    const { name, type, size = 0 } = entry.header
    if (isComplete) throw invalid(file, `holds ${JSON.stringify(name)} after its end`)
    if (type !== 'file') throw invalid(file, `holds ${JSON.stringify(name)}, which is no file but a ${type ?? 'thing'}`)
    if (header === null) {
      header = await readHeader(entry, file, sums)
      await requireRoom(path.join(folder, name), header.bytes)
    } else if (name === SUMS_NAME) {
      await checkSums(entry, file, sums)
      isComplete = true
    } else {
      if (!isStateFile(name)) throw invalid(file, `holds ${JSON.stringify(name)}, which is no part of a state`)
      done.files += 1
      done.bytes += size
      if (done.files > header.files || done.bytes > header.bytes) throw invalid(file, 'holds more than it announces')
      sums.update(sumLine(name, await unpack(entry, file, path.join(folder, name))))
      onProgress({ ...done, totalFiles: header.files, totalBytes: header.bytes })
    }
  }
  if (header === null) throw invalid(file, 'is empty')
  if (!isComplete) throw invalid(file, 'ends too early; it was not written to its end')
  return header
}

async function readHeader(entry: Entry, file: string, sums: Hash): Promise<BackupHeader> {
  if (entry.header.name !== HEADER_NAME || (entry.header.size ?? 0) > HEADER_BYTES)
    throw invalid(file, 'is no backup of Gyre')
  const bytes = await buffer(entry)
  const parsed = backupHeader.safeParse(parseJson(bytes))
  if (!parsed.success) throw invalid(file, `has a header that does not fit: ${parsed.error.issues[0]?.message}`)
  const { format, gyre } = parsed.data
  if (format > FORMAT)
    throw invalid(
      file,
      `was written by Gyre ${gyre} in format ${format}, newer than this one reads (${FORMAT}); upgrade first`,
    )
  sums.update(sumLine(HEADER_NAME, createHash('sha256').update(bytes).digest('hex')))
  return parsed.data
}

/** The sums are compared as one: the same lines in the same order. */
async function checkSums(entry: Entry, file: string, sums: Hash): Promise<void> {
  const written = createHash('sha256')
  for await (const chunk of entry as AsyncIterable<Buffer>) written.update(chunk)
  if (written.digest('hex') !== sums.digest('hex'))
    throw invalid(
      file,
      'is damaged: its content does not match its checksums; unpack it and run sha256sum -c SHA256SUMS',
    )
}

/** @returns the SHA-256 of what was written. */
async function unpack(entry: Entry, file: string, target: string): Promise<string> {
  const hash = createHash('sha256')
  const hashing = new Transform({
    transform(chunk: Buffer, _encoding, next) {
      hash.update(chunk)
      next(null, chunk)
    },
  })
  const mode = entry.header.name.startsWith(OBJECTS_PREFIX) ? OBJECT_MODE : 0o600
  await mkdir(path.dirname(target), { recursive: true })
  try {
    await pipeline(entry, hashing, createWriteStream(target, { flags: 'wx', mode }))
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST')
      throw invalid(file, `holds ${JSON.stringify(entry.header.name)} twice`, cause)
    throw cause
  }
  return hash.digest('hex')
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return null
  }
}

function invalid(file: string, trouble: string, cause?: unknown): PlatformError {
  return new PlatformError('BACKUP_INVALID', `${file} ${trouble}`, { file }, { cause })
}
