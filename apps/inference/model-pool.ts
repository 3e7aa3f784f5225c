/**
 * The model threads of a replica, seen from the HTTP thread. Threads are never terminated while they run a model (that
 * aborts the process): they are asked to end, and a thread that dies takes its replica with it, which its host restarts.
 */

import { Worker } from 'node:worker_threads'
import { PlatformError } from '#core/errors'
import { entryPoint } from '#core/execution'
import { imageCount, type ImageBatch, type Predictions } from '#core/serving'
import type { FromModelThread, ModelThreadData, PassedError, ToModelThread } from './messages.ts'

type BatchResult = readonly (Predictions | Error)[]

interface Pending {
  resolve(results: BatchResult): void
  reject(error: Error): void
}

/** A batch that takes longer will never end, and only the end of the process frees its thread. */
const batchLimitMs = (images: number): number => 60_000 + 2_000 * images

/** One thread; it runs one batch at a time. */
class ModelThread {
  readonly ready: Promise<readonly { images: number; ms: number }[]>
  private readonly worker: Worker
  private readonly pending = new Map<number, Pending>()
  private readonly onDeath: (error: Error) => void
  private nextId = 1

  constructor(data: ModelThreadData, onDeath: (error: Error) => void) {
    this.onDeath = onDeath
    this.worker = new Worker(entryPoint('model-thread'), { workerData: data })
    this.ready = new Promise((resolve, reject) => {
      this.worker.on('message', (message: FromModelThread) => {
        if (message.kind === 'ready') resolve(message.warmUp)
        else if (message.kind === 'fatal') reject(rebuilt(message.error))
        else this.settle(message)
      })
      const died = (error: Error) => {
        reject(error)
        for (const { reject: fail } of this.pending.values()) fail(error)
        onDeath(error)
      }
      this.worker.on('error', died)
      this.worker.on(
        'exit',
        (code) => code !== 0 && died(new PlatformError('INTERNAL', `a model thread ended with ${code}`)),
      )
    })
  }

  get load(): number {
    return this.pending.size
  }

  predict(requests: readonly ImageBatch[]): Promise<BatchResult> {
    const id = this.nextId++
    const copies = requests.map(owned)
    const images = requests.reduce((sum, request) => sum + imageCount(request), 0)
    const hung = setTimeout(() => this.onDeath(new PlatformError('INTERNAL', 'a model hangs')), batchLimitMs(images))
    const answered = new Promise<BatchResult>((resolve, reject) => {
      this.pending.set(id, { resolve, reject })
      this.send(
        { kind: 'predict', id, requests: copies.map(({ request }) => request) },
        copies.flatMap(({ buffers }) => buffers),
      )
    })
    return answered.finally(() => clearTimeout(hung))
  }

  async close(): Promise<void> {
    const gone = new Promise((resolve) => this.worker.once('exit', resolve))
    this.send({ kind: 'close' })
    await gone
  }

  private settle(message: Extract<FromModelThread, { id: number }>): void {
    const pending = this.pending.get(message.id)
    this.pending.delete(message.id)
    if (message.kind === 'failed') pending?.reject(rebuilt(message.error))
    else pending?.resolve(message.results.map((one) => ('error' in one ? rebuilt(one.error) : one)))
  }

  private send(message: ToModelThread, transfer: ArrayBuffer[] = []): void {
    this.worker.postMessage(message, transfer)
  }
}

export class ModelPool {
  private readonly threads: readonly ModelThread[]

  /** @param onDeath - called when a thread dies or hangs: the replica cannot go on. */
  constructor(data: ModelThreadData, threads: number, onDeath: (error: Error) => void) {
    this.threads = Array.from({ length: threads }, () => new ModelThread(data, onDeath))
  }

  /** Resolves when every thread is loaded and warmed, with what the warm-up runs took. */
  async ready(): Promise<{ images: number; ms: number }[]> {
    return (await Promise.all(this.threads.map((thread) => thread.ready))).flat()
  }

  /** Gives the batch to the thread with the least to do. */
  predict(requests: readonly ImageBatch[]): Promise<BatchResult> {
    const [first, ...others] = this.threads
    if (!first) throw new PlatformError('INTERNAL', 'the replica has no model thread')
    return others.reduce((idlest, thread) => (thread.load < idlest.load ? thread : idlest), first).predict(requests)
  }

  async close(): Promise<void> {
    await Promise.all(this.threads.map((thread) => thread.close()))
  }
}

/** A copy whose memory can move to another thread: request bodies are views of larger, shared buffers. */
function owned(request: ImageBatch): { request: ImageBatch; buffers: ArrayBuffer[] } {
  if (request.kind === 'pixels') {
    const pixels = new Uint8Array(request.pixels)
    return { request: { ...request, pixels }, buffers: [pixels.buffer] }
  }
  const files = request.files.map((file) => new Uint8Array(file))
  return { request: { kind: 'encoded', files }, buffers: files.map((file) => file.buffer) }
}

function rebuilt({ code, message }: PassedError): PlatformError {
  return new PlatformError(code, message)
}
