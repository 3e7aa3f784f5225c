/** A folder on this machine as the source of a task: listed once, then read image by image in any order. */

import { open, readdir, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { PlatformError } from '#core/errors'

/** Larger files are refused unread: no image of 100 megapixels needs more. */
const MAX_FILE_BYTES = 512 * 1024 * 1024

/**
 * Paths of all files in a folder and its sub-folders, relative, `/`-separated, ascending. Hidden files are no part of
 * an image set.
 *
 * @throws {PlatformError} `DATASET_SOURCE_NOT_FOUND`; `DATASET_EMPTY`.
 */
export async function listFolder(folder: string): Promise<readonly string[]> {
  const facts = await stat(folder).catch(() => null)
  if (!facts?.isDirectory())
    throw new PlatformError(
      'DATASET_SOURCE_NOT_FOUND',
      `there is no folder ${folder}; give a folder with images, or import an archive as a dataset first`,
      { folder },
    )
  const paths: string[] = []
  await collect(folder, '', paths)
  if (paths.length === 0)
    throw new PlatformError('DATASET_EMPTY', `the folder ${folder} holds no files; point to one with images`, {
      folder,
    })
  return paths.sort()
}

async function collect(folder: string, prefix: string, paths: string[]): Promise<void> {
  for (const entry of await readdir(path.join(folder, prefix), { withFileTypes: true })) {
    if (entry.name.startsWith('.') || entry.name === '__MACOSX') continue
    if (entry.isDirectory()) await collect(folder, `${prefix}${entry.name}/`, paths)
    else paths.push(prefix + entry.name)
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file any more',
  EACCES: 'cannot be read: permission denied',
  EPERM: 'cannot be read: permission denied',
  EISDIR: 'a link to a folder',
  ELOOP: 'a link that leads to itself',
  EIO: 'cannot be read: the disk reports an error',
}

/**
 * @param relative - from `listFolder`.
 * @throws {PlatformError} `IMAGE_UNREADABLE` or `IMAGE_TOO_LARGE` with a reason for a person; links out of the folder are not followed.
 */
export async function readFromFolder(folder: string, relative: string): Promise<Uint8Array> {
  try {
    const root = await realpath(folder)
    const file = await realpath(path.join(root, relative))
    if (!file.startsWith(root + path.sep)) throw unreadable('a link that leads outside the folder')
    return await readRegularFile(file)
  } catch (error) {
    const reason = REASONS[(error as NodeJS.ErrnoException).code ?? '']
    throw reason ? unreadable(reason, error) : error
  }
}

async function readRegularFile(file: string): Promise<Uint8Array> {
  if (!(await stat(file)).isFile()) throw unreadable('not a regular file')
  const handle = await open(file, 'r')
  try {
    const { size } = await handle.stat()
    if (size > MAX_FILE_BYTES)
      throw new PlatformError(
        'IMAGE_TOO_LARGE',
        `has ${Math.ceil(size / 2 ** 20)} MiB; an image file may have at most 512 MiB`,
      )
    return await handle.readFile()
  } finally {
    await handle.close()
  }
}

function unreadable(reason: string, cause?: unknown): PlatformError {
  return new PlatformError('IMAGE_UNREADABLE', reason, {}, { cause })
}
