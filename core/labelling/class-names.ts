/** The classes of a session over time: added, removed, merged. A name that went never comes back, nor does its code. */

export class ClassNames {
  /** Every name that there ever was, by its code. */
  readonly all: string[]
  /** What removed names became; null where their images came back. */
  private readonly became = new Map<string, string | null>()
  private readonly codes: Map<string, number>
  /** When a class was added last (ISO 8601); empty before. */
  addedAt = ''

  constructor(names: readonly string[]) {
    this.all = [...names]
    this.codes = new Map(names.map((name, code) => [name, code]))
  }

  /** Those that people choose from now, in the order of their codes. */
  get live(): readonly string[] {
    return this.all.filter((name) => !this.became.has(name))
  }

  /** Whether the name is, or was, a class. */
  has(name: string): boolean {
    return this.codes.has(name)
  }

  /** What the name stands for now; null where it was removed, or never was. */
  current(name: string): string | null {
    let now: string | null = this.codes.has(name) ? name : null
    while (now !== null && this.became.has(now)) now = this.became.get(now)!
    return now
  }

  /** Code of what the name stands for now; −1 for none. */
  code(name: string | null): number {
    const now = name === null ? null : this.current(name)
    return now === null ? -1 : this.codes.get(now)!
  }

  /** A name that there is or was stays what it is. */
  add(name: string, at: string): void {
    if (this.codes.has(name)) return
    this.addedAt = at
    this.codes.set(name, this.all.length)
    this.all.push(name)
  }

  remove(name: string, into: string | null): void {
    if (this.current(name) !== name) return
    const target = into === null ? null : this.current(into)
    if (target !== name) this.became.set(name, target)
  }
}
