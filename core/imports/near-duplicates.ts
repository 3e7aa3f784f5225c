/**
 * Finds images that are almost the same (another size, another compression, a neighbouring frame), so that they never
 * lie on both sides of a split.
 *
 * A perceptual hash gives candidates; a pair counts when the images correlate pixel by pixel, in grey, at 32 × 32.
 * Groups are stars: every member correlates with the group's first image. (Single linkage chains: on 10,000 MNIST
 * digits a hash distance ≤ 4 puts 2,017 digits of four classes into one group.) Where look-alikes are the nature of
 * the set, not an accident, groups grow too large; the threshold then tightens until they do not.
 *
 * Cost: one index look-up per image and one correlation (about 1 µs) per candidate that stands for a group.
 */
import { LookIndex } from './look-index.ts'

/** Correlations tried one after the other; after the last, nothing is grouped any more. */
export const THRESHOLDS = [0.98, 0.985, 0.99, 0.995, 0.998, 0.999, 0.9995] as const
/** Stands for "nothing is grouped": no two different images reach it. */
export const NO_GROUPING = 2

/** Below this standard deviation (grey levels of 255) an image has no structure that could correlate. */
const FLAT = 1

export interface Look {
  readonly digest: string
  /** `perceptualHash`. */
  readonly look: string
}

export interface FreshLook extends Look {
  /** uint8 [32, 32]. */
  readonly grey32: Uint8Array
}

export interface StandingLook extends Look {
  readonly group: string
}

export interface Grouping {
  /** Group of each fresh image: the digest of the group's first image. */
  readonly groupOf: ReadonlyMap<string, string>
  /** Standing groups that a fresh image joins together: former group → group that takes it in. */
  readonly joined: ReadonlyMap<string, string>
  /** The correlation that counted in the end. */
  readonly threshold: number
}

/**
 * @param fresh - new images, ascending by digest.
 * @param standing - images grouped before; their groups only ever grow or join.
 * @param grey32Of - decodes standing images that are candidates.
 * @param from - the threshold to begin with.
 */
export async function groupNearDuplicates(
  fresh: readonly FreshLook[],
  standing: readonly StandingLook[],
  grey32Of: (digests: readonly string[]) => Promise<ReadonlyMap<string, Uint8Array>>,
  from: number,
): Promise<Grouping> {
  const firsts = standing.filter(({ digest, group }) => digest === group)
  const candidates = candidatesAmong(firsts, fresh)
  const needed = [...new Set(candidates.flat())]
  const greys = await grey32Of(needed.map((number) => firsts[number]!.digest))
  const patches = new Map(needed.map((number) => [number, patchOf(greys.get(firsts[number]!.digest)!)]))
  const sizes = countBy(standing, ({ group }) => group)
  for (const threshold of [...THRESHOLDS.filter((threshold) => threshold >= from), NO_GROUPING]) {
    const stars = gatherStars(fresh, candidates, patches, firsts, threshold)
    if (threshold === NO_GROUPING || !isOvergrown(stars, sizes, standing.length + fresh.length))
      return { ...stars, threshold }
  }
  throw new Error('unreachable: the last threshold always returns')
}

/** @returns for each fresh image the numbers of the standing first images that look alike. */
function candidatesAmong(firsts: readonly Look[], fresh: readonly Look[]): number[][] {
  const index = new LookIndex()
  for (const { look } of firsts) index.add(look)
  return fresh.map(({ look }) => index.near(look))
}

function gatherStars(
  fresh: readonly FreshLook[],
  candidates: readonly (readonly number[])[],
  standingPatches: ReadonlyMap<number, Patch>,
  firsts: readonly StandingLook[],
  threshold: number,
): Pick<Grouping, 'groupOf' | 'joined'> {
  const groupOf = new Map<string, string>()
  const joined = new Map<string, string>()
  const index = new LookIndex()
  const centres: { readonly digest: string; readonly patch: Patch }[] = []
  fresh.forEach(({ digest, look, grey32 }, i) => {
    const patch = patchOf(grey32)
    const stars = candidates[i]!.filter((number) => correlation(patch, standingPatches.get(number)!) >= threshold)
    if (stars.length > 0) {
      const groups = stars.map((number) => finalGroup(joined, firsts[number]!.group)).sort()
      for (const group of groups) if (group !== groups[0]) joined.set(group, groups[0]!)
      groupOf.set(digest, groups[0]!)
      return
    }
    const centre = closest(patch, index.near(look), centres, threshold)
    groupOf.set(digest, centre ?? digest)
    if (centre !== null) return
    index.add(look)
    centres.push({ digest, patch })
  })
  for (const [digest, group] of groupOf) groupOf.set(digest, finalGroup(joined, group))
  for (const group of joined.keys()) joined.set(group, finalGroup(joined, group))
  return { groupOf, joined }
}

function finalGroup(joined: ReadonlyMap<string, string>, group: string): string {
  let current = group
  for (let next = joined.get(current); next !== undefined; next = joined.get(current)) current = next
  return current
}

function closest(
  patch: Patch,
  numbers: readonly number[],
  centres: readonly { readonly digest: string; readonly patch: Patch }[],
  threshold: number,
): string | null {
  let best: string | null = null
  let highest = threshold
  for (const number of numbers) {
    const centre = centres[number]!
    const r = correlation(patch, centre.patch)
    if (r > highest || (r === highest && (best === null || centre.digest < best))) {
      best = centre.digest
      highest = r
    }
  }
  return best
}

/** More than 50 images and 0.5 % in one group, or more than 50 images and 10 % in any, are the nature of the set. */
function isOvergrown(
  { groupOf, joined }: Pick<Grouping, 'groupOf' | 'joined'>,
  standing: ReadonlyMap<string, number>,
  images: number,
): boolean {
  const sizes = countBy(groupOf.values(), (group) => group)
  for (const [group, size] of standing) {
    const target = joined.get(group) ?? group
    sizes.set(target, (sizes.get(target) ?? 0) + size)
  }
  let largest = 0
  let grouped = 0
  for (const size of sizes.values()) {
    largest = Math.max(largest, size)
    if (size > 1) grouped += size
  }
  return largest > Math.max(50, images * 0.005) || grouped > Math.max(50, images * 0.1)
}

interface Patch {
  readonly pixels: Uint8Array
  readonly sum: number
  /** Square root of the sum of squared deviations; 0 for a flat image. */
  readonly norm: number
}

function patchOf(pixels: Uint8Array): Patch {
  let sum = 0
  let squares = 0
  for (let i = 0; i < pixels.length; i++) {
    const value = pixels[i]!
    sum += value
    squares += value * value
  }
  const deviations = squares - (sum * sum) / pixels.length
  return { pixels, sum, norm: deviations < FLAT * FLAT * pixels.length ? 0 : Math.sqrt(deviations) }
}

/** Pearson's; 0 where one of the two is flat: nothing in it could be told to be the same. */
function correlation(a: Patch, b: Patch): number {
  if (a.norm === 0 || b.norm === 0) return 0
  let products = 0
  for (let i = 0; i < a.pixels.length; i++) products += a.pixels[i]! * b.pixels[i]!
  return (products - (a.sum * b.sum) / a.pixels.length) / (a.norm * b.norm)
}

function countBy<T>(items: Iterable<T>, key: (item: T) => string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1)
  return counts
}
