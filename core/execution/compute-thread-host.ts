/** One compute thread, as the process that started it sees it. */

import { Worker } from 'node:worker_threads'
import { PlatformError, type ErrorCode, type ErrorDetails } from '#core/errors'
import type { Logger, Spoken } from '#core/log'
import type { SessionState } from '#core/labelling'
import type { Progress } from './context.ts'
import { entryPoint } from './entry-point.ts'
import type { BodyHooks, BodyRequest } from './run-body.ts'

/** What a compute thread is told. An abort is meant for the call at work. */
export type ToThread =
  { readonly kind: 'call'; readonly request: BodyRequest } | { readonly kind: 'abort' } | { readonly kind: 'close' }

/** What a compute thread says. */
export type FromThread =
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'session'; readonly state: SessionState }
  | { readonly kind: 'log'; readonly line: Spoken }
  | { readonly kind: 'done'; readonly output: unknown }
  | { readonly kind: 'aborted' }
  | {
      readonly kind: 'failed'
      readonly code: ErrorCode
      readonly message: string
      readonly details: ErrorDetails
      readonly stack: string | null
    }

interface Call {
  readonly step: string
  readonly hooks: BodyHooks
  resolve(output: unknown): void
  reject(error: unknown): void
}

export class ComputeThread {
  readonly #thread = new Worker(entryPoint('compute-thread'))
  readonly #log: Logger
  #call: Call | null = null
  #error: Error | null = null
  #isAlive = true
  /** Resolves when the thread is no more. */
  readonly ended: Promise<void>

  constructor(log: Logger) {
    this.#log = log
    this.#thread.on('message', (message: FromThread) => this.#hear(message))
    this.#thread.on('error', (error: Error) => (this.#error = error))
    this.ended = new Promise((resolve) => this.#thread.once('exit', () => resolve(this.#end())))
    this.#thread.unref()
  }

  /**
   * Carries out one body; only one at a time. On abort the thread is asked, never terminated: the body ends at its next
   * check, within a second, and only then does this reject with the signal's reason.
   */
  async call(request: BodyRequest, hooks: BodyHooks): Promise<unknown> {
    const onAbort = (): void => this.#tell({ kind: 'abort' })
    this.#thread.ref()
    try {
      return await new Promise((resolve, reject) => {
        this.#call = { step: request.step, hooks, resolve, reject }
        this.#tell({ kind: 'call', request })
        hooks.signal.addEventListener('abort', onAbort, { once: true })
        if (hooks.signal.aborted) onAbort()
      })
    } finally {
      hooks.signal.removeEventListener('abort', onAbort)
      this.#thread.unref()
    }
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  /** Lets the thread end by itself. */
  close(): void {
    this.#tell({ kind: 'close' })
  }

  #tell(message: ToThread): void {
    this.#thread.postMessage(message)
  }

  #hear(message: FromThread): void {
    const call = this.#call
    if (!call) return
    switch (message.kind) {
      case 'progress':
        return call.hooks.onProgress(message.progress)
      case 'session':
        return call.hooks.onSession(message.state)
      case 'log':
        return call.hooks.onLog?.(message.line)
    }
    this.#call = null
    if (message.kind === 'done') return call.resolve(message.output)
    if (message.kind === 'aborted') return call.reject(call.hooks.signal.reason)
    const { code, details, stack } = message
    if (stack) this.#log.error({ step: call.step, stack }, 'step failed unexpectedly')
    call.reject(new PlatformError(code, message.message, details))
  }

  #end(): void {
    this.#isAlive = false
    const call = this.#call
    this.#call = null
    const what = this.#error?.message ?? 'its thread ended without a result'
    const cause = this.#error ? { cause: this.#error } : {}
    call?.reject(new PlatformError('INTERNAL', `step ${call.step}: ${what}`, {}, cause))
  }
}
