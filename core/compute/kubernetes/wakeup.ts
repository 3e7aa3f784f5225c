/** Waits for news: news that came while nobody waited is not lost. */
export class Wakeup {
  #isNews = false
  #resume: (() => void) | null = null

  wake(): void {
    this.#isNews = true
    this.#resume?.()
  }

  /** Returns at news, after the time, or when the signal aborts. */
  async next(ms: number, signal?: AbortSignal): Promise<void> {
    if (!this.#isNews && !signal?.aborted)
      await new Promise<void>((resolve) => {
        const end = (): void => {
          clearTimeout(timer)
          signal?.removeEventListener('abort', end)
          this.#resume = null
          resolve()
        }
        const timer = setTimeout(end, ms)
        signal?.addEventListener('abort', end)
        this.#resume = end
      })
    this.#isNews = false
  }
}
