/** Learns how long a batch of n images takes, as a·n + b milliseconds, from the newest batches (least squares). */
export class ServiceTime {
  private readonly seen: { readonly n: number; readonly ms: number }[] = []
  private readonly window: number

  constructor(window = 50) {
    this.window = window
  }

  observe(n: number, ms: number): void {
    this.seen.push({ n, ms })
    if (this.seen.length > this.window) this.seen.shift()
  }

  /** Milliseconds; 0 as long as nothing was seen. */
  estimate(n: number): number {
    const { perImage, perBatch } = this.fit()
    return n === 0 ? 0 : perImage * n + perBatch
  }

  /** Neither part is ever negative: where the line would be, all of the time is put on the other part. */
  private fit(): { perImage: number; perBatch: number } {
    const count = this.seen.length
    if (count === 0) return { perImage: 0, perBatch: 0 }
    const meanN = this.seen.reduce((sum, { n }) => sum + n, 0) / count
    const meanMs = this.seen.reduce((sum, { ms }) => sum + ms, 0) / count
    const spread = this.seen.reduce((sum, { n }) => sum + (n - meanN) ** 2, 0)
    const together = this.seen.reduce((sum, { n, ms }) => sum + (n - meanN) * (ms - meanMs), 0)
    const slope = spread === 0 ? meanMs / meanN : together / spread
    if (slope <= 0) return { perImage: 0, perBatch: meanMs }
    const intercept = meanMs - slope * meanN
    return intercept < 0 ? { perImage: meanMs / meanN, perBatch: 0 } : { perImage: slope, perBatch: intercept }
  }
}
