/** Dropped images on their way to a task: each part becomes one object under a harmless name. */

import type { MultipartFile, MultipartValue } from '@fastify/multipart'
import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ImageDrop } from '#core/batch'
import { PlatformError } from '#core/errors'

const LONGEST_NAME = 120

export interface UploadOptions {
  /** A folder in which each part lies while it comes in. */
  readonly scratchDir: string
  readonly drop: ImageDrop
  readonly limits: { readonly fileBytes: number; readonly totalBytes: number }
}

/**
 * Streams every part through a file into the store; memory stays flat. Whatever fails, nothing is left behind.
 *
 * @returns the fields beside the images.
 * @throws {PlatformError} `UPLOAD_TOO_LARGE`, or `INVALID_INPUT` when no file came.
 */
export async function receiveUpload(
  parts: AsyncIterable<MultipartFile | MultipartValue>,
  { scratchDir, drop, limits }: UploadOptions,
): Promise<Readonly<Record<string, string>>> {
  await mkdir(scratchDir, { recursive: true })
  const folder = await mkdtemp(path.join(scratchDir, 'part-'))
  const incoming = path.join(folder, 'image')
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
      await pipeline(part.file, count, createWriteStream(incoming, { mode: 0o600 }))
      if (part.file.truncated) throw tooLarge(`"${name}"`, limits.fileBytes)
      await drop.keep(name, incoming)
    }
    if (!names.size) throw new PlatformError('INVALID_INPUT', 'images: no file was sent; drop at least one image')
    return fields
  } catch (error) {
    await drop.discard()
    throw error
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The last segment, without control characters, separators and leading dots: it cannot leave its place. */
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
