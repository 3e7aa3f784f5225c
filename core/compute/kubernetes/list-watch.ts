/**
 * Keeps a copy of all objects of one kind up to date: lists them, then watches for changes, and goes on through whatever
 * happens to the connection. One copy a process serves everybody who waits for an object in it.
 *
 * L1  It never ends by itself. Any end of a watch (a reset, silence, 410, 429, 5xx, a line that is no JSON) is followed by
 *     another, after a pause of 0.2 to 30 s with jitter.
 * L2  The copy is right within five minutes whatever was lost on the way: the full list is read again that often.
 * L3  Listeners hear of each change once, in order, after the copy has it; a list read again tells only what differs.
 * L4  Silence is not trusted: the server sends a bookmark about once a minute, so 90 s without a byte is a dead connection.
 */

import type { Logger } from '#core/log'
import { KubeError, type KubeApi, type KubeObject } from './api.ts'
import { Backoff } from './backoff.ts'
import { linesOf } from './lines.ts'

export interface WatchOptions<T extends KubeObject> {
  readonly api: KubeApi
  /** The collection, as `/apis/batch/v1/namespaces/gyre/jobs`. */
  readonly path: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
  /** What to remember of an object; all of it where left out. Must keep `metadata.name`. */
  readonly keep?: (object: T) => T
  /** Told when the copy begins to grow old, and null when it is fresh again. */
  readonly onTrouble?: (sentence: string | null) => void
  readonly log?: Logger
  readonly timing?: Partial<WatchTiming>
}

export interface WatchTiming {
  readonly idleMs: number
  readonly relistMs: number
  /** The server ends a watch after a random time between these. */
  readonly watchSeconds: readonly [least: number, most: number]
  readonly backoffMs: readonly [first: number, most: number]
  readonly pageSize: number
}

export interface ObjectChange<T> {
  readonly type: 'set' | 'gone'
  readonly object: T
}

/** Counted since the start. */
export interface WatchCounts {
  readonly lists: number
  readonly watches: number
  /** Lines of a watch that were no event. */
  readonly unreadable: number
}

export interface ObjectWatch<T extends KubeObject> {
  get(name: string): T | undefined
  values(): readonly T[]
  /** @returns a function that ends the subscription. */
  changed(listener: (change: ObjectChange<T>) => void): () => void
  /** Resolves after the first full list; rejects only when stopped before. */
  readonly synced: Promise<void>
  /** Why the copy may be old; null while it is fresh. */
  readonly trouble: string | null
  readonly counts: WatchCounts
  stop(): void
}

const TIMING: WatchTiming = {
  idleMs: 90_000,
  relistMs: 300_000,
  watchSeconds: [240, 300],
  backoffMs: [200, 30_000],
  pageSize: 100,
}

/** After so many failures one upon the other the revision itself may be the cause: the list is read again. */
const RELIST_AFTER = 3

/** Starts at once and goes on until it is stopped. */
export function watchObjects<T extends KubeObject>(options: WatchOptions<T>): ObjectWatch<T> {
  return new ListWatch(options)
}

interface Known<T> {
  readonly revision: string | undefined
  readonly object: T
}

interface ListAnswer<T> {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string }
  readonly items: readonly T[]
}

interface WatchEvent {
  readonly type: string
  readonly object: KubeObject & { readonly code?: number; readonly reason?: string; readonly message?: string }
}

class ListWatch<T extends KubeObject> implements ObjectWatch<T> {
  readonly synced: Promise<void>
  trouble: string | null = null
  readonly counts = { lists: 0, watches: 0, unreadable: 0 }
  readonly #options: WatchOptions<T>
  readonly #timing: WatchTiming
  readonly #stopping = new AbortController()
  readonly #known = new Map<string, Known<T>>()
  readonly #listeners = new Set<(change: ObjectChange<T>) => void>()
  /** Where to watch from; null when the list must be read first. */
  #revision: string | null = null
  #listedAt = 0
  readonly #backoff: Backoff

