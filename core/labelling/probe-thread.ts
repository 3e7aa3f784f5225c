/** A thread that fits probes, one at a time, gives their memory back by transfer, and ends when told to. */

import { parentPort } from 'node:worker_threads'
import { toPlatformError } from '#core/errors'
import { computeProbe, type Prediction, type ProbeTask } from './probe-fit.ts'
import type { FromProbeThread, ToProbeThread } from './probe.ts'

const port = parentPort!
let abort = new AbortController()

port.on('message', (message: ToProbeThread) => {
  if ('close' in message) return port.close()
  if ('abort' in message) return abort.abort()
  abort = new AbortController()
  void answer(message.task, abort.signal)
})

async function answer(task: ProbeTask, signal: AbortSignal): Promise<void> {
  const reply = (message: FromProbeThread, memory: ArrayBuffer[] = []): void => port.postMessage(message, memory)
  try {
    const prediction = await computeProbe(task, { signal })
    reply({ prediction }, memoryOf(prediction))
  } catch (error) {
    const { code, message, details } = toPlatformError(error)
    reply({ error: { code, message, details } })
  }
}

function memoryOf({ best, second, margin, errorChance }: Prediction): ArrayBuffer[] {
  return [best, second, margin, errorChance].map(({ buffer }) => buffer as ArrayBuffer)
}
