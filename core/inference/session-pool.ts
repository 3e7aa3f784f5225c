/**
 * One model in several threads, for passes over many images.
 *
 * P1  A thread is never terminated: ending one inside a run would abort the whole process. `close` lets runs finish.
 * P2  Outputs come in the order of the inputs and do not depend on the number of threads.
 *
 * Needs the compiled `session-thread`; without a build the one session runs in the calling thread, with the same results.
 */

import { existsSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { PlatformError, type ErrorCode, type ErrorDetails } from '#core/errors'
import { entryPoint } from '#core/execution'
import { breathe } from './matrix.ts'
import { openOnnxSession } from './onnx.ts'
import type { Tensor } from './session.ts'

export type Tensors = Readonly<Record<string, Tensor>>

export interface SessionPool {
  /** Runs that can go on at the same time; 1 where the calling thread does the work. */
  readonly threads: number
  /** Runs one batch when a thread is free. The memory of the inputs is handed over: do not touch it afterwards. */
  run(inputs: Tensors): Promise<Tensors>
  /** Lets what was asked for finish, then ends the threads. */
  close(): Promise<void>
}

export type ThreadRequest = { readonly id: number; readonly inputs: Tensors } | { readonly close: true }
export type ThreadReply =
  | { readonly id: number; readonly outputs: Tensors }
  | {
      readonly id: number
      readonly error: { readonly code: ErrorCode; readonly message: string; readonly details: ErrorDetails }
    }

/**
 * @param threads - sessions at work side by side, each with its own copy of the model; 0: one in the calling thread.
 * @throws {PlatformError} `INVALID_INPUT` when the model does not load.
 */
export async function openSessionPool(model: Uint8Array, { threads = 2 } = {}): Promise<SessionPool> {
  const entry = entryPoint('session-thread')
  if (threads === 0 || !existsSync(entry)) return inCallingThread(model)
  const opening = await Promise.allSettled(Array.from({ length: threads }, () => openThread(entry, model)))
  const opened = opening.filter((o) => o.status === 'fulfilled').map((o) => o.value)
  const failure = opening.find((o) => o.status === 'rejected')
  if (failure) {
    await Promise.all(opened.map((thread) => thread.close()))
    throw failure.reason
  }
  return {
    threads,
    run: (inputs) => opened.reduce((a, b) => (b.waiting < a.waiting ? b : a)).run(inputs),
    close: async () => void (await Promise.all(opened.map((thread) => thread.close()))),
  }
}

/**
 * Runs every batch and yields the outputs in order. At most two batches per thread are in memory.
 *
 * @param batches - made one at a time, when there is room.
 */
export function mapBatches(
  pool: SessionPool,
  batches: AsyncIterable<Tensors> | Iterable<Tensors>,
  options: { signal?: AbortSignal } = {},
): AsyncGenerator<Tensors> {
  return mapInOrder(batches, (batch) => pool.run(batch), { ...options, atOnce: 2 * pool.threads })
}

/** Calls `use` for every item, `atOnce` of them at the same time, and yields the results in order. */
export async function* mapInOrder<T, R>(
  items: AsyncIterable<T> | Iterable<T>,
  use: (item: T) => Promise<R>,
  { atOnce, signal }: { atOnce: number; signal?: AbortSignal },
): AsyncGenerator<R> {
  const running: Promise<R>[] = []
  try {
    for await (const item of items) {
      signal?.throwIfAborted()
      running.push(use(item))
      if (running.length >= atOnce) yield await running.shift()!
    }
    while (running.length > 0) yield await running.shift()!
  } finally {
    // After an abort or an error, what still runs is nobody's: its failure is no news.
    await Promise.allSettled(running)
  }
}

interface Thread {
  /** Runs asked for and not answered. */
  readonly waiting: number
  run(inputs: Tensors): Promise<Tensors>
  close(): Promise<void>
}

interface Pending {
  resolve(outputs: Tensors): void
  reject(error: unknown): void
}

async function openThread(entry: string, model: Uint8Array): Promise<Thread> {
  const worker = new Worker(entry, { workerData: { model } })
  const pending = new Map<number, Pending>()
  let next = 0
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  const failAll = (error: unknown) => {
    for (const { reject } of pending.values()) reject(error)
    pending.clear()
  }
  const request = (send: (id: number) => void) =>
    new Promise<Tensors>((resolve, reject) => {
      const id = next++
      pending.set(id, { resolve, reject })
      send(id)
    })
  worker.on('message', (reply: ThreadReply) => {
    const waiting = pending.get(reply.id)
    pending.delete(reply.id)
    if ('outputs' in reply) waiting?.resolve(reply.outputs)
    else waiting?.reject(new PlatformError(reply.error.code, reply.error.message, reply.error.details))
  })
  worker.once('error', failAll)
  worker.once('exit', () => failAll(new PlatformError('INTERNAL', 'an inference thread ended before it answered')))
  // Reply 0 says that the session is open; the thread sends it by itself.
  await request(() => {})
  return {
    get waiting() {
      return pending.size
    },
    run: (inputs) => request((id) => worker.postMessage({ id, inputs } satisfies ThreadRequest, memoryOf(inputs))),
    async close() {
      worker.postMessage({ close: true } satisfies ThreadRequest)
      await ended
    },
  }
}

/** Views into a larger buffer are cloned instead: a transfer would take the whole buffer away. */
function memoryOf(tensors: Tensors): ArrayBuffer[] {
  const own = Object.values(tensors).filter((t) => t.data.byteLength === t.data.buffer.byteLength)
  return [...new Set(own.map((t) => t.data.buffer as ArrayBuffer))]
}

async function inCallingThread(model: Uint8Array): Promise<SessionPool> {
  const session = await openOnnxSession(model)
  let last: Promise<unknown> = Promise.resolve()
  return {
    threads: 1,
    run(inputs) {
      const answer = last.then(() => breathe()).then(() => session.run(inputs))
      last = answer.catch(() => {})
      return answer
    },
    async close() {
      await last
      await session.release()
    },
  }
}