  constructor(options: WatchOptions<T>) {
    this.#options = options
    this.#timing = { ...TIMING, ...options.timing }
    this.#backoff = new Backoff(...this.#timing.backoffMs)
    this.synced = new Promise((resolve, reject) => {
      void this.#run(resolve).finally(() => reject(new Error(`the watch of ${options.path} was stopped`)))
    })
    this.synced.catch(() => undefined) // Nobody needs to wait for it.
  }

  get(name: string): T | undefined {
    return this.#known.get(name)?.object
  }

  values(): readonly T[] {
    return [...this.#known.values()].map(({ object }) => object)
  }

  changed(listener: (change: ObjectChange<T>) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  stop(): void {
    this.#stopping.abort()
  }

  async #run(onSynced: () => void): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      try {
        if (this.#revision === null || this.#isListOld()) {
          await this.#list()
          onSynced()
        }
        await this.#watch(this.#revision ?? '')
        await this.#backoff.pause(signal)
      } catch (error) {
        if (signal.aborted) return
        await this.#recover(error)
      }
    }
  }

  #isListOld(): boolean {
    return Date.now() >= this.#listedAt + this.#timing.relistMs
  }

  async #recover(error: unknown): Promise<void> {
    const failures = (this.#backoff.failures += 1)
    const expired = error instanceof KubeError && error.status === 410
    if (expired || error instanceof Unreadable || failures >= RELIST_AFTER) this.#revision = null
    if (error instanceof KubeError && !expired && !(error instanceof Broken)) this.#tellTrouble(error.message)
    this.#options.log?.[this.trouble ? 'warn' : 'debug']({ err: error, path: this.#options.path }, 'watch interrupted')
    const askedMs = error instanceof KubeError ? (error.retryAfterSeconds ?? 0) * 1000 : 0
    await this.#backoff.pause(this.#stopping.signal, askedMs)
  }

  async #list(): Promise<void> {
    const { api, path, labelSelector, fieldSelector, keep } = this.#options
    const startedAt = Date.now()
    const found = new Map<string, Known<T>>()
    let revision = ''
    let next: string | undefined
    do {
      const page: ListAnswer<T> = await api.request('GET', path, {
        query: { labelSelector, fieldSelector, limit: this.#timing.pageSize, continue: next },
        signal: this.#stopping.signal,
      })
      for (const object of page.items) found.set(object.metadata.name, remembered(object, keep))
      revision = page.metadata.resourceVersion
      next = page.metadata.continue || undefined
    } while (next)
    this.counts.lists += 1
    this.#revision = revision
    this.#listedAt = startedAt
    this.#tellTrouble(null)
    this.#adopt(found)
  }

  #adopt(found: ReadonlyMap<string, Known<T>>): void {
    for (const [name, { object }] of [...this.#known])
      if (!found.has(name)) {
        this.#known.delete(name)
        this.#tell({ type: 'gone', object })
      }
    for (const [name, entry] of found) this.#set(name, entry)
  }

  #set(name: string, entry: Known<T>): void {
    if (entry.revision !== undefined && this.#known.get(name)?.revision === entry.revision) return
    this.#known.set(name, entry)
    this.#tell({ type: 'set', object: entry.object })
  }

  /** Returns when the server ends the watch or the list has grown old. @throws whatever breaks it. */
  async #watch(resourceVersion: string): Promise<void> {
    const { api, path, labelSelector, fieldSelector } = this.#options
    const [least, most] = this.#timing.watchSeconds
    const timeoutSeconds = Math.round(least + Math.random() * (most - least))
    const silent = new KubeError(0, 'Silent', `${api.server} said nothing for ${this.#timing.idleMs / 1000} s`)
    const relistAt = this.#listedAt + this.#timing.relistMs
    const watchdog = new Watchdog(this.#timing.idleMs, silent, relistAt, this.#stopping.signal)
    const query = {
      labelSelector,
      fieldSelector,
      resourceVersion,
      timeoutSeconds,
      watch: true,
      allowWatchBookmarks: true,
    }
    let isOpen = false
    let lines = 0
    try {
      const stream = await api.stream(path, { query, signal: watchdog.signal })
      isOpen = true
      this.counts.watches += 1
      this.#tellTrouble(null)
      for await (const { text } of linesOf(watchdog.watchOver(stream))) {
        lines += 1
        this.#take(text)
      }
    } catch (error) {
      if (watchdog.isListOld) return
      if (isOpen && error instanceof KubeError && error.status === 0) throw new Broken(error)
      throw error
    } finally {
      watchdog.end()
    }
    // A server that takes watches and closes them at once must not be asked as fast as it can answer.
    if (lines === 0) throw new Broken(new KubeError(0, 'Ended', `${api.server} ended a watch that had said nothing`))
  }

  #take(line: string): void {
    const { type, object } = this.#parse(line)
    if (type === 'ERROR')
      throw new KubeError(object.code ?? 500, object.reason ?? 'InternalError', object.message ?? 'the watch failed')
    if (type !== 'BOOKMARK' && type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED') return
    this.#backoff.failures = 0
    this.#revision = object.metadata.resourceVersion ?? this.#revision
    if (type === 'BOOKMARK') return
    const entry = remembered(object as T, this.#options.keep)
    if (type !== 'DELETED') return this.#set(object.metadata.name, entry)
    if (this.#known.delete(object.metadata.name)) this.#tell({ type: 'gone', object: entry.object })
  }

  #parse(line: string): WatchEvent {
    try {
      const event = JSON.parse(line) as WatchEvent
      if (typeof event.type === 'string' && typeof event.object === 'object') return event
    } catch {
      // Told below.
    }
    this.counts.unreadable += 1
    throw new Unreadable(`a line of the watch of ${this.#options.path} is no event: ${line.slice(0, 200)}`)
  }

  #tell(change: ObjectChange<T>): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(change)
      } catch (error) {
        this.#options.log?.error({ err: error, path: this.#options.path }, 'a listener of the watch failed')
      }
    }
  }

  #tellTrouble(sentence: string | null): void {
    if (sentence === this.trouble) return
    this.trouble = sentence
    this.#options.onTrouble?.(sentence)
  }
}

