/**
 * The lines of one generation, each once and in order, from two sources: the live log of its Pods, and the parts that their
 * supervisors stored. Live lines are for who watches; what they missed is read from the parts when a Pod has ended.
 *
 * Both hold the same lines of each stream in the same order, so a count per Pod and stream says where to go on. (A kubelet keeps
 * about 50 MiB of a log: who begins to watch after that misses lines of the live view.)
 */

import { setTimeout as delay } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import type { ObjectStore } from '#core/storage'
import type { KubeApi } from './api.ts'
import { ERROR_MARK } from './classify.ts'
import type { PodObject } from './job-objects.ts'
import { readPodLog } from './log-reader.ts'

type Stream = 'out' | 'err'

export interface StoredLine {
  readonly stream: Stream
  readonly text: string
}

/** What one Pod's supervisor stored. */
export interface StoredLog {
  readonly pod: string
  readonly lines: readonly StoredLine[]
}

interface Part {
  readonly pod: string
  readonly part: number
  readonly lines: readonly StoredLine[]
}

/** @param prefix - of the parts, ending in '/'. @returns the Pods' logs in the order in which they ran. */
export async function readStoredLogs(store: ObjectStore, prefix: string): Promise<readonly StoredLog[]> {
  const logs = new Map<string, StoredLine[]>()
  const seen = new Set<string>()
  for await (const { key } of store.list(prefix)) {
    const { pod, part, lines } = parse(await store.get(key))
    // A part whose answer was lost is stored in two slots.
    if (seen.has(`${pod}/${part}`)) continue
    seen.add(`${pod}/${part}`)
    logs.set(pod, [...(logs.get(pod) ?? []), ...lines])
  }
  return [...logs].map(([pod, lines]) => ({ pod, lines }))
}

function parse(bytes: Uint8Array): Part {
  const [head = '{}', ...rest] = gunzipSync(bytes).toString('utf8').trimEnd().split('\n')
  const { pod = '', part = 0 } = JSON.parse(head) as { pod?: string; part?: number }
  const lines = rest.map((line) => {
    const { s, l } = JSON.parse(line) as { s: Stream; l: string }
    return { stream: s, text: l }
  })
  return { pod, part, lines }
}

/** Gives lines on, once each. */
export class LineFeed {
  /** How many lines of each stream of each Pod were given. */
  readonly #given = new Map<string, number>()

  constructor(readonly onLine: Readonly<Record<Stream, (line: string) => void>>) {}

  /** A line of a Pod's live log, which marks those of standard error. */
  live(pod: string, line: string): void {
    if (line.startsWith(ERROR_MARK)) this.#give(pod, 'err', line.slice(ERROR_MARK.length))
    else this.#give(pod, 'out', line)
  }

  /** What the live log did not give. */
  stored(logs: readonly StoredLog[]): void {
    for (const { pod, lines } of logs) {
      const left = { out: this.#givenOf(pod, 'out'), err: this.#givenOf(pod, 'err') }
      for (const { stream, text } of lines)
        if (left[stream] > 0) left[stream] -= 1
        else this.#give(pod, stream, text)
    }
  }

  #give(pod: string, stream: Stream, line: string): void {
    this.#given.set(`${pod}/${stream}`, this.#givenOf(pod, stream) + 1)
    this.onLine[stream](line)
  }

  #givenOf(pod: string, stream: Stream): number {
    return this.#given.get(`${pod}/${stream}`) ?? 0
  }
}

export interface LiveLogOptions {
  readonly api: KubeApi
  readonly container: string
  readonly feed: LineFeed
  readonly stored: () => Promise<readonly StoredLog[]>
}

/** Follows the Pod that runs now; its predecessors' lines come first. */
export class LiveLog {
  #pod: string | null = null
  #abort = new AbortController()
  #reading: Promise<unknown> = Promise.resolve()

  constructor(readonly options: LiveLogOptions) {}

  async follow(pod: PodObject | null): Promise<void> {
    const name = pod?.metadata.name
    if (!pod || name === undefined || name === this.#pod || !hasStarted(pod)) return
    await this.stop()
    const { api, container, feed, stored } = this.options
    feed.stored((await stored()).filter((log) => log.pod !== name))
    this.#pod = name
    this.#abort = new AbortController()
    const onLine = (line: string): void => feed.live(name, line)
    this.#reading = readPodLog({ api, pod: name, container, signal: this.#abort.signal, onLine })
  }

  /** Waits for the end of the log, for a while. */
  async end(ms: number): Promise<void> {
    await Promise.race([this.#reading, delay(ms, undefined, { ref: false })])
  }

  /** After this no line comes. */
  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#reading
  }
}

function hasStarted({ status }: PodObject): boolean {
  const state = status?.containerStatuses?.[0]?.state
  return state?.running !== undefined || state?.terminated !== undefined
}
