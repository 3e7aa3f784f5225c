/**
 * Image bytes live in packs: tar files of at most 256 MiB, named by their digest, which any tool can open. A row says
 * where in which pack its image lies, so that one image is one range read and training streams whole packs.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import path from 'node:path'
import { PlatformError } from '#core/errors'
import { putBlobFile, sha256Hex, type ObjectStore } from '#core/storage'
import { readPack, refuseDeleted } from './deleted.ts'
import { readReference } from './references.ts'
import type { ImageFacts } from './types.ts'

export const MAX_PACK_BYTES = 256 * 1024 * 1024
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
  for (let from = 0; from < images.length; from = places.length) {
    const pack = new PackWriter(path.join(directory, `pack-${from}.tar`), packBytes)
    const offsets: number[] = []
    try {
      for (let image; (image = images[from + offsets.length]) && pack.hasRoomFor(image.sizeBytes);) {
        offsets.push(pack.add(image, readBytes(image)))
        if (offsets.length % 1024 === 0) signal.throwIfAborted()
      }
    } finally {
      pack.close()
    }
    const { sha256 } = await putBlobFile(store, pack.file)
    for (const offset of offsets) places.push({ pack: sha256, offset })
  }
  return places
}

/** Writes one pack to a local file, image by image. */
export class PackWriter {
  readonly file: string
  readonly #descriptor: number
  readonly #packBytes: number
  #parts: Uint8Array[] = []
  #pending = 0
  #sizeBytes = 0

  /** @param file - replaced where there is one. */
  constructor(file: string, packBytes: number = MAX_PACK_BYTES) {
    this.file = file
    this.#packBytes = packBytes
    this.#descriptor = openSync(file, 'w')
  }

  /** A pack takes images until the next would make it too large, and at least one. */
  hasRoomFor(sizeBytes: number): boolean {
    return this.#sizeBytes === 0 || this.#sizeBytes + 3 * BLOCK + padded(sizeBytes) <= this.#packBytes
  }

  /** @returns where in the pack the image's bytes begin. */
  add({ digest, format }: Pick<Packable, 'digest' | 'format'>, bytes: Uint8Array): number {
    this.#append(tarHeader(`${digest}.${format}`, bytes.length))
    const offset = this.#sizeBytes
    this.#append(bytes)
    const padding = padded(bytes.length) - bytes.length
    if (padding > 0) this.#append(ZEROS.subarray(0, padding))
    return offset
  }

  /** Ends the pack: the file is whole now. */
  close(): void {
    try {
      this.#append(ZEROS)
      this.#write()
    } finally {
      closeSync(this.#descriptor)
    }
  }

  #append(bytes: Uint8Array): void {
    this.#parts.push(bytes)
    this.#pending += bytes.length
    this.#sizeBytes += bytes.length
    if (this.#pending >= BUFFER_BYTES) this.#write()
  }

  #write(): void {
    const bytes = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts)
    for (let written = 0; written < bytes.length;) written += writeSync(this.#descriptor, bytes, written)
    this.#parts = []
    this.#pending = 0
  }
}

const ZEROS = new Uint8Array(2 * BLOCK)

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

/** Where the bytes of an image lie. */
export type ImagePlace = Pick<ImageFacts, 'digest' | 'pack' | 'offset' | 'sizeBytes' | 'uri' | 'etag'>

/** @throws {PlatformError} `OBJECT_CORRUPT` when the bytes do not have the digest of the row; `IMAGE_DELETED`. */
export async function readImage(store: ObjectStore, facts: ImagePlace): Promise<Uint8Array> {
  if (facts.pack === null) return readReference(facts)
  return checked(store, facts, await readPack(store, facts.pack, facts.offset, facts.sizeBytes))
}

function packOf({ digest, pack }: ImagePlace): string {
  if (pack !== null) return pack
  throw new PlatformError('INTERNAL', `image ${digest} lies in no pack`, { digest })
}

/** Reads many images with few reads, pack by pack in the order of their bytes, and last those that lie elsewhere. */
export async function* readImages(store: ObjectStore, images: readonly ImagePlace[]): AsyncIterable<StoredImage> {
  yield* readPacked(
    store,
    images.filter(({ pack }) => pack !== null),
  )
  const elsewhere = images.filter(({ pack }) => pack === null)
  for (let from = 0; from < elsewhere.length; from += READS_AT_ONCE) {
    const some = elsewhere.slice(from, from + READS_AT_ONCE)
    const bytes = await Promise.all(some.map(readReference))
    for (const [i, { digest }] of some.entries()) yield { digest, bytes: bytes[i]! }
  }
}

/** Objects of a bucket that are read side by side. */
const READS_AT_ONCE = 8

async function* readPacked(store: ObjectStore, images: readonly ImagePlace[]): AsyncIterable<StoredImage> {
  const inPackOrder = [...images].sort((a, b) =>
    a.pack === b.pack ? a.offset - b.offset : packOf(a) < packOf(b) ? -1 : 1,
  )
  for (let from = 0; from < inPackOrder.length;) {
    const to = endOfRead(inPackOrder, from)
    const first = inPackOrder[from]!
    const last = inPackOrder[to - 1]!
    const start = first.offset
    const bytes = await readPack(store, packOf(first), start, last.offset + last.sizeBytes - start)
    for (const facts of inPackOrder.slice(from, to))
      yield {
        digest: facts.digest,
        bytes: await checked(
          store,
          facts,
          bytes.subarray(facts.offset - start, facts.offset - start + facts.sizeBytes),
        ),
      }
    from = to
  }
}

/** One read takes neighbours up to `BUFFER_BYTES`, over gaps that cost less than another read. */
function endOfRead(images: readonly ImagePlace[], from: number): number {
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

async function checked(store: ObjectStore, { digest, pack }: ImagePlace, bytes: Uint8Array): Promise<Uint8Array> {
  if (sha256Hex(bytes) === digest) return bytes
  await refuseDeleted(store, digest)
  throw new PlatformError(
    'OBJECT_CORRUPT',
    `image ${digest} in pack ${pack} does not have its digest; restore the pack from a backup`,
    { digest, pack },
  )
}
