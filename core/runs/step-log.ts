/**
 * What steps say, kept in the store: it outlives the workers that ran them and the engine's memory of the run.
 *
 * L1  A log is a row of create-only parts, `runs/<run>/logs/<node>/<number>.jsonl`, numbered from 1 without a gap. Who
 *     writes takes the next free number, so attempts, resumed runs and the chunks of a map share one log, and who reads
 *     goes on after the number of the last part that it saw, and misses nothing.
 * L2  A log that cannot be written never stops the step that speaks.
 * L3  A log ends at 10 MiB; its last line says so.
 */

import type { LogLevel, Spoken } from '#core/log'
import type { ObjectStore } from '#core/storage'

export interface LogLine {
  /** ISO 8601, by the clock of the machine that ran the step. */
  readonly at: string
  readonly level: LogLevel
  readonly text: string
  /** Counts from 1; begins anew when a run is resumed. */
  readonly attempt: number
}

export interface LogPage {
  readonly lines: readonly LogLine[]
  /** What `after` is to be for the lines that follow. */
  readonly next: number
}

export interface StepLogOptions {
  readonly store: ObjectStore
  readonly run: string
  readonly node: string
  readonly attempt: number
  /** The log ends with the part that reaches this. */
  readonly maxBytes?: number
  /** Lines wait so long for company. */
  readonly flushMs?: number
}

const MAX_BYTES = 10 * 2 ** 20
const PART_BYTES = 64 * 2 ** 10
const FLUSH_MS = 2_000
/** A longer line is cut. */
const LONGEST_LINE = 8_192
/** What one page holds of a long log; the next call gives more. */
const PAGE_BYTES = 2 ** 20

const END_OF_LOG: Spoken = {
  level: 'warn',
  text: 'The log of this step ends here: it has reached the most that is kept.',
}

const prefixOf = (run: string, node: string): string => `runs/${run}/logs/${node}/`
const partKey = (run: string, node: string, part: number): string =>
  `${prefixOf(run, node)}${String(part).padStart(6, '0')}.jsonl`
const numberOf = (key: string): number => Number(/(\d+)\.jsonl$/.exec(key)?.[1] ?? 0)

/** Writes what one attempt says. Touches the store only when something was said. */
export class StepLog {
  readonly #options: Required<StepLogOptions>
  #waiting: string[] = []
  #waitingBytes = 0
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()
  /** Where the log stands, once known. */
  #end: { part: number; bytes: number } | null = null
  #isFull = false

  constructor({ maxBytes = MAX_BYTES, flushMs = FLUSH_MS, ...options }: StepLogOptions) {
    this.#options = { ...options, maxBytes, flushMs }
  }

  write({ level, text }: Spoken): void {
    if (this.#isFull) return
    const cut = text.length > LONGEST_LINE ? `${text.slice(0, LONGEST_LINE)} … (cut)` : text
    const line = this.#encode({ level, text: cut })
    this.#waiting.push(line)
    this.#waitingBytes += Buffer.byteLength(line)
    if (this.#waitingBytes >= PART_BYTES) this.#flush()
    else this.#timer ??= setTimeout(() => this.#flush(), this.#options.flushMs)
  }

  /** After this everything that was said is stored, or lost to a store that does not answer. */
  async close(): Promise<void> {
    this.#flush()
    await this.#writing
  }

  #flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#waiting.length === 0) return
    const lines = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    this.#writing = this.#writing.then(() => this.#append(lines)).catch(() => undefined)
  }

  async #append(lines: readonly string[]): Promise<void> {
    const { store, run, node, maxBytes } = this.#options
    for (;;) {
      this.#end ??= await endOf(store, run, node)
      const { part, bytes } = this.#end
      this.#isFull = bytes >= maxBytes
      if (this.#isFull) return
      const size = lines.reduce((sum, line) => sum + Buffer.byteLength(line), 0)
      const isLast = bytes + size >= maxBytes
      const content = Buffer.from([...lines, ...(isLast ? [this.#encode(END_OF_LOG)] : [])].join(''))
      if (await store.create(partKey(run, node, part + 1), content)) {
        this.#end = { part: part + 1, bytes: bytes + content.byteLength }
        return
      }
      // Somebody else wrote: another attempt, another chunk of a map.
      this.#end = null
    }
  }

  #encode({ level, text }: Spoken): string {
    const line: LogLine = { at: new Date().toISOString(), level, text, attempt: this.#options.attempt }
    return `${JSON.stringify(line)}\n`
  }
}

/**
 * The lines after a place, about a mebibyte of them at most; fewer than there are where `next` moved on.
 *
 * @param after - 0 for the beginning, `next` of the page before to go on.
 */
export async function readStepLog(store: ObjectStore, run: string, node: string, after = 0): Promise<LogPage> {
  const lines: LogLine[] = []
  let next = after
  let bytes = 0
  for await (const { key } of store.list(prefixOf(run, node), { startAfter: partKey(run, node, after) })) {
    const part = await store.get(key)
    lines.push(...parse(part))
    next = numberOf(key)
    bytes += part.byteLength
    if (bytes >= PAGE_BYTES) break
  }
  return { lines, next }
}

function parse(part: Uint8Array): readonly LogLine[] {
  const rows = Buffer.from(part).toString('utf8').trimEnd().split('\n')
  return rows.map((row) => JSON.parse(row) as LogLine)
}

async function endOf(store: ObjectStore, run: string, node: string): Promise<{ part: number; bytes: number }> {
  let end = { part: 0, bytes: 0 }
  for await (const { key, sizeBytes } of store.list(prefixOf(run, node)))
    end = { part: numberOf(key), bytes: end.bytes + sizeBytes }
  return end
}
