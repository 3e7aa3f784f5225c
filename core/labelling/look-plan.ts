/** How large an audit must be, and when to hold one: whichever costs people the fewest seconds. */

import { binomialQuantile, foundTail, missRateBound } from './bounds.ts'
import { alphasOf } from './certificate.ts'
import { KEYBOARD_SECONDS } from './cost-model.ts'
import { GRID } from './rounds.ts'

const s = KEYBOARD_SECONDS
/** One image in a full grid; one misfit in it; one disputed label on top of that. */
const SECONDS_SHOWN = s.scan + (s.mental + s.key) / GRID
const SECONDS_MISFIT = s.toggle + s.relabel
/** An audit passes with about this chance when the expected share of wrong labels is the true one. */
const PASS_CHANCE = 0.85
const GOLD_SIZES = [4, 8, 12, 16, 20, 24, 32, 40, 48, 64, 96]

export interface LookPlan {
  readonly sample: number
  readonly gold: number
  readonly seconds: number
}

/**
 * The cheapest sample and number of gold misfits that will probably pass.
 *
 * @param expected - share of the labels thought wrong, 0–1.
 * @param missRate - share of misfits that people are thought to overlook.
 * @param goldAvailable - images whose class is known and that can be shown under a wrong one.
 * @returns null when not even a sample of everything can be expected to pass.
 */
export function planLook(options: {
  readonly look: number
  readonly place?: number | undefined
  readonly population: number
  readonly target: number
  readonly expected: number
  readonly missRate: number
  readonly goldAvailable: number
}): LookPlan | null {
  const { population, target, expected } = options
  const alpha = alphasOf(options)
  const tolerated = Math.floor((1 - target) * population + 1e-9)
  // A smaller sample would leave more errors than may be left, if as many are there as expected.
  const least = expected > 0 ? Math.max(16, Math.floor(population - tolerated / expected)) : 16
  let best: LookPlan | null = null
  for (const gold of GOLD_SIZES.filter((size) => size <= Math.max(GOLD_SIZES[0]!, options.goldAvailable))) {
    const missed = binomialQuantile(PASS_CHANCE, gold, options.missRate)
    const missRate = missRateBound(missed, gold, alpha.gold)
    for (let sample = Math.min(population, least); ; sample = Math.min(population, Math.ceil(sample * 1.08))) {
      const found = binomialQuantile(PASS_CHANCE, sample, expected)
      const seconds =
        (sample + gold) * SECONDS_SHOWN + (gold + found) * SECONDS_MISFIT + found * KEYBOARD_SECONDS.single
      if (best && seconds >= best.seconds) break
      const check = { population, sample, found, missRate }
      const refuted = tolerated + found + 1
      if (refuted > population || foundTail(check, refuted) <= alpha.errors) {
        best = { sample, gold, seconds }
        break
      }
      if (sample === population) break
    }
  }
  return best
}

export interface NextMove {
  /** Images to verify before the next look, the likeliest wrong first; 0 is to look now. */
  readonly verify: number
  readonly look: LookPlan | null
}

/**
 * Weighs verifying more labels against a larger audit.
 *
 * @param chances - chance of error of each label that nobody saw, descending.
 * @param seenErrors - wrong labels expected among those that people saw.
 * @param classes - among which the verified images fall: each has grids of its own.
 * @returns the number to verify that makes verification and audit together cheapest. Where no number makes an audit
 *   pass, all of them, and null for the look when even that does not.
 */
export function weighMoves(
  chances: Float64Array,
  seenErrors: number,
  plan: (expected: number) => LookPlan | null,
  population: number,
  classes = 1,
): NextMove {
  let expected = seenErrors + chances.reduce((sum, chance) => sum + chance, 0)
  let best: NextMove = { verify: chances.length, look: null }
  let bestSeconds = Infinity
  let seconds = 0
  let at = 0
  for (const verify of sizes(chances.length)) {
    for (; at < verify; at++) {
      seconds += s.scan + chances[at]! * SECONDS_MISFIT
      expected -= chances[at]!
    }
    const shown = seconds + gridsOf(verify, classes) * (s.mental + s.key)
    if (shown >= bestSeconds) break
    const look = plan(Math.max(0, expected) / population)
    if (look && shown + look.seconds < bestSeconds) {
      best = { verify, look }
      bestSeconds = shown + look.seconds
    }
  }
  return best
}

/** Grids that so many images take, when their classes are about equally many. */
export function gridsOf(images: number, classes: number): number {
  return Math.max(Math.ceil(images / GRID), Math.min(images, classes))
}

/** 0, 48, then each a quarter more, up to and with `most`. */
function sizes(most: number): number[] {
  const out = [0]
  for (let size = GRID; size < most; size = Math.ceil(size * 1.25)) out.push(size)
  if (most > 0) out.push(most)
  return out
}
