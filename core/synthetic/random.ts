/** Seeded chance for the renderer: the same seed gives the same numbers on every machine. */

/** One stream of random numbers (mulberry32: 32 bits of state, fast, good enough for pictures). */
export class Random {
  private state: number

  constructor(seed: number) {
    this.state = seed >>> 0
  }

  /** Uniform in [0, 1). */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let t = this.state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.next()
  }

  /** Uniform whole number in [low, high]. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1))
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** An angle in radians, all directions alike. */
  angle(): number {
    return this.between(0, 2 * Math.PI)
  }

  /** Roughly normal, mean 0 and standard deviation 1 (sum of three uniforms, so never beyond ±3). */
  normal(): number {
    return (this.next() + this.next() + this.next() - 1.5) * 2
  }

  pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[Math.floor(this.next() * choices.length)] ?? choices[0]
  }

  /** A whole number that seeds another stream or a noise field. */
  seed(): number {
    return Math.floor(this.next() * 4294967296)
  }
}

/** Mixes numbers into one seed, so that neighbouring images share nothing. */
export function mixSeeds(...parts: readonly number[]): number {
  let hash = 0x811c9dc5
  for (const part of parts) {
    hash = Math.imul(hash ^ part, 0x01000193)
    hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b)
    hash ^= hash >>> 13
  }
  return hash >>> 0
}
