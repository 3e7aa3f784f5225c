/** Tells every watcher of a run when its report changed: one poll of the engine per watched run, however many watch. */

import type { Engine, RunReport } from '#core/runs'

const OVER = new Set(['completed', 'failed', 'cancelled'])

export interface FeedListener {
  changed(report: RunReport): void
  /** The run is over, or the engine gave it up: nothing more will come. */
  ended(): void
}

interface Watched {
  readonly listeners: Set<FeedListener>
  last: string
  report: RunReport | null
  timer: NodeJS.Timeout | undefined
}

export class RunFeed {
  readonly #watched = new Map<string, Watched>()

  constructor(
    private readonly engine: Engine,
    private readonly pollMs: number,
  ) {}

  /** Calls back with the report as it is, then at each change. @returns a function that ends the watching. */
  watch(run: string, listener: FeedListener): () => void {
    let watched = this.#watched.get(run)
    if (!watched) {
      watched = { listeners: new Set(), last: '', report: null, timer: undefined }
      this.#watched.set(run, watched)
      void this.#poll(run, watched)
    } else if (watched.report) listener.changed(watched.report)
    watched.listeners.add(listener)
    return () => this.#leave(run, listener)
  }

  close(): void {
    for (const [run, watched] of this.#watched) this.#end(run, watched)
  }

  #leave(run: string, listener: FeedListener): void {
    const watched = this.#watched.get(run)
    if (!watched?.listeners.delete(listener) || watched.listeners.size) return
    clearTimeout(watched.timer)
    this.#watched.delete(run)
  }

  #end(run: string, watched: Watched): void {
    clearTimeout(watched.timer)
    this.#watched.delete(run)
    for (const listener of watched.listeners) listener.ended()
  }

  async #poll(run: string, watched: Watched): Promise<void> {
    // A failing engine is being restarted: the stream stays open and goes on when it is back.
    const report = await this.engine.show(run).catch(() => null)
    if (this.#watched.get(run) !== watched) return
    if (report) {
      const text = JSON.stringify(report)
      if (text !== watched.last) {
        Object.assign(watched, { last: text, report })
        for (const listener of watched.listeners) listener.changed(report)
      }
      if (OVER.has(report.status)) return this.#end(run, watched)
    }
    watched.timer = setTimeout(() => void this.#poll(run, watched), this.pollMs)
  }
}
