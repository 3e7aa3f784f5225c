/**
 * A revision whose replicas somebody else runs: its address is a Service, which spreads connections over the Pods that are
 * ready. So connections live briefly here, or the Pods of the first ones would get everything.
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { Pool } from 'undici'
import type { Logger } from '#core/log'
import { connectionsTo, type Backend } from './backend.ts'

const CONNECTION_LIFE_MS = 2_000
const LOOK_EVERY_MS = 1_000
const LOOK_AGAIN_MS = 50
const LOOK_LIMIT_MS = 5_000
/** One look that finds nothing may have met the one Pod that just ends. */
const LOOKS_UNTIL_DOWN = 2
const DRAIN_LIMIT_MS = 30_000

export interface RemoteRevisionOptions {
  /** `http://parts-r3.gyre.svc:8080` */
  readonly url: string
  readonly log: Logger
  /** Called whenever it begins or ceases to take requests. */
  onChange(): void
}

export class RemoteRevision implements Backend {
  outstanding = 0
  /** What is wrong with its Pods, the cluster knows. */
  readonly trouble = null
  private isUp = false
  private failedLooks = 0
  private readonly connections: Pool
  private readonly options: RemoteRevisionOptions
  private readonly stopping = new AbortController()
  private wake: () => void = () => undefined

  constructor(options: RemoteRevisionOptions) {
    this.options = options
    this.connections = connectionsTo(options.url, CONNECTION_LIFE_MS)
    void this.keepLooking()
  }

  get pool(): Pool | null {
    return this.isUp ? this.connections : null
  }

  suspect(): void {
    this.wake()
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    this.wake()
    this.set(false)
    const drained = performance.now() + DRAIN_LIMIT_MS
    while (this.outstanding > 0 && performance.now() < drained) await delay(10)
    await this.connections.destroy()
  }

  private async keepLooking(): Promise<void> {
    const { signal } = this.stopping
    while (!signal.aborted) {
      const isThere = await this.answers()
      if (signal.aborted) return
      this.failedLooks = isThere === false ? this.failedLooks + 1 : 0
      if (isThere === true) this.set(true)
      else if (this.failedLooks >= LOOKS_UNTIL_DOWN) this.set(false)
      const pauseMs = this.isUp && this.failedLooks === 0 ? LOOK_EVERY_MS : LOOK_AGAIN_MS * 2 ** this.failedLooks
      await this.pause(Math.min(pauseMs, LOOK_EVERY_MS))
    }
  }

  /** @returns null when it did not answer in time: that is what a busy machine looks like, and no reason to do anything. */
  private async answers(): Promise<boolean | null> {
    const late = AbortSignal.timeout(LOOK_LIMIT_MS)
    const signal = AbortSignal.any([this.stopping.signal, late])
    try {
      const { statusCode, body } = await this.connections.request({ method: 'GET', path: '/v2/health/ready', signal })
      await body.dump()
      return statusCode === 200
    } catch {
      return late.aborted ? null : false
    }
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  private set(isUp: boolean): void {
    if (this.isUp === isUp) return
    this.isUp = isUp
    this.options.log.info({ url: this.options.url }, isUp ? 'a revision answers' : 'a revision does not answer')
    this.options.onChange()
  }
}
