/** Dropped images on their way to a task: each part becomes one file in a folder of its own, under a harmless name. */

import type { MultipartFile, MultipartValue } from '@fastify/multipart'
import { createWriteStream } from 'node:fs'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { PlatformError } from '#core/errors'

const LONGEST_NAME = 120
const KEPT_MS = 14 * 24 * 3_600_000

export interface Upload {
  readonly folder: string
  readonly files: number
  readonly fields: Readonly<Record<string, string>>
}

/**
 * Streams every part to disk; memory stays flat. Whatever fails, nothing is left behind.
 * @throws {PlatformError} `UPLOAD_TOO_LARGE`, or `INVALID_INPUT` when no file came.
 */
export async function receiveUpload(
  parts: AsyncIterable<MultipartFile | MultipartValue>,
  folder: string,
  limits: { fileBytes: number; totalBytes: number },
): Promise<Upload> {
  await mkdir(folder, { recursive: true })
  try {
    const names = new Set<string>()
    const fields: Record<string, string> = {}
    let totalBytes = 0
    for await (const part of parts) {
      if (part.type === 'field') {
        fields[part.fieldname] = String(part.value)
        continue
      }
      const name = freeName(safeName(part.filename), names)
      const count = new Transform({
        transform(chunk: Buffer, _encoding, done) {
          totalBytes += chunk.length
          done(totalBytes > limits.totalBytes ? tooLarge('the images together', limits.totalBytes) : null, chunk)
        },
      })
      await pipeline(part.file, count, createWriteStream(path.join(folder, name), { flags: 'wx', mode: 0o600 }))
      if (part.file.truncated) throw tooLarge(`"${name}"`, limits.fileBytes)
    }
    if (!names.size) throw new PlatformError('INVALID_INPUT', 'images: no file was sent; drop at least one image')
    return { folder, files: names.size, fields }
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

/** Removes uploads that nobody can need any more: a task reads its images within days, also after a resume. */
export async function removeOldUploads(uploadsDir: string, now: number = Date.now()): Promise<void> {
  for (const name of await readdir(uploadsDir).catch(() => [])) {
    const folder = path.join(uploadsDir, name)
    const { mtimeMs } = await stat(folder)
    if (now - mtimeMs > KEPT_MS) await rm(folder, { recursive: true, force: true })
  }
}

/** The last segment, without control characters, separators and leading dots: it cannot leave its folder. */
export function safeName(sent: string | undefined): string {
  const last = (sent ?? '').split(/[/\\]/).at(-1) ?? ''

  const clean = last
    .normalize('NFC')
    .replace(/[\u0000-\u001f\u007f<>:"|?*\u200e\u200f\u202a-\u202e]/g, '_')
    .replace(/^[. ]+/, '')
  const extension = path.extname(clean).slice(0, 10)
  const stem = [...clean.slice(0, clean.length - path.extname(clean).length)].slice(0, LONGEST_NAME - 10).join('')
  // A file name has at most 255 bytes on every file system that we meet.
  return Buffer.byteLength(stem + extension) > 200 || !stem
    ? `image${/^\.[a-z0-9]+$/i.test(extension) ? extension : ''}`
    : stem + extension
}

function freeName(name: string, taken: Set<string>): string {
  const { name: stem, ext } = path.parse(name)
  let free = name
  for (let copy = 2; taken.has(free.toLowerCase()); copy++) free = `${stem} (${copy})${ext}`
  taken.add(free.toLowerCase())
  return free
}

function tooLarge(what: string, bound: number): PlatformError {
  const mebibytes = Math.floor(bound / 2 ** 20)
  return new PlatformError(
    'UPLOAD_TOO_LARGE',
    `${what} exceed ${mebibytes} MiB; import a folder as a dataset instead`,
    { bound },
  )
}
