/** Answers that are kept while there is room for them: the one that nobody asked for the longest goes first. */
export class Recent<T extends Promise<unknown>> {
  readonly #held = new Map<string, { readonly value: T; size: number }>()
  #size = 0

  /** @param room - in the unit of the sizes; a value of unknown size counts 1. */
  constructor(private readonly room: number) {}

  get(key: string): T | undefined {
    const held = this.#held.get(key)
    if (!held) return undefined
    this.#held.delete(key)
    this.#held.set(key, held)
    return held.value
  }

  /** What is kept under the key, else what is made now; what fails is not kept. */
  getOrMake(key: string, make: () => T, sizeOf?: (value: Awaited<T>) => number): T {
    const kept = this.get(key)
    if (kept) return kept
    const held = { value: make(), size: 1 }
    this.#held.set(key, held)
    this.#size += 1
    held.value.then(
      (value) => sizeOf && this.#resize(key, held, sizeOf(value as Awaited<T>)),
      () => this.#drop(key, held),
    )
    this.#makeRoom()
    return held.value
  }

  #resize(key: string, held: { readonly value: T; size: number }, size: number): void {
    if (this.#held.get(key) !== held) return
    this.#size += size - held.size
    held.size = size
    this.#makeRoom()
  }

  #drop(key: string, held: { readonly value: T; size: number }): void {
    if (this.#held.get(key) !== held) return
    this.#held.delete(key)
    this.#size -= held.size
  }

  /** The newest one stays, however large. */
  #makeRoom(): void {
    for (const [key, held] of this.#held) {
      if (this.#size <= this.room || this.#held.size === 1) break
      this.#drop(key, held)
    }
  }
}
