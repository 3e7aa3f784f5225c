/**
 * Decodes the images of a version once, to one size, into one file that embedding, training, evaluation and proof
 * share. It is cached by the images alone: versions that differ in labels have the same matrix.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { isPlatformError } from '#core/errors'
import type { StepContext } from '#core/execution'
import { DECODER_VERSION, decodePixels, type PixelSize } from '#core/images'
import type { BlobRef, DatasetVersion } from '#core/steps'
import { blobFile, blobKey, canonicalJson, digestJson, putBlobFile, type ObjectStore } from '#core/storage'
import { everyTenth, forEachInFlight } from './in-flight.ts'
import { openVersion } from './reader.ts'
import { withScratch } from './scratch.ts'
import { readManifest } from './manifest.ts'

const IN_FLIGHT = 8

export interface PixelMatrix extends PixelSize {
  /** A local, read-only file: uint8 [images, height, width, 3], rows in ascending order of image digest. */
  readonly file: string
  readonly images: number
}

/** @throws {PlatformError} `DATASET_NOT_FOUND`; the signal's reason when it is aborted. */
export async function pixelMatrix(
  ctx: Pick<StepContext, 'store' | 'scratchDir' | 'signal' | 'progress'>,
  version: Pick<DatasetVersion, 'dataset' | 'version'>,
  { height, width }: PixelSize,
): Promise<PixelMatrix> {
  const { store, scratchDir } = ctx
  const { imageSet, images } = await readManifest(store, version.dataset, version.version)
  const key = `cache/pixels/${digestJson({ imageSet, height, width, decoder: DECODER_VERSION })}.json`
  const blob = (await cached(store, key)) ?? (await decodeAll(ctx, version, { height, width }, key))
  return { file: await blobFile(store, blob, scratchDir), images, height, width }
}

/** The cached matrix, unless its blob was collected since. */
async function cached(store: ObjectStore, key: string): Promise<BlobRef | null> {
  const record = await store.get(key).catch((error: unknown) => {
    if (isPlatformError(error) && error.code === 'OBJECT_NOT_FOUND') return null
    throw error
  })
  if (!record) return null
  const blob = JSON.parse(Buffer.from(record).toString()) as BlobRef
  return (await store.head(blobKey(blob.sha256))) && blob
}

async function decodeAll(
  { store, scratchDir, signal, progress }: Pick<StepContext, 'store' | 'scratchDir' | 'signal' | 'progress'>,
  version: Pick<DatasetVersion, 'dataset' | 'version'>,
  size: PixelSize,
  key: string,
): Promise<BlobRef> {
  const reader = await openVersion(store, version)
  const facts = await reader.facts()
  const rowOf = new Map(facts.map(({ digest }, row) => [digest, row]))
  const rowBytes = size.height * size.width * 3
  return withScratch(async (directory) => {
    const file = path.join(directory, 'pixels')
    const handle = openSync(file, 'wx')
    let done = 0
    const say = (): void => progress({ done, total: facts.length, unit: 'images', note: 'decoding' })
    const report = everyTenth(say)
    try {
      await forEachInFlight(reader.images(), { pieces: IN_FLIGHT }, async ({ digest, bytes }) => {
        signal.throwIfAborted()
        writeAt(handle, await decodePixels(bytes, size), rowOf.get(digest)! * rowBytes)
        done++
        report()
      })
      say()
    } finally {
      closeSync(handle)
    }
    const blob = await putBlobFile(store, file)
    // The set of images beside it: when one of them is deleted, their pixels go.
    await store.create(key, Buffer.from(canonicalJson({ ...blob, imageSet: reader.manifest.imageSet })))
    return blob
  }, scratchDir)
}

/** Synchronous: rows are small, and a hand-over to another thread costs more than the copy to the page cache. */
function writeAt(file: number, bytes: Uint8Array, at: number): void {
  for (let written = 0; written < bytes.length;)
    written += writeSync(file, bytes, written, bytes.length - written, at + written)
}

/**
 * Reads rows of a pixel matrix.
 *
 * @param rows - a run of rows, or row numbers in any order.
 * @returns uint8 [rows, height, width, 3].
 */
export async function readPixelRows(
  { file, height, width }: Pick<PixelMatrix, 'file' | 'height' | 'width'>,
  rows: { readonly start: number; readonly count: number } | ArrayLike<number>,
): Promise<Uint8Array> {
  const rowBytes = height * width * 3
  const runs = 'start' in rows ? [{ at: 0, ...rows }] : runsOf(rows)
  const total = runs.reduce((sum, { count }) => sum + count, 0)
  const pixels = new Uint8Array(total * rowBytes)
  const handle = await open(file, 'r')
  try {
    for (const { at, start, count } of runs)
      await readAt(handle, pixels.subarray(at * rowBytes, (at + count) * rowBytes), start * rowBytes)
  } finally {
    await handle.close()
  }
  return pixels
}

/** Neighbouring rows are read together. */
function runsOf(rows: ArrayLike<number>): { at: number; start: number; count: number }[] {
  const runs: { at: number; start: number; count: number }[] = []
  for (let at = 0; at < rows.length; at++) {
    const last = runs.at(-1)
    if (last && rows[at] === last.start + last.count) last.count++
    else runs.push({ at, start: rows[at]!, count: 1 })
  }
  return runs
}

async function readAt(handle: FileHandle, into: Uint8Array, at: number): Promise<void> {
  for (let filled = 0; filled < into.length;) {
    const { bytesRead } = await handle.read(into, filled, into.length - filled, at + filled)
    if (bytesRead === 0) throw new RangeError(`row at byte ${at} lies beyond the pixel matrix`)
    filled += bytesRead
  }
}
