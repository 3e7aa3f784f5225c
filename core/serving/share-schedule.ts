/**
 * Divides a sequence of requests by exact shares. Smooth weighted round robin: in every window of as many requests as
 * the shares sum to (100 for percents), each revision gets exactly its share, spread as evenly as possible.
 */
export class ShareSchedule {
  private readonly credits = new Map<number, number>()

  /**
   * @param shares - revision → share, not negative; those with 0 are never chosen. They may change from call to call.
   * @returns a revision, or null when no share is positive.
   */
  next(shares: ReadonlyMap<number, number>): number | null {
    let total = 0
    let chosen: number | null = null
    let most = -Infinity
    for (const [revision, share] of shares) {
      if (share <= 0) continue
      total += share
      const credit = (this.credits.get(revision) ?? 0) + share
      this.credits.set(revision, credit)
      if (credit > most) {
        most = credit
        chosen = revision
      }
    }
    if (chosen === null) return null
    this.credits.set(chosen, most - total)
    for (const revision of this.credits.keys()) if (!((shares.get(revision) ?? 0) > 0)) this.credits.delete(revision)
    return chosen
  }
}
