/**
 * A worker thread for bodies, one after another: computation happens here, so that heartbeats and HTTP never wait for it.
 * It ends when it is asked to and idle: terminating a thread inside a run of ONNX Runtime aborts the whole process.
 */

import { parentPort } from 'node:worker_threads'
import { isPlatformError, toPlatformError } from '#core/errors'
import type { Spoken } from '#core/log'
import { divertConsole } from './divert-console.ts'
import { runBody, type BodyRequest } from './run-body.ts'
import type { FromThread, ToThread } from './compute-thread-host.ts'

const port = parentPort!
const send = (message: FromThread): void => port.postMessage(message)
let abort = new AbortController()

port.on('message', (message: ToThread) => {
  switch (message.kind) {
    case 'call':
      abort = new AbortController()
      void carryOut(message.request, abort.signal)
      return
    case 'abort':
      abort.abort(new DOMException('the step was cancelled', 'AbortError'))
      return
    case 'close':
      port.close()
  }
})

async function carryOut(request: BodyRequest, signal: AbortSignal): Promise<void> {
  const onLog = (line: Spoken): void => send({ kind: 'log', line })
  const restoreConsole = divertConsole(onLog)
  try {
    const output = await runBody(request, {
      signal,
      onProgress: (progress) => send({ kind: 'progress', progress }),
      onSession: (state) => send({ kind: 'session', state }),
      onLog,
    })
    send({ kind: 'done', output })
  } catch (error) {
    if (signal.aborted) return send({ kind: 'aborted' })
    const { code, message, details } = toPlatformError(error)
    const stack = isPlatformError(error) ? null : String((error as Error).stack)
    send({ kind: 'failed', code, message, details, stack })
  } finally {
    restoreConsole()
  }
}
