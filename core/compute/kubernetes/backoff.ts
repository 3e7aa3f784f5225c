/** Pauses between tries: each failure upon another doubles them, and half is left to chance so that clients spread out. */

import { setTimeout as delay } from 'node:timers/promises'

export class Backoff {
  /** Failures since the last success. */
  failures = 0

  constructor(
    readonly firstMs: number,
    readonly mostMs: number,
  ) {}

  /** Waits its time, or `leastMs` where that is longer; returns early when the signal aborts. */
  async pause(signal: AbortSignal, leastMs = 0): Promise<void> {
    const fullMs = Math.min(this.mostMs, this.firstMs * 2 ** Math.max(0, this.failures - 1))
    const ms = Math.max(leastMs, fullMs * (0.5 + Math.random() / 2))
    await delay(ms, undefined, { signal }).catch(() => undefined)
  }
}
