/**
 * A log file that never takes more than its share of the disk: when it is full it becomes `<file>.1`, the former `.1`
 * becomes `.2`, and the oldest goes. Whole lines stay together. Works without logrotate, also on systems that lack it.
 */

import { closeSync, existsSync, fstatSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'

export interface RotatingFileOptions {
  /** A file is closed before it grows beyond this; one longer line may stand in a file of its own. */
  readonly maxBytes?: number
  /** Files in all, the one being written included. */
  readonly keep?: number
}

const MAX_BYTES = 20 * 2 ** 20
const KEEP = 5
const NEWLINE = 0x0a

export class RotatingFile {
  readonly #maxBytes: number
  readonly #keep: number
  #fd: number | null = null
  #size = 0
  #isMidLine = false

  constructor(
    readonly path: string,
    { maxBytes = MAX_BYTES, keep = KEEP }: RotatingFileOptions = {},
  ) {
    this.#maxBytes = maxBytes
    this.#keep = keep
  }

  /** Appends. On a full disk the bytes are lost: a log must not stop what it tells of. */
  write(bytes: Uint8Array): void {
    try {
      this.#open()
      if (this.#size > 0 && this.#size + bytes.byteLength > this.#maxBytes) {
        // A line that was begun is finished first, so that none is torn apart.
        const lineEnd = this.#isMidLine ? bytes.indexOf(NEWLINE) + 1 : 0
        this.#append(bytes.subarray(0, lineEnd))
        this.#rotate()
        bytes = bytes.subarray(lineEnd)
      }
      this.#append(bytes)
    } catch {
      this.close()
    }
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd)
    this.#fd = null
  }

  #open(): void {
    if (this.#fd !== null) return
    this.#fd = openSync(this.path, 'a', 0o600)
    this.#size = fstatSync(this.#fd).size
  }

  #append(bytes: Uint8Array): void {
    this.#open()
    if (this.#fd === null || bytes.byteLength === 0) return
    this.#size += writeSync(this.#fd, bytes)
    this.#isMidLine = bytes.at(-1) !== NEWLINE
  }

  #rotate(): void {
    this.close()
    this.#size = 0
    const numbered = (number: number) => (number === 0 ? this.path : `${this.path}.${number}`)
    rmSync(numbered(this.#keep - 1), { force: true })
    for (let number = this.#keep - 2; number >= 0; number--)
      if (existsSync(numbered(number))) renameSync(numbered(number), numbered(number + 1))
  }
}
