/** Counts failed logins per address, so that guessing is slow and costs the store nothing. */

const WINDOW_MS = 60_000
const ADDRESSES = 10_000

export class FailureLimit {
  readonly #counts = new Map<string, { failures: number; untilMs: number }>()

  constructor(
    private readonly perMinute: number,
    private readonly now: () => number = Date.now,
  ) {}

  /** @returns seconds to wait; 0 when the address may try. */
  waitSeconds(address: string): number {
    const count = this.#counts.get(address)
    if (!count || count.untilMs <= this.now() || count.failures < this.perMinute) return 0
    return (count.untilMs - this.now()) / 1_000
  }

  failed(address: string): void {
    const known = this.#counts.get(address)
    const count = known && known.untilMs > this.now() ? known : { failures: 0, untilMs: this.now() + WINDOW_MS }
    this.#counts.delete(address)
    this.#counts.set(address, { ...count, failures: count.failures + 1 })
    const [oldest] = this.#counts.keys()
    if (this.#counts.size > ADDRESSES && oldest !== undefined) this.#counts.delete(oldest)
  }
}
