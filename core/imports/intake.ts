/**
 * Reads the files of a source once: decodes each to see that it is whole, names it by its digest, takes its fingerprint,
 * and keeps its bytes in a spool file until they are packed. Memory holds a few images at a time and a kilobyte for
 * each image taken; the result does not depend on the order in which files arrive.
 */
import path from 'node:path'
import { everyTenth, forEachInFlight, type ImageFacts } from '#core/datasets'
import { isPlatformError } from '#core/errors'
import type { Progress } from '#core/execution'
import { inspectImage, perceptualHash } from '#core/images'
import { sha256Hex } from '#core/storage'
import { MAX_FILE_BYTES, type Arrival, type Source } from './arrivals.ts'
import { Spool } from './spool.ts'

/** Files read and decoded at once: enough to keep libuv's four threads busy. */
const IN_FLIGHT = 8

export interface TakenImage extends Pick<
  ImageFacts,
  'digest' | 'sizeBytes' | 'width' | 'height' | 'format' | 'source'
> {
  /** `perceptualHash` of the image. */
  readonly look: string
  /** uint8 [32, 32]. */
  readonly grey32: Uint8Array
  /** Where its bytes lie in the spool file. */
  readonly spooledAt: number
}

export interface Rejection {
  readonly path: string
  readonly reason: string
}

export interface Duplicate {
  readonly path: string
  /** The path that stands for all files with these bytes: the first in ascending order. */
  readonly sameAs: string
  readonly digest: string
}

export interface Intake {
  /** Ascending by digest. */
  readonly images: readonly TakenImage[]
  /** Ascending by path, as are the rejections. */
  readonly duplicates: readonly Duplicate[]
  readonly rejected: readonly Rejection[]
  readBytes(image: TakenImage): Uint8Array
  /** Ends the use of the spool file. */
  close(): void
}

export interface IntakeOptions {
  /** An empty local folder for the spool. */
  readonly directory: string
  readonly signal: AbortSignal
  progress(progress: Progress): void
}

/** @throws the signal's reason when it is aborted; what the source throws when it breaks off. */
export async function takeIn(source: Source, { directory, signal, progress }: IntakeOptions): Promise<Intake> {
  const spool = new Spool(path.join(directory, 'spool'))
  const fingerprints = new Fingerprints()
  const taken = new Map<string, { image: TakenImage; paths: string[] }>()
  const rejected: Rejection[] = []
  let done = 0
  const report = everyTenth(() => progress({ done, ...totalOf(source), unit: 'images' }))

  const take = async (arrival: Arrival): Promise<void> => {
    signal.throwIfAborted()
    try {
      const bytes = await arrival.read()
      const digest = sha256Hex(bytes)
      const known = taken.get(digest)
      if (known) known.paths.push(arrival.path)
      else await takeNew(arrival.path, bytes, digest)
    } catch (error) {
      if (!isPlatformError(error) || !error.code.startsWith('IMAGE_')) throw error
      rejected.push({ path: arrival.path, reason: error.message })
    }
    done++
    report()
  }
  const takeNew = async (source: string, bytes: Uint8Array, digest: string): Promise<void> => {
    const { grey32, format, width, height } = await inspectImage(bytes)
    const raced = taken.get(digest) // The same bytes may have been decoded beside this file.
    if (raced) return void raced.paths.push(source)
    const facts = { digest, sizeBytes: bytes.length, width, height, format, source }
    const look = perceptualHash(grey32)
    const image = { ...facts, look, grey32: fingerprints.keep(grey32), spooledAt: spool.append(bytes) }
    taken.set(digest, { image, paths: [source] })
  }

  try {
    await forEachInFlight(
      source.files,
      { pieces: IN_FLIGHT, bytesOf: ({ sizeBytes }) => sizeBytes, mostBytes: MAX_FILE_BYTES },
      take,
    )
    progress({ done, total: done, unit: 'images' })
  } catch (error) {
    spool.close()
    throw error
  }
  return {
    ...inOrder(taken, rejected),
    readBytes: ({ spooledAt, sizeBytes }) => spool.read(spooledAt, sizeBytes),
    close: () => spool.close(),
  }
}

function totalOf({ total }: Source): { total?: number } {
  return total === undefined ? {} : { total }
}

function inOrder(
  taken: ReadonlyMap<string, { readonly image: TakenImage; readonly paths: readonly string[] }>,
  rejected: readonly Rejection[],
): Pick<Intake, 'images' | 'duplicates' | 'rejected'> {
  const images: TakenImage[] = []
  const duplicates: Duplicate[] = []
  for (const { image, paths } of taken.values()) {
    const [first, ...others] = [...paths].sort()
    images.push({ ...image, source: first! })
    for (const path of others) duplicates.push({ path, sameAs: first!, digest: image.digest })
  }
  return {
    images: images.sort((a, b) => (a.digest < b.digest ? -1 : 1)),
    duplicates: duplicates.sort(byPath),
    rejected: [...rejected].sort(byPath),
  }
}

function byPath(a: { readonly path: string }, b: { readonly path: string }): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0
}

/** Fingerprints lie side by side in pieces of this size: a small array each would burden the garbage collector. */
const PIECE_BYTES = 4 * 1024 * 1024

class Fingerprints {
  #piece = new Uint8Array(0)
  #used = 0

  keep(grey32: Uint8Array): Uint8Array {
    if (this.#used + grey32.length > this.#piece.length) {
      this.#piece = new Uint8Array(PIECE_BYTES)
      this.#used = 0
    }
    const kept = this.#piece.subarray(this.#used, (this.#used += grey32.length))
    kept.set(grey32)
    return kept
  }
}
