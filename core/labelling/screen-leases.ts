/**
 * Whose screens are whose for now. A lease keeps two people from doing one screen twice; it expires, so that nobody waits
 * for a person who went home, and it decides nothing about answers: those count in the order in which they are stored.
 */

export const LEASE_MS = 120_000

/** Until when (milliseconds since 1970) who has which screen. */
export type Held = Readonly<Record<string, Readonly<Record<string, number>>>>

export class ScreenLeases {
  private readonly held = new Map<string, Map<string, number>>()

  constructor(private readonly now: () => number) {}

  take(screen: string, annotator: string): void {
    const holders = this.held.get(screen) ?? new Map<string, number>()
    this.held.set(screen, holders.set(annotator, this.now() + LEASE_MS))
  }

  /** Whoever does anything is there, and keeps all screens that are still theirs. */
  prolong(annotator: string): void {
    for (const [screen, holders] of this.held)
      if ((holders.get(annotator) ?? 0) > this.now()) this.take(screen, annotator)
  }

  drop(screen: string, annotator?: string): void {
    if (annotator === undefined) this.held.delete(screen)
    else this.held.get(screen)?.delete(annotator)
  }

  isHeldBy(screen: string, annotator: string): boolean {
    return (this.held.get(screen)?.get(annotator) ?? 0) > this.now()
  }

  /** Other people who have the screen now. */
  others(screen: string, annotator: string): number {
    const holders = [...(this.held.get(screen) ?? [])]
    return holders.filter(([holder, untilMs]) => holder !== annotator && untilMs > this.now()).length
  }

  /** Milliseconds until the next lease expires; infinite where there is none. */
  get nextExpiryMs(): number {
    const ends = [...this.held.values()].flatMap((holders) => [...holders.values()])
    return Math.min(...ends.filter((untilMs) => untilMs > this.now())) - this.now()
  }

  all(): Held {
    const live = [...this.held].map(([screen, holders]) => {
      const own = [...holders].filter(([, untilMs]) => untilMs > this.now())
      return [screen, Object.fromEntries(own)] as const
    })
    return Object.fromEntries(live.filter(([, own]) => Object.keys(own).length > 0))
  }

  restore(held: Held): void {
    for (const [screen, holders] of Object.entries(held)) this.held.set(screen, new Map(Object.entries(holders)))
  }
}
