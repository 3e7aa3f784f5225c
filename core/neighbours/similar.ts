/** Images that look like one: like an image of the version, or like any other, by the vectors of `index-neighbours`. */
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { PlatformError } from '#core/errors'
import { decodePixels } from '#core/images'
import { matrix, openSessionPool, type Matrix, type SessionPool } from '#core/inference'
import type { DatasetVersion, Neighbours } from '#core/steps'
import { blobFile, readBlob, type ObjectStore } from '#core/storage'
import { nearestRows, openNearest } from './nearest.ts'
import { neighboursOf } from './record.ts'
import { readRows } from './space.ts'

const DIGEST_BYTES = 32

export interface SimilarImage {
  readonly digest: string
  /** Cosine of the two looks, −1 to 1; 1 for an equal one. */
  readonly similarity: number
}

export interface SimilarImages {
  /**
   * The images most like one of the version, without itself, best first.
   *
   * @throws {PlatformError} `OBJECT_NOT_FOUND` when the version has no such image.
   */
  toImage(digest: string, count: number): Promise<SimilarImage[]>
  /**
   * The images most like an image file, best first.
   *
   * @throws {PlatformError} `IMAGE_UNREADABLE`, `IMAGE_TOO_LARGE`.
   */
  toBytes(bytes: Uint8Array, count: number): Promise<SimilarImage[]>
  /** float32 [images, 2] in ascending order of digest, coordinates from −1 to 1. */
  map(): Promise<Float32Array>
  close(): Promise<void>
}

/**
 * @returns what answers for this version until it is closed; it holds no vectors in memory, and copies of files where the
 * store is not a folder.
 * @throws {PlatformError} `DATASET_NOT_FOUND`, `DATASET_NOT_MAPPED`.
 */
export async function openSimilar(
  store: ObjectStore,
  version: Pick<DatasetVersion, 'dataset' | 'version'>,
): Promise<SimilarImages> {
  const neighbours = await neighboursOf(store, version)
  const directory = await mkdtemp(path.join(tmpdir(), 'gyre-similar-'))
  const { images: rows, dims } = neighbours
  const vectors = { file: await blobFile(store, neighbours.vectors, directory), rows, dims }
  const digests = await DigestFile.open(await blobFile(store, neighbours.digests, directory), rows)
  const pool = await openNearest()
  let embedder: Promise<SessionPool> | undefined

  const nearest = async (query: Matrix, count: number): Promise<SimilarImage[]> => {
    const [found] = await nearestRows(pool, vectors, query, count)
    return Promise.all(found!.map(async ({ row, similarity }) => ({ digest: await digests.at(row), similarity })))
  }
  return {
    async toImage(digest, count) {
      const row = await digests.rowOf(digest)
      if (row === null)
        throw new PlatformError(
          'OBJECT_NOT_FOUND',
          `version ${version.version} of ${version.dataset} has no image ${digest}`,
          { ...version, digest },
        )
      const query = await readRows(vectors.file, { start: row, count: 1, rows, cols: dims })
      return (await nearest(query, count + 1)).filter((found) => found.digest !== digest).slice(0, count)
    },
    async toBytes(bytes, count) {
      embedder ??= readBlob(store, neighbours.embedder).then((model) => openSessionPool(model, { threads: 1 }))
      return nearest(await lookOf(bytes, neighbours, await embedder), count)
    },
    async map() {
      const bytes = await readBlob(store, neighbours.map)
      return new Float32Array(new Uint8Array(bytes).buffer)
    },
    async close() {
      await Promise.all([pool.close(), embedder?.then((open) => open.close()), digests.close()])
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function lookOf(bytes: Uint8Array, { inputSize, dims }: Neighbours, embedder: SessionPool): Promise<Matrix> {
  const { height, width } = inputSize
  const data = await decodePixels(bytes, inputSize)
  const { look } = await embedder.run({ images: { type: 'uint8', data, dims: [1, height, width, 3] } })
  return matrix(1, dims, look!.data as Float32Array)
}

/** Ascending digests in a file: row to digest by one read, digest to row by a dozen. */
class DigestFile {
  private constructor(
    private readonly handle: Awaited<ReturnType<typeof open>>,
    private readonly rows: number,
  ) {}

  static async open(file: string, rows: number): Promise<DigestFile> {
    return new DigestFile(await open(file), rows)
  }

  /** Lower-case hex. */
  async at(row: number): Promise<string> {
    const digest = Buffer.alloc(DIGEST_BYTES)
    await this.handle.read(digest, 0, DIGEST_BYTES, row * DIGEST_BYTES)
    return digest.toString('hex')
  }

  async rowOf(digest: string): Promise<number | null> {
    let [low, high] = [0, this.rows]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((await this.at(middle)) < digest) low = middle + 1
      else high = middle
    }
    return low < this.rows && (await this.at(low)) === digest ? low : null
  }

  close(): Promise<void> {
    return this.handle.close()
  }
}