/** A line that is no event: something was lost, so the list is read again. */
class Unreadable extends Error {}

/** A watch that worked and then broke: ordinary, no trouble until the next one cannot be opened. */
class Broken extends KubeError {
  constructor(cause: KubeError) {
    super(cause.status, cause.reason, cause.message, null, { cause })
  }
}

/** Ends a watch on silence, and when it is time for the next full list. */
class Watchdog {
  readonly signal: AbortSignal
  isListOld = false
  readonly #idle = new AbortController()
  readonly #old = new AbortController()
  readonly #idleTimer: NodeJS.Timeout
  readonly #oldTimer: NodeJS.Timeout

  constructor(idleMs: number, silent: Error, relistAt: number, stopping: AbortSignal) {
    this.signal = AbortSignal.any([this.#idle.signal, this.#old.signal, stopping])
    this.#idleTimer = setTimeout(() => this.#idle.abort(silent), idleMs)
    this.#oldTimer = setTimeout(
      () => {
        this.isListOld = true
        this.#old.abort()
      },
      Math.max(0, relistAt - Date.now()),
    )
  }

  async *watchOver(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of stream) {
      this.#idleTimer.refresh()
      yield chunk
    }
  }

  end(): void {
    clearTimeout(this.#idleTimer)
    clearTimeout(this.#oldTimer)
  }
}

function remembered<T extends KubeObject>(object: T, keep: ((object: T) => T) | undefined): Known<T> {
  return { revision: object.metadata.resourceVersion, object: keep ? keep(object) : object }
}
