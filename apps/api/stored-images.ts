/** Stored images on their way to a browser: a content type that is safe to name, and thumbnails made once. */

import pLimit from 'p-limit'

const CACHE_BYTES = 128 * 2 ** 20
/** So long a picture of an image that was deleted may still be shown. */
const MAX_AGE_MS = 10 * 60_000
/** Thumbnails decoded at the same time; sharp has threads of its own. */
const DECODERS = 4

/** By the first bytes, never by a name; anything unknown is a download. */
export function contentTypeOf(bytes: Uint8Array): string {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 12)).toString('latin1')
  if (head.startsWith('\xff\xd8\xff')) return 'image/jpeg'
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'image/png'
  if (head.startsWith('GIF8')) return 'image/gif'
  if (head.startsWith('RIFF') && head.slice(8) === 'WEBP') return 'image/webp'
  if (head.startsWith('II*\0') || head.startsWith('MM\0*')) return 'image/tiff'
  return 'application/octet-stream'
}

/** Least-recently-used by bytes. A thumbnail asked for twice at once is made once. */
export class ThumbnailCache {
  readonly #cached = new Map<string, { readonly bytes: Uint8Array; readonly madeAtMs: number }>()
  readonly #making = new Map<string, Promise<Uint8Array>>()
  readonly #limit = pLimit(DECODERS)
  #bytes = 0

  constructor(
    private readonly make: (image: Uint8Array, size: number) => Promise<Uint8Array>,
    private readonly capacityBytes: number = CACHE_BYTES,
  ) {}

  async get(key: string, size: number, load: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const cached = this.#cached.get(key)
    if (cached && performance.now() - cached.madeAtMs < MAX_AGE_MS) {
      this.#cached.delete(key)
      this.#cached.set(key, cached)
      return cached.bytes
    }
    let making = this.#making.get(key)
    if (!making) {
      making = this.#limit(async () => this.make(await load(), size))
      this.#making.set(key, making)
      void making
        .then((made) => this.#keep(key, made))
        .catch(() => undefined)
        .finally(() => this.#making.delete(key))
    }
    return making
  }

  #keep(key: string, made: Uint8Array): void {
    this.#bytes += made.length - (this.#cached.get(key)?.bytes.length ?? 0)
    this.#cached.delete(key)
    this.#cached.set(key, { bytes: made, madeAtMs: performance.now() })
    for (const [oldest, { bytes }] of this.#cached) {
      if (this.#bytes <= this.capacityBytes) break
      this.#cached.delete(oldest)
      this.#bytes -= bytes.length
    }
  }
}
