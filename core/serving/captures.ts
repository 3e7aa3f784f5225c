/**
 * Predicted images kept for labelling: `captures/<endpoint>/<replica>/<digest>` holds the file, the same key with
 * `.json` what was predicted. Create-only, named by content, so that repeats cost nothing.
 *
 * C1  A replica keeps at most its share of the byte budget (the shares sum to it), also over restarts. Between two looks
 *     at what all of them kept it adds at most its part of the room there was, so that together they stay within it,
 *     also where Pods with new names follow those that kept something.
 * C2  A file is there before its prediction, so that what has a prediction is whole.
 */

import { z } from 'zod'
import { artifacts } from '#core/steps'
import { canonicalJson, sha256Hex, type ObjectStore } from '#core/storage'

export const capturedPrediction = z.object({
  digest: artifacts.sha256,
  class: z.string(),
  score: z.number(),
  revision: z.int().positive(),
  at: z.iso.datetime(),
})
export type CapturedPrediction = z.infer<typeof capturedPrediction>

export interface CapturedImage {
  /** Key of the file; its prediction is at `<key>.json`. */
  readonly key: string
  readonly digest: string
  readonly sizeBytes: number
}

/** Files that wait for a write at most: a slow store costs captures, never answers. */
const PENDING_LIMIT = 64
/** How often it looks what others kept, and what was collected since. */
const RECOUNT_MS = 5_000

export class CaptureWriter {
  private readonly options: {
    readonly store: ObjectStore
    readonly endpoint: string
    readonly revision: number
    /** A segment of keys, of this replica alone. */
    readonly replica: string
    /** How many replicas the budget is shared among. */
    readonly replicas: number
    readonly budgetBytes: number
  }
  private known = new Set<string>()
  private roomBytes = 0
  private countedAt = -Infinity
  private pending = 0
  private last: Promise<void> = Promise.resolve()

  constructor(options: CaptureWriter['options']) {
    this.options = options
  }

  /** Keeps the file if it is new and the share has room. Resolves when that is decided and done; never rejects for room. */
  offer(file: Uint8Array, prediction: { readonly class: string; readonly score: number }): Promise<void> {
    if (this.pending >= PENDING_LIMIT || this.options.budgetBytes === 0) return Promise.resolve()
    const bytes = Uint8Array.from(file)
    this.pending += 1
    // One after the other: two files at once could each find room for itself alone (C1).
    const turn = this.last.then(() => this.keep(bytes, prediction))
    this.last = turn.catch(() => undefined).finally(() => (this.pending -= 1))
    return turn
  }

  private async keep(file: Uint8Array, prediction: { class: string; score: number }): Promise<void> {
    await this.recount()
    const digest = sha256Hex(file)
    if (this.known.has(digest) || file.length > this.roomBytes) return
    const { store, endpoint, revision, replica } = this.options
    const key = `captures/${endpoint}/${replica}/${digest}`
    this.known.add(digest)
    this.roomBytes -= file.length
    await store.create(key, file)
    const record: CapturedPrediction = { digest, ...prediction, revision, at: new Date().toISOString() }
    await store.create(`${key}.json`, Buffer.from(canonicalJson(record)))
  }

  private async recount(): Promise<void> {
    if (performance.now() - this.countedAt < RECOUNT_MS) return
    const { store, endpoint, replica, replicas, budgetBytes } = this.options
    const found: CapturedImage[] = []
    for await (const image of capturedImages(store, `captures/${endpoint}/`)) found.push(image)
    const own = found.filter(({ key }) => key.startsWith(`captures/${endpoint}/${replica}/`))
    this.known = new Set(found.map(({ digest }) => digest))
    this.roomBytes = Math.min(budgetBytes / replicas - sumBytes(own), (budgetBytes - sumBytes(found)) / replicas)
    this.countedAt = performance.now()
  }
}

function sumBytes(images: readonly CapturedImage[]): number {
  return images.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}

/** Captured files under a prefix, ascending by key. */
export async function* capturedImages(store: ObjectStore, prefix: string): AsyncIterable<CapturedImage> {
  for await (const { key, sizeBytes } of store.list(prefix)) {
    const digest = key.slice(key.lastIndexOf('/') + 1)
    if (/^[0-9a-f]{64}$/.test(digest)) yield { key, digest, sizeBytes }
  }
}
