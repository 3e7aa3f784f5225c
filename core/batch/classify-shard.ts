/** The work of one shard: read, decode, classify. What goes wrong with an image stays with that image. */

import { decodePixels, type PixelSize } from '#core/images'
import { sha256Hex } from '#core/storage'
import type { BatchItem, BatchRow, BatchVerdict } from './records.ts'
import { isRefusal, type ReadItem } from './sources.ts'

/** Images in one run of the model: a fraction of a second, so that a cancel is noticed soon. */
const RUN_IMAGES = 16

/** What looks at the pixels: uint8 [n, H, W, 3] → n verdicts, batch after batch, in order. */
export interface BatchClassifier {
  classify(
    batches: AsyncIterable<Uint8Array>,
    options: { signal: AbortSignal },
  ): AsyncGenerator<readonly BatchVerdict[]>
  close(): Promise<void>
}

export interface ShardOptions {
  readonly classifier: BatchClassifier
  readonly inputSize: PixelSize
  readonly read: ReadItem
  readonly signal: AbortSignal
  /** Called after each run of the model with the images done in this shard. */
  readonly onProgress: (done: number) => void
}

type Decoded = { readonly image: string | null } & ({ readonly pixels: Uint8Array } | { readonly reason: string })

/** @returns a row for each item, in their order. */
export async function classifyShard(items: readonly BatchItem[], options: ShardOptions): Promise<readonly BatchRow[]> {
  const { classifier, signal, onProgress } = options
  const rows: BatchRow[] = items.map(({ path, image }) => ({ path, image, class: null, score: null, reason: null }))
  const waiting: number[][] = []

  async function* batches(): AsyncGenerator<Uint8Array> {
    for (let start = 0; start < items.length; start += RUN_IMAGES) {
      signal.throwIfAborted()
      const decoded = await Promise.all(items.slice(start, start + RUN_IMAGES).map((item) => decode(item, options)))
      const readable: number[] = []
      const pixels: Uint8Array[] = []
      decoded.forEach((one, i) => {
        const row = start + i
        rows[row] = { ...rows[row]!, image: one.image, reason: 'reason' in one ? one.reason : null }
        if ('reason' in one) return
        readable.push(row)
        pixels.push(one.pixels)
      })
      if (pixels.length === 0) continue
      waiting.push(readable)
      yield Buffer.concat(pixels)
    }
  }

  for await (const verdicts of classifier.classify(batches(), { signal })) {
    const classified = waiting.shift()!
    verdicts.forEach((verdict, i) => (rows[classified[i]!] = { ...rows[classified[i]!]!, ...verdict }))
    onProgress(classified.at(-1)! + 1)
  }
  signal.throwIfAborted()
  return rows
}

/** A refused image is a result; anything else is a failure of ours, and the attempt ends. */
async function decode(item: BatchItem, { read, inputSize }: ShardOptions): Promise<Decoded> {
  let image = item.image
  try {
    const bytes = await read(item)
    image ??= sha256Hex(bytes)
    return { image, pixels: await decodePixels(bytes, inputSize) }
  } catch (error) {
    if (isRefusal(error)) return { image, reason: error.message }
    throw error
  }
}
