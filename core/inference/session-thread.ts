/** A thread with one session: answers each request in order, gives memory back by transfer, ends when told to. */

import { parentPort, workerData } from 'node:worker_threads'
import { toPlatformError } from '#core/errors'
import { openOnnxSession } from './onnx.ts'
import type { InferenceSession, Tensor } from './session.ts'
import type { ThreadReply, ThreadRequest } from './session-pool.ts'

const port = parentPort!

function reply(message: ThreadReply, memory: ArrayBuffer[] = []): void {
  port.postMessage(message, memory)
}

function fail(id: number, error: unknown): void {
  const { code, message, details } = toPlatformError(error)
  reply({ id, error: { code, message, details } })
}

function memoryOf(tensors: Readonly<Record<string, Tensor>>): ArrayBuffer[] {
  return [...new Set(Object.values(tensors).map((t) => t.data.buffer as ArrayBuffer))]
}

async function answer(session: InferenceSession, request: ThreadRequest): Promise<void> {
  if ('close' in request) {
    await session.release()
    port.close()
    return
  }
  try {
    const outputs = await session.run(request.inputs)
    reply({ id: request.id, outputs }, memoryOf(outputs))
  } catch (error) {
    fail(request.id, error)
  }
}

try {
  const session = await openOnnxSession((workerData as { model: Uint8Array }).model)
  reply({ id: 0, outputs: {} })
  // A run yields before it computes, so the next message could overtake it.
  let last = Promise.resolve()
  port.on('message', (request: ThreadRequest) => void (last = last.then(() => answer(session, request))))
} catch (error) {
  fail(0, error)
}
