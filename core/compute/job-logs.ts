/** Reads the output of a job from the files that it writes to: as a stream of lines while it runs, and its tail. */

import { open } from 'node:fs/promises'
import { StringDecoder } from 'node:string_decoder'

const CHUNK_BYTES = 64 * 1024

/** Cuts a growing file into lines: each `read` gives those completed since the last one. A missing file is empty. */
export class LineReader {
  readonly #decoder = new StringDecoder('utf8')
  #offset = 0
  #partial = ''

  constructor(
    readonly file: string,
    readonly onLine: (line: string) => void,
  ) {}

  async read(): Promise<void> {
    for (;;) {
      const chunk = await readChunk(this.file, this.#offset, CHUNK_BYTES)
      if (chunk.byteLength === 0) return
      this.#offset += chunk.byteLength
      const lines = (this.#partial + this.#decoder.write(chunk)).split('\n')
      this.#partial = lines.pop() ?? ''
      for (const line of lines) this.onLine(line)
    }
  }

  /** Gives what follows the last line feed, where there is anything. */
  end(): void {
    const last = this.#partial + this.#decoder.end()
    this.#partial = ''
    if (last !== '') this.onLine(last)
  }
}

/** The last lines of a file (of its last 64 KiB); a missing file has none. */
export async function tailOf(file: string, lines: number): Promise<readonly string[]> {
  const size = await sizeOf(file)
  const text = (await readChunk(file, Math.max(0, size - CHUNK_BYTES), CHUNK_BYTES)).toString('utf8')
  const all = text.split('\n')
  if (all.at(-1) === '') all.pop()
  return lines > 0 ? all.slice(-lines) : []
}

async function readChunk(file: string, offset: number, length: number): Promise<Buffer> {
  return withFile(file, Buffer.alloc(0), async (handle) => {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, offset)
    return buffer.subarray(0, bytesRead)
  })
}

async function sizeOf(file: string): Promise<number> {
  return withFile(file, 0, async (handle) => (await handle.stat()).size)
}

async function withFile<T>(
  file: string,
  missing: T,
  use: (handle: Awaited<ReturnType<typeof open>>) => Promise<T>,
): Promise<T> {
  let handle
  try {
    handle = await open(file, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return missing
    throw error
  }
  try {
    return await use(handle)
  } finally {
    await handle.close()
  }
}
