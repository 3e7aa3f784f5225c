/** A worker thread for one body: computation happens here, so that heartbeats and HTTP never wait for it. */

import { parentPort, workerData } from 'node:worker_threads'
import { isPlatformError, toPlatformError } from '#core/errors'
import { runBody, type BodyRequest } from './run-body.ts'
import type { FromThread } from './thread-host.ts'

const port = parentPort!
const abort = new AbortController()
const send = (message: FromThread): void => port.postMessage(message)

port.once('message', () => abort.abort(new DOMException('the step was cancelled', 'AbortError')))

try {
  const output = await runBody(workerData as BodyRequest, {
    signal: abort.signal,
    onProgress: (progress) => send({ kind: 'progress', progress }),
    onSession: (state) => send({ kind: 'session', state }),
    onLog: (line) => send({ kind: 'log', line }),
  })
  send({ kind: 'done', output })
} catch (error) {
  if (abort.signal.aborted) send({ kind: 'aborted' })
  else {
    const { code, message, details } = toPlatformError(error)
    send({
      kind: 'failed',
      code,
      message,
      details,
      stack: isPlatformError(error) ? null : String((error as Error).stack),
    })
  }
} finally {
  // Ends by itself: terminating a thread inside a run of ONNX Runtime aborts the whole process.
  port.close()
}
