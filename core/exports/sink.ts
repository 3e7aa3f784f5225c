/**
 * Where an export goes: a folder, or one tar file that holds the same tree.
 *
 * K1  A file that has its name is whole: pieces go to a file of another name, which is renamed when it is complete.
 * K2  A target is begun once: one that holds anything but an unfinished export of the same kind is refused.
 * K3  An export that begins again keeps what is there whole.
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import { PlatformError } from '#core/errors'
import { sha256Hex } from '#core/storage'
import { tarEnd, tarEntry } from './tar.ts'

export interface Sink {
  /** Whether the file is there whole from a former attempt. */
  has(name: string, digest?: string): boolean
  put(name: string, bytes: Uint8Array): void
  /** A file that is written piece by piece. */
  open(name: string): OpenFile
  /** Where a writer of files may put one that `add` then takes. */
  temporary(name: string): string
  add(name: string, file: string): void
  /** Ends the export: says in the target what lies there. */
  finish(record: object): void
  /** Gives up what is open. */
  close(): void
}

export interface OpenFile {
  write(bytes: Uint8Array | string): void
  close(): void
}

interface Pieces extends OpenFile {
  /** Closes what `close` has not, and leaves the file unfinished. */
  abandon(): void
}

/** What the target is to hold; an attempt goes on only where another began the same. */
export interface Purpose {
  readonly dataset: string
  readonly version: string
  readonly format: string
}

/** Hidden, so that an import of the folder passes over it. */
const RECORD = '.gyre-export.json'
const PIECES = 4 * 1024 * 1024

/** @throws {PlatformError} `EXPORT_TARGET_IN_USE`. */
export function openSink(target: string, purpose: Purpose): Sink {
  return target.endsWith('.tar') ? tarSink(target) : folderSink(target, purpose)
}

function folderSink(root: string, purpose: Purpose): Sink {
  const resumed = beginIn(root, purpose)
  const folders = new Set<string>()
  const place = (name: string): string => {
    const file = path.join(root, name)
    const folder = path.dirname(file)
    if (!folders.has(folder)) mkdirSync(folder, { recursive: true })
    folders.add(folder)
    return file
  }
  const open: Pieces[] = []
  return {
    has: (name, digest) => resumed && isWhole(path.join(root, name), digest),
    put: (name, bytes) => writeFileSync(place(name), bytes),
    open(name) {
      const file = pieces(`${place(name)}.part`, () => renameSync(`${place(name)}.part`, place(name)))
      open.push(file)
      return file
    },
    temporary: (name) => `${place(name)}.part`,
    add: (name, file) => renameSync(file, place(name)),
    finish: (record) =>
      writeFileSync(path.join(root, RECORD), `${JSON.stringify({ ...purpose, finished: true, ...record }, null, 2)}\n`),
    close: () => open.forEach((file) => file.abandon()),
  }
}

/** K2. @returns whether a former attempt began the same. */
function beginIn(root: string, purpose: Purpose): boolean {
  mkdirSync(root, { recursive: true })
  if (!statSync(root).isDirectory()) throw inUse(root, 'is no folder')
  const record = path.join(root, RECORD)
  if (existsSync(record)) {
    const former = readRecord(record)
    const same = (['dataset', 'version', 'format'] as const).every((key) => former[key] === purpose[key])
    if (!same)
      throw inUse(
        root,
        `holds an export of ${former.dataset ?? 'another dataset'}, version ${String(former.version).slice(0, 12)}, as ${former.format}`,
      )
    return true
  }
  if (readdirSync(root).length > 0) throw inUse(root, 'holds other files')
  writeFileSync(record, JSON.stringify({ ...purpose, finished: false }))
  return false
}

function readRecord(file: string): Partial<Purpose> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Partial<Purpose>
  } catch {
    return {}
  }
}

function inUse(target: string, trouble: string): PlatformError {
  return new PlatformError('EXPORT_TARGET_IN_USE', `${target} ${trouble}; name a folder that is new or empty`, {
    target,
  })
}

/** K3: what was cut off, or is of another time, is written again. */
function isWhole(file: string, digest: string | undefined): boolean {
  if (!existsSync(file)) return false
  return digest === undefined || sha256Hex(readFileSync(file)) === digest
}

function pieces(file: string, done: () => void): Pieces {
  let handle: number | null = openSync(file, 'w')
  let held: Uint8Array[] = []
  let bytesHeld = 0
  const flush = (): void => {
    const bytes = Buffer.concat(held)
    for (let written = 0; written < bytes.length;) written += writeSync(handle!, bytes, written)
    held = []
    bytesHeld = 0
  }
  return {
    write(given) {
      const bytes = typeof given === 'string' ? Buffer.from(given) : given
      held.push(bytes)
      bytesHeld += bytes.length
      if (bytesHeld >= PIECES) flush()
    },
    close() {
      flush()
      closeSync(handle!)
      handle = null
      done()
    },
    abandon() {
      if (handle !== null) closeSync(handle)
      handle = null
    },
  }
}

/** One archive, begun anew by each attempt. */
function tarSink(target: string): Sink {
  if (existsSync(target)) throw inUse(target, 'exists')
  mkdirSync(path.dirname(target), { recursive: true })
  const part = `${target}.part`
  let ended = false
  const archive = pieces(part, () => undefined)
  const put = (name: string, bytes: Uint8Array): void => tarEntry(name, bytes).forEach((piece) => archive.write(piece))
  const aside = (name: string): string => `${part}-${path.basename(name)}`
  return {
    has: () => false,
    put,
    open(name) {
      return pieces(aside(name), () => {
        put(name, readFileSync(aside(name)))
        rmSync(aside(name))
      })
    },
    temporary: aside,
    add(name, file) {
      put(name, readFileSync(file))
      rmSync(file)
    },
    finish() {
      archive.write(tarEnd())
      archive.close()
      renameSync(part, target)
      ended = true
    },
    close() {
      if (ended) return
      archive.abandon()
      rmSync(part, { force: true })
    },
  }
}
