/**
 * Image bytes live in packs: tar files of at most 256 MiB, named by their digest, which any tool can open. A row says
 * where in which pack its image lies, so that one image is one range read and training streams whole packs.
 */
import { open } from 'node:fs/promises'
import path from 'node:path'
import { PlatformError } from '#core/errors'
import { blobKey, putBlobFile, sha256Hex, type ObjectStore } from '#core/storage'
import type { ImageFacts } from './types.ts'

const MAX_PACK_BYTES = 256 * 1024 * 1024
const BLOCK = 512
const BUFFER_BYTES = 4 * 1024 * 1024

export interface PackPlace {
  readonly pack: string
  readonly offset: number
}

type Packable = Pick<ImageFacts, 'digest' | 'sizeBytes' | 'format'>

export interface PackOptions {
  readonly store: ObjectStore
  /** A local folder for the pack being written. */
  readonly directory: string
  readonly signal: AbortSignal
  /** What a pack of several images never exceeds. */
  readonly packBytes?: number
}

/**
 * Packs images in the order given; the same images in the same order make the same packs.
 *
 * @returns the place of each image, in the same order.
 */
export async function writePacks<I extends Packable>(
  images: readonly I[],
  readBytes: (image: I) => Uint8Array,
  { store, directory, signal, packBytes = MAX_PACK_BYTES }: PackOptions,
): Promise<PackPlace[]> {
  const places: PackPlace[] = []
  for (let from = 0; from < images.length;) {
    const to = endOfPack(images, from, packBytes)
    const file = path.join(directory, `pack-${from}.tar`)
    const offsets = await writePack(file, images.slice(from, to), readBytes, signal)
    const { sha256 } = await putBlobFile(store, file)
    for (const offset of offsets) places.push({ pack: sha256, offset })
    from = to
  }
  return places
}

/** A pack takes images until the next would make it too large, and at least one. */
function endOfPack(images: readonly Packable[], from: number, packBytes: number): number {
  let size = 2 * BLOCK
  let to = from
  while (to < images.length) {
    size += BLOCK + padded(images[to]!.sizeBytes)
    if (size > packBytes && to > from) break
    to++
  }
  return to
}

async function writePack<I extends Packable>(
  file: string,
  images: readonly I[],
  readBytes: (image: I) => Uint8Array,
  signal: AbortSignal,
): Promise<number[]> {
  const handle = await open(file, 'w')
  try {
    const offsets: number[] = []
    let parts: Uint8Array[] = []
    let position = 0
    let pending = 0
    const add = (bytes: Uint8Array): void => {
      parts.push(bytes)
      position += bytes.length
      pending += bytes.length
    }
    for (const image of images) {
      add(tarHeader(`${image.digest}.${image.format}`, image.sizeBytes))
      offsets.push(position)
      add(readBytes(image))
      add(new Uint8Array(padded(image.sizeBytes) - image.sizeBytes))
      if (pending < BUFFER_BYTES) continue
      signal.throwIfAborted()
      await handle.writeFile(Buffer.concat(parts))
      parts = []
      pending = 0
    }
    add(new Uint8Array(2 * BLOCK))
    await handle.writeFile(Buffer.concat(parts))
    return offsets
  } finally {
    await handle.close()
  }
}

function padded(bytes: number): number {
  return Math.ceil(bytes / BLOCK) * BLOCK
}

/** A header of POSIX ustar (IEEE 1003.1-2008, "pax"), with nothing in it but name and size. */
function tarHeader(name: string, sizeBytes: number): Uint8Array {
  const header = Buffer.alloc(BLOCK)
  const octal = (value: number, at: number, digits: number): void =>
    void header.write(value.toString(8).padStart(digits, '0'), at, 'latin1')
  header.write(name, 0, 'latin1')
  octal(0o644, 100, 7)
  octal(0, 108, 7)
  octal(0, 116, 7)
  octal(sizeBytes, 124, 11)
  octal(0, 136, 11)
  header.write('        0', 148, 'latin1')
  header.write('ustar\0' + '00', 257, 'latin1')
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    6,
  )
  header[154] = 0
  return header
}

export interface StoredImage {
  readonly digest: string
  readonly bytes: Uint8Array
}

/** @throws {PlatformError} `OBJECT_CORRUPT` when the bytes do not have the digest of the row. */
export async function readImage(store: ObjectStore, facts: ImageFacts): Promise<Uint8Array> {
  return checked(facts, await store.getRange(blobKey(packOf(facts)), facts.offset, facts.sizeBytes))
}

function packOf({ digest, pack }: ImageFacts): string {
  if (pack !== null) return pack
  throw new PlatformError('INTERNAL', `image ${digest} lies in no pack`, { digest })
}

/** Reads many images with few reads, pack by pack in the order of their bytes. */
export async function* readImages(store: ObjectStore, images: readonly ImageFacts[]): AsyncIterable<StoredImage> {
  const inPackOrder = [...images].sort((a, b) =>
    a.pack === b.pack ? a.offset - b.offset : packOf(a) < packOf(b) ? -1 : 1,
  )
  for (let from = 0; from < inPackOrder.length;) {
    const to = endOfRead(inPackOrder, from)
    const first = inPackOrder[from]!
    const last = inPackOrder[to - 1]!
    const start = first.offset
    const bytes = await store.getRange(blobKey(packOf(first)), start, last.offset + last.sizeBytes - start)
    for (const facts of inPackOrder.slice(from, to))
      yield {
        digest: facts.digest,
        bytes: checked(facts, bytes.subarray(facts.offset - start, facts.offset - start + facts.sizeBytes)),
      }
    from = to
  }
}

/** One read takes neighbours up to `BUFFER_BYTES`, over gaps that cost less than another read. */
function endOfRead(images: readonly ImageFacts[], from: number): number {
  const first = images[from]!
  let to = from + 1
  for (; to < images.length; to++) {
    const next = images[to]!
    const previous = images[to - 1]!
    if (next.pack !== first.pack || next.offset + next.sizeBytes - first.offset > BUFFER_BYTES) break
    if (next.offset - (previous.offset + previous.sizeBytes) > BUFFER_BYTES / 64) break
  }
  return to
}

function checked({ digest, pack }: ImageFacts, bytes: Uint8Array): Uint8Array {
  if (sha256Hex(bytes) === digest) return bytes
  throw new PlatformError(
    'OBJECT_CORRUPT',
    `image ${digest} in pack ${pack} does not have its digest; restore the pack from a backup`,
    { digest, pack },
  )
}
