/** Keeps byte strings between reading and packing: small ones in memory, where a file would cost more than their bytes. */
import { closeSync, openSync, readSync, writeSync } from 'node:fs'

const MEMORY_BYTES = 64 * 1024 * 1024

/** First takes everything, then gives it back in any order. */
export class Spool {
  readonly #path: string
  readonly #memoryBytes: number
  #file: number | null = null
  #fileBytes = 0
  /** What lies behind the file's end, in order; one piece once reading has begun. */
  #tail: Uint8Array[] = []
  #tailBytes = 0

  /** @param path - a file to make when the memory is full. */
  constructor(path: string, memoryBytes: number = MEMORY_BYTES) {
    this.#path = path
    this.#memoryBytes = memoryBytes
  }

  /** @returns where the bytes lie, for `read`. */
  append(bytes: Uint8Array): number {
    const at = this.#fileBytes + this.#tailBytes
    this.#tail.push(bytes)
    this.#tailBytes += bytes.length
    if (this.#tailBytes >= this.#memoryBytes) this.#writeTail()
    return at
  }

  read(at: number, sizeBytes: number): Uint8Array {
    if (this.#tail.length > 1) this.#tail = [Buffer.concat(this.#tail)]
    const inTail = at - this.#fileBytes
    const [tail] = this.#tail
    if (tail && inTail >= 0) return tail.subarray(inTail, inTail + sizeBytes)
    const bytes = new Uint8Array(sizeBytes)
    for (let filled = 0; filled < sizeBytes;)
      filled += readSync(this.#file!, bytes, filled, sizeBytes - filled, at + filled)
    return bytes
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file)
    this.#file = null
    this.#tail = []
  }

  #writeTail(): void {
    this.#file ??= openSync(this.#path, 'wx+')
    const bytes = Buffer.concat(this.#tail)
    for (let written = 0; written < bytes.length;)
      written += writeSync(this.#file, bytes, written, bytes.length - written, this.#fileBytes + written)
    this.#fileBytes += bytes.length
    this.#tail = []
    this.#tailBytes = 0
  }
}
