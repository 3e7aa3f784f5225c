/** Work that nobody waits for, and that a worker finishes before it ends. */
export class Background {
  readonly #running = new Set<Promise<void>>()

  constructor(private readonly onFailure: (error: unknown) => void) {}

  start(work: Promise<unknown>): void {
    const running = work.then(() => undefined, this.onFailure).finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  async drained(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }
}
