/** Blobs: immutable bytes named by their digest, so that equal bytes are stored once and every reference can be checked. */

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { PlatformError } from '#core/errors'
import type { BlobRef } from '#core/steps'
import { sha256Hex } from './canonical-json.ts'
import { keepStored } from './condemned.ts'
import type { ObjectKey, ObjectStore } from './object-store.ts'

/** `blobs/sha256/<aa>/<digest>`. */
export function blobKey(sha256: string): ObjectKey {
  if (!/^[0-9a-f]{64}$/.test(sha256))
    throw new PlatformError('INVALID_INPUT', `${JSON.stringify(sha256)} is not a SHA-256 digest in lower-case hex`)
  return `blobs/sha256/${sha256.slice(0, 2)}/${sha256}`
}

/** Stores the bytes, or finds them stored. */
export async function putBlob(store: ObjectStore, bytes: Uint8Array): Promise<BlobRef> {
  const sha256 = sha256Hex(bytes)
  await createOrKeep(store, sha256, (key) => store.create(key, bytes))
  return { sha256, sizeBytes: bytes.byteLength }
}

/** As `putBlob` for a local file of any size, read as a stream. Nobody may write to the file meanwhile. */
export async function putBlobFile(store: ObjectStore, path: string): Promise<BlobRef> {
  const sha256 = await digestFile(path)
  const { size } = await stat(path)
  await createOrKeep(store, sha256, (key) => store.createFromFile(key, path))
  return { sha256, sizeBytes: size }
}

/** Whether a blob is there to be named in a record. Stored by others, it may be on its way out: this keeps it. */
export function keepBlob(store: ObjectStore, sha256: string): Promise<boolean> {
  return keepStored(store, blobKey(sha256), sha256)
}

async function createOrKeep(
  store: ObjectStore,
  sha256: string,
  create: (key: ObjectKey) => Promise<boolean>,
): Promise<void> {
  const key = blobKey(sha256)
  while (!(await create(key))) if (await keepStored(store, key, sha256)) return
}

/** @throws {PlatformError} `OBJECT_NOT_FOUND`; `OBJECT_CORRUPT` when the bytes do not have the digest. */
export async function readBlob(store: ObjectStore, blob: BlobRef | string): Promise<Uint8Array> {
  const sha256 = typeof blob === 'string' ? blob : blob.sha256
  const bytes = await store.get(blobKey(sha256))
  const actual = sha256Hex(bytes)
  if (actual !== sha256)
    throw new PlatformError(
      'OBJECT_CORRUPT',
      `blob ${sha256} holds bytes with digest ${actual}; restore it from a backup`,
      { sha256, actual, sizeBytes: bytes.byteLength },
    )
  return bytes
}

/**
 * A local, read-only file with the blob: the stored object itself where the store is a folder, else a copy inside
 * `directory`. The size is checked, the digest is not: large files are read once, by whoever uses them.
 *
 * @throws {PlatformError} `OBJECT_NOT_FOUND`; `OBJECT_CORRUPT` when the size differs from the reference.
 */
export async function blobFile(store: ObjectStore, blob: BlobRef, directory: string): Promise<string> {
  const file = await store.localFile(blobKey(blob.sha256), directory)
  const { size } = await stat(file)
  if (size !== blob.sizeBytes)
    throw new PlatformError(
      'OBJECT_CORRUPT',
      `blob ${blob.sha256} has ${size} bytes, its reference says ${blob.sizeBytes}; restore it from a backup`,
      { sha256: blob.sha256, sizeBytes: blob.sizeBytes, actualBytes: size },
    )
  return file
}

/** SHA-256 of a file's bytes, read as a stream. */
export async function digestFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash)
  return hash.digest('hex')
}
