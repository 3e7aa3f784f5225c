/**
 * Continuous micro-batching: whenever a lane (a model thread) is free, it takes what waits, up to a full batch, at once.
 * Nobody waits for company, and company forms by itself under load.
 *
 * B1  At most `queueLimit` requests wait; one more is refused at once, not after a timeout.
 * B2  A request that would wait longer than its deadline, by the learned service time, is refused at once.
 * B3  Requests start in the order they came; each is answered exactly once: result, own error, or cancellation.
 * B4  A request whose signal aborts before it starts is never run.
 */

import { PlatformError } from '#core/errors'
import { ServiceTime } from './service-time.ts'

export interface BatcherOptions<T, R> {
  /** Runs one batch; results in order of items. An `Error` among them fails that item alone, a rejection all of them. */
  run(items: readonly T[]): Promise<readonly (R | Error)[]>
  /** Images in an item. An item larger than a batch runs alone. */
  images(item: T): number
  /** Batches that run at the same time. */
  readonly lanes: number
  /** Images in a batch at most. */
  readonly maxBatch: number
  readonly queueLimit: number
  /** Longest wait that a request without a deadline of its own accepts. */
  readonly deadlineMs: number
  /** Milliseconds, monotonic. */
  readonly now?: () => number
}

export interface Served<R> {
  readonly result: R
  readonly queueMs: number
  readonly runMs: number
  /** Images in the batch that it was part of. */
  readonly batchImages: number
}

interface Waiting<T, R> {
  readonly item: T
  readonly images: number
  readonly since: number
  readonly resolve: (served: Served<R>) => void
  readonly reject: (error: unknown) => void
  readonly forget: () => void
}

export class Batcher<T, R> {
  private readonly options: BatcherOptions<T, R>
  private readonly now: () => number
  private readonly queue: Waiting<T, R>[] = []
  private readonly serviceTime = new ServiceTime()
  private waitingImages = 0
  private runningImages = 0
  private busyLanes = 0
  private idleWaiters: (() => void)[] = []

  constructor(options: BatcherOptions<T, R>) {
    this.options = options
    this.now = options.now ?? (() => performance.now())
  }

  /** Requests that wait. */
  get waiting(): number {
    return this.queue.length
  }

  /** Requests wait or batches run. */
  get busy(): boolean {
    return this.queue.length > 0 || this.busyLanes > 0
  }

  /** Tells how long a batch took outside of the queue, for the estimate: warm-up runs. */
  learn(images: number, ms: number): void {
    this.serviceTime.observe(images, ms)
  }

  /** Milliseconds until a request that came now would start, as far as is known. */
  estimatedWaitMs(): number {
    if (this.busyLanes < this.options.lanes) return 0
    const { maxBatch, lanes } = this.options
    const ahead = this.waitingImages + this.runningImages
    const fullBatches = Math.floor(ahead / maxBatch)
    const total = fullBatches * this.serviceTime.estimate(maxBatch) + this.serviceTime.estimate(ahead % maxBatch)
    return total / lanes
  }

  /**
   * @param limits - `deadlineMs`: the longest wait that still helps the caller; `signal`: aborts when the caller is gone.
   * @throws {PlatformError} `ENDPOINT_OVERLOADED` with `details.retryAfterSeconds` (B1, B2); the signal's reason (B4).
   */
  submit(item: T, limits: { deadlineMs?: number; signal?: AbortSignal } = {}): Promise<Served<R>> {
    return new Promise((resolve, reject) => {
      const { signal } = limits
      if (signal?.aborted) return reject(signal.reason as Error)
      const refusal = this.refusal(limits.deadlineMs ?? this.options.deadlineMs)
      if (refusal) return reject(refusal)
      const onAbort = () => this.cancel(waiting, signal?.reason)
      const waiting: Waiting<T, R> = {
        item,
        images: this.options.images(item),
        since: this.now(),
        resolve,
        reject,
        forget: () => signal?.removeEventListener('abort', onAbort),
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.queue.push(waiting)
      this.waitingImages += waiting.images
      this.dispatch()
    })
  }

  /** Resolves when nothing waits and nothing runs. */
  idle(): Promise<void> {
    return this.busy ? new Promise((resolve) => this.idleWaiters.push(resolve)) : Promise.resolve()
  }

  private refusal(deadlineMs: number): PlatformError | null {
    const waitMs = this.estimatedWaitMs()
    const { queueLimit } = this.options
    const reason =
      this.queue.length >= queueLimit
        ? `${queueLimit} requests wait already`
        : waitMs > deadlineMs
          ? `the wait would be about ${Math.ceil(waitMs)} ms, longer than the deadline of ${deadlineMs} ms`
          : null
    if (reason === null) return null
    const retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1000))
    return new PlatformError('ENDPOINT_OVERLOADED', `${reason}; try again in ${retryAfterSeconds} s`, {
      retryAfterSeconds,
    })
  }

  private cancel(waiting: Waiting<T, R>, reason: unknown): void {
    const at = this.queue.indexOf(waiting)
    if (at < 0) return // It runs already; its answer goes nowhere.
    this.queue.splice(at, 1)
    this.waitingImages -= waiting.images
    waiting.reject(reason)
    this.settleIdle()
  }

  private dispatch(): void {
    while (this.busyLanes < this.options.lanes && this.queue.length > 0) void this.runBatch(this.takeBatch())
  }

  private takeBatch(): Waiting<T, R>[] {
    const batch: Waiting<T, R>[] = []
    let images = 0
    for (let next = this.queue[0]; next; next = this.queue[0]) {
      if (batch.length > 0 && images + next.images > this.options.maxBatch) break
      images += next.images
      batch.push(next)
      this.queue.shift()
      next.forget()
    }
    this.waitingImages -= images
    return batch
  }

  private async runBatch(batch: readonly Waiting<T, R>[]): Promise<void> {
    const images = batch.reduce((sum, one) => sum + one.images, 0)
    const started = this.now()
    this.busyLanes += 1
    this.runningImages += images
    try {
      const results = await this.options.run(batch.map((one) => one.item))
      const runMs = this.now() - started
      this.serviceTime.observe(images, runMs)
      batch.forEach((one, i) => {
        const result = results[i]
        if (result instanceof Error || result === undefined) one.reject(result ?? new Error('the batch lost an item'))
        else one.resolve({ result, queueMs: started - one.since, runMs, batchImages: images })
      })
    } catch (error) {
      for (const one of batch) one.reject(error)
    } finally {
      this.busyLanes -= 1
      this.runningImages -= images
      this.dispatch()
      this.settleIdle()
    }
  }

  private settleIdle(): void {
    if (this.busy) return
    for (const resolve of this.idleWaiters.splice(0)) resolve()
  }
}
