/**
 * Fits the probe in a thread beside the one that answers people, so that nobody waits for a fit.
 *
 * B1  Fits take turns: those on the same features share their moments, which each brings up to its labels.
 * B2  A fit that is given up has ended before the promise settles: the thread is then idle, and may end with its owner.
 * B3  The thread ends by itself after half a minute without work, and keeps no process alive.
 *
 * Without a build, and for a few thousand images, the fit runs in the calling thread, with the same result.
 */

import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { PlatformError, type ErrorCode, type ErrorDetails } from '#core/errors'
import { entryPoint } from '#core/execution'
import type { Features } from './features.ts'
import { noMoments, type LabelMoments } from './label-moments.ts'
import { computeProbe, type Prediction, type ProbeTask } from './probe-fit.ts'

export { errorCurve, type OutOfFold, type Prediction } from './probe-fit.ts'

export interface ProbeOptions extends Partial<Pick<ProbeTask, 'lambda' | 'drawn'>> {
  readonly signal?: AbortSignal | undefined
}

export type ToProbeThread = { readonly task: ProbeTask } | { readonly abort: true } | { readonly close: true }
export type FromProbeThread =
  | { readonly prediction: Prediction }
  | { readonly error: { readonly code: ErrorCode; readonly message: string; readonly details: ErrorDetails } }

/** Images times features: a fit of fewer takes less than a message to a thread is worth. */
const WORK_FOR_THREAD = 4e6
const IDLE_MS = 30_000

/** What the labels of these features come to so far. A memory of work done, never of results: the sums are exact. */
const summedUp = new WeakMap<Features, LabelMoments>()
let last: Promise<unknown> = Promise.resolve()

/**
 * @param labels - class of each labelled image, −1 for the others, [n]; at least two classes.
 */
export function fitProbe(
  features: Features,
  labels: Int32Array,
  classes: number,
  { signal, lambda, drawn = new Set() }: ProbeOptions = {},
): Promise<Prediction> {
  const fit = async (): Promise<Prediction> => {
    signal?.throwIfAborted()
    const before = summedUp.get(features)
    const moments = before?.classes === classes ? before : noMoments(features, classes)
    summedUp.set(features, moments)
    const task: ProbeTask = { features, moments, labels, classes, lambda, drawn }
    const small = features.coordinates.rows * features.landmarks.rows < WORK_FOR_THREAD
    const inThread = !small && existsSync(entryPoint('probe-thread'))
    return inThread ? (thread ??= new ProbeThread()).fit(task, signal) : computeProbe(task, { signal })
  }
  const fitted = last.then(fit)
  last = fitted.catch(() => undefined)
  return fitted
}

let thread: ProbeThread | undefined

class ProbeThread {
  private readonly worker = new Worker(entryPoint('probe-thread'))
  private readonly ended: Promise<never>
  private idle: NodeJS.Timeout | undefined

  constructor() {
    this.ended = once(this.worker, 'exit').then(() => {
      throw new PlatformError('INTERNAL', 'the probe thread ended before it answered')
    })
    this.ended.catch(() => this.leave())
  }

  async fit(task: ProbeTask, signal: AbortSignal | undefined): Promise<Prediction> {
    const abort = (): void => this.send({ abort: true })
    clearTimeout(this.idle)
    this.worker.ref()
    signal?.addEventListener('abort', abort, { once: true })
    try {
      const reply = await this.ask(task)
      if ('prediction' in reply) return reply.prediction
      signal?.throwIfAborted()
      throw new PlatformError(reply.error.code, reply.error.message, reply.error.details)
    } finally {
      signal?.removeEventListener('abort', abort)
      this.worker.unref()
      this.idle = setTimeout(() => this.close(), IDLE_MS).unref()
    }
  }

  private async ask(task: ProbeTask): Promise<FromProbeThread> {
    const answered = once(this.worker, 'message').then(([reply]) => reply as FromProbeThread)
    this.send({ task })
    return Promise.race([answered, this.ended])
  }

  private close(): void {
    this.leave()
    this.send({ close: true })
  }

  /** The next fit opens another thread. */
  private leave(): void {
    clearTimeout(this.idle)
    if (thread === this) thread = undefined
  }

  private send(message: ToProbeThread): void {
    this.worker.postMessage(message)
  }
}
