/** How long steps of users' own took when they last ran here: what took milliseconds probably will again. */

/** A step of its own bundle, so of one version of its code. */
type Named = { readonly bundle: string | null; readonly step: string }

const SMALL_MS = 25
const MOST_STEPS = 1_000

export class StepTimes {
  /** Milliseconds of the last body, the step that ran longest ago first. */
  readonly #last = new Map<string, number>()

  /**
   * Runs the body of a step and notes its time; where it fails, that the step is not small.
   *
   * @param body - calls `begin` when a thread has taken it up: what it waited before is not its own.
   */
  async measure<T>(step: Named, body: (begin: () => void) => Promise<T>): Promise<T> {
    let from = performance.now()
    let ms = Infinity
    try {
      const result = await body(() => (from = performance.now()))
      ms = performance.now() - from
      return result
    } finally {
      this.#note(keyOf(step), ms)
    }
  }

  isSmall(step: Named): boolean {
    return (this.#last.get(keyOf(step)) ?? Infinity) < SMALL_MS
  }

  #note(key: string, ms: number): void {
    this.#last.delete(key)
    this.#last.set(key, ms)
    if (this.#last.size > MOST_STEPS) this.#last.delete(this.#last.keys().next().value!)
  }
}

function keyOf({ bundle, step }: Named): string {
  return `${bundle} ${step}`
}
