import type { Logger } from '#core/log'
import { ComputeThread } from './compute-thread-host.ts'
import type { BodyHooks, BodyRequest } from './run-body.ts'

/** Runs a body in a thread of its own, whose memory is free again when this settles. On abort see `ComputeThread.call`. */
export async function runInThread(request: BodyRequest, hooks: BodyHooks, log: Logger): Promise<unknown> {
  const thread = new ComputeThread(log)
  try {
    return await thread.call(request, hooks)
  } finally {
    thread.close()
    await thread.ended
  }
}
