/**
 * What an object of the store names: every run of 64 hex digits in its text, or in the text columns of a table. So a
 * reference counts whatever field it stands in, also one that is added tomorrow; a digest that names no blob costs nothing.
 */

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'
import { PlatformError } from '#core/errors'
import type { ObjectInfo, ObjectStore } from '#core/storage'
import type { DigestFinder } from '#core/tables'

const DIGEST = /[0-9a-f]{64}/g
const DIGEST_DIGITS = 64
/** Enough to tell text, a table and other bytes apart. */
const HEAD_BYTES = 4 * 1024
const PART_BYTES = 4 * 1024 * 1024
const TABLE_MAGIC = 'PAR1'

export interface Reading {
  readonly store: ObjectStore
  /** A local folder for copies of tables, where the store is no folder itself. */
  readonly scratchDir: string
}

interface Search extends Reading {
  /** For tables: knows which digests matter. */
  readonly finder: () => Promise<DigestFinder>
}

/**
 * Digests in an object, with repeats; of a table those that the finder seeks.
 *
 * @throws {PlatformError} `OBJECT_NOT_FOUND`; `STORE_UNAVAILABLE` where the store gives fewer bytes than it says the object
 *   has; `OBJECT_CORRUPT` for a table that cannot be read.
 */
export async function* digestsIn(
  { store, scratchDir, finder }: Search,
  { key, sizeBytes }: ObjectInfo,
): AsyncIterable<string> {
  if (sizeBytes < DIGEST_DIGITS) return
  const head = await wholeRange(store, key, 0, Math.min(sizeBytes, HEAD_BYTES))
  if (Buffer.from(head.subarray(0, TABLE_MAGIC.length)).toString('latin1') === TABLE_MAGIC)
    yield* await digestsOfTable(store, key, { scratchDir, finder })
  else if (isText(head)) yield* digestsOfText(store, key, sizeBytes, head)
}

/** UTF-8 and its like: without the control characters that other bytes are full of. */
function isText(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte >= 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d)
}

async function* digestsOfText(
  store: ObjectStore,
  key: string,
  sizeBytes: number,
  head: Uint8Array,
): AsyncIterable<string> {
  let rest = ''
  for (let offset = 0; offset < sizeBytes;) {
    const part = offset === 0 ? head : await wholeRange(store, key, offset, Math.min(PART_BYTES, sizeBytes - offset))
    offset += part.byteLength
    const text = rest + Buffer.from(part).toString('latin1')
    for (const [digest] of text.matchAll(DIGEST)) yield digest
    // A digest may lie across two parts; one that lies whole in the rest is told twice.
    rest = text.slice(-DIGEST_DIGITS)
  }
}

async function digestsOfTable(
  store: ObjectStore,
  key: string,
  { scratchDir, finder }: Pick<Search, 'scratchDir' | 'finder'>,
): Promise<readonly string[]> {
  await mkdir(scratchDir, { recursive: true })
  const directory = await mkdtemp(path.join(scratchDir, 'table-'))
  try {
    return await (await finder()).inTable(await store.localFile(key, directory))
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** A body that ends too early must not look like an object that names less. */
async function wholeRange(store: ObjectStore, key: string, offset: number, length: number): Promise<Uint8Array> {
  const bytes = await store.getRange(key, offset, length)
  if (bytes.byteLength === length) return bytes
  throw new PlatformError(
    'STORE_UNAVAILABLE',
    `${store.uri} gave ${bytes.byteLength} of ${length} bytes of ${key} at ${offset}; nothing was removed, try again`,
    { uri: store.uri, key, offset, length },
  )
}
