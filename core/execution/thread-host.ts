import { Worker } from 'node:worker_threads'
import { PlatformError, type ErrorCode, type ErrorDetails } from '#core/errors'
import type { Logger, Spoken } from '#core/log'
import type { SessionState } from '#core/labelling'
import type { Progress } from './context.ts'
import { entryPoint } from './entry-point.ts'
import type { BodyHooks, BodyRequest } from './run-body.ts'

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

/**
 * Runs a body in a thread of its own. On abort the thread is asked, never terminated: it ends at its next check, within
 * a second, and only then does this reject with the signal's reason.
 */
export function runInThread(request: BodyRequest, hooks: BodyHooks, log: Logger): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(entryPoint('compute-thread'), { workerData: request })
    const onAbort = (): void => thread.postMessage('abort')
    hooks.signal.addEventListener('abort', onAbort, { once: true })
    if (hooks.signal.aborted) onAbort()
    let settle = (): void =>
      reject(new PlatformError('INTERNAL', `the thread of step ${request.step} ended without a result`))
    thread.on('message', (message: FromThread) => {
      switch (message.kind) {
        case 'progress':
          return hooks.onProgress(message.progress)
        case 'session':
          return hooks.onSession(message.state)
        case 'log':
          return hooks.onLog?.(message.line)
        case 'done':
          settle = () => resolve(message.output)
          return
        case 'aborted':
          settle = () => reject(hooks.signal.reason as Error)
          return
        case 'failed': {
          const { code, details, stack } = message
          if (stack) log.error({ step: request.step, stack }, 'step failed unexpectedly')
          settle = () => reject(new PlatformError(code, message.message, details))
        }
      }
    })
    thread.on('error', (error: Error) => {
      settle = () =>
        reject(new PlatformError('INTERNAL', `step ${request.step}: ${error.message}`, {}, { cause: error }))
    })
    thread.on('exit', () => {
      hooks.signal.removeEventListener('abort', onAbort)
      settle()
    })
  })
}
