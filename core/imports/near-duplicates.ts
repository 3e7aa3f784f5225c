/**
 * Finds images that are almost the same (another size, another compression, lightened, mirrored, a neighbouring frame),
 * so that they never lie on both sides of a split.
 *
 * A perceptual hash of the image and of its mirror images gives candidates; a pair counts when the images correlate
 * pixel by pixel, in grey, at 32 × 32. All pairs that count lie in one group, whatever chain of pairs leads from one to
 * the other: a group that left some of its pairs to another one would let them fall on both sides.
 *
 * Where look-alikes are the nature of the set, not an accident, such chains run through all of it (on 10,000 MNIST
 * digits a hash distance ≤ 4 alone puts 2,017 digits of four classes into one group). So groups are bounded: where one
 * would be too large, the correlation that counts rises until none is, for the whole set, and whoever asks is told.
 *
 * Images that are not tiny are also cut: a piece of 80 % or more of an image that arrives with it, or after it was there
 * as a whole, is found in most cases.
 *
 * Cost: three index look-ups per image and a fraction of a microsecond per candidate; a millisecond more for cutting.
 */
import { lookCodes } from '#core/images'
import { Families, type Bounds } from './families.ts'
import { LookIndex } from './look-index.ts'
import { alignedCorrelation, cropCodes, type Window } from './crops.ts'
import { correlation, patchOf, VIEWS, type Patch, type View } from './patches.ts'

/** Correlations tried one after the other; after the last, nothing is grouped any more. */
export const THRESHOLDS = [0.98, 0.985, 0.99, 0.995, 0.998, 0.999, 0.9995] as const
/** Stands for "nothing is grouped": no two different images reach it. */
export const NO_GROUPING = 2

/** More than 50 images and 0.5 % in one group, or more than 50 images and 10 % in any, are the nature of the set. */
export const GROUP_BOUNDS: Bounds = { least: 50, largestShare: 0.005, groupedShare: 0.1 }

export interface Look {
  readonly digest: string
  /** `perceptualHash`. */
  readonly look: string
  /** Whether pieces of it are looked for as well, as is worth it for all but tiny images. */
  readonly isLarge?: boolean
}

export interface StandingLook extends Look {
  readonly group: string
}

/** What made an image join its group. */
export interface Likeness {
  readonly digest: string
  readonly like: string
  readonly correlation: number
  /** How it was turned to be alike, or that the other one is a piece of it. */
  readonly view: View | 'crop'
}

export interface Grouping {
  /** Group of each fresh image: the digest of the group's first image. */
  readonly groupOf: ReadonlyMap<string, string>
  /** Standing groups that a fresh image joins together: former group → group that takes it in. */
  readonly joined: ReadonlyMap<string, string>
  /** The correlation that counted in the end. */
  readonly threshold: number
  /** Of each fresh image with a look-alike the closest one found. */
  readonly likenesses: readonly Likeness[]
}

export interface GroupingOptions {
  /** The correlation to begin with. */
  readonly from: number
  readonly bounds?: Bounds
  /** uint8 [32, 32] of each of these images, fresh or standing. */
  readonly greysOf: (digests: readonly string[]) => Promise<ReadonlyMap<string, Uint8Array>>
  /** Called between chunks with the number of fresh images looked up. */
  readonly onChunk?: ((done: number) => void) | undefined
}

/**
 * The result depends on the images and standing groups alone, not on their order.
 *
 * @param fresh - new images.
 * @param standing - images grouped before; their groups only ever grow or join.
 */
export async function groupNearDuplicates(
  fresh: readonly Look[],
  standing: readonly StandingLook[],
  { from, bounds = GROUP_BOUNDS, greysOf, onChunk }: GroupingOptions,
): Promise<Grouping> {
  const inOrder = [...fresh].sort((a, b) => (a.digest < b.digest ? -1 : 1))
  const nodes = new Nodes(standing, inOrder)
  const families = new Families(
    [...new Set([from, ...THRESHOLDS])].filter((threshold) => threshold >= from && threshold < NO_GROUPING).sort(),
    nodes.sizes,
    bounds,
  )
  const closest = new Map<number, Likeness>()
  const search = {
    greysOf,
    onChunk,
    least: () => families.lowest,
    isSettled: (one: number, other: number) => families.areJoined(nodes.nodeOf(one), nodes.nodeOf(other)),
  }
  await forEachPair(nodes, search, ({ one, other, view, r }) => {
    families.join(nodes.nodeOf(one), nodes.nodeOf(other), r)
    const number = Math.max(one, other)
    if (r > (closest.get(number)?.correlation ?? 0))
      closest.set(number, { digest: nodes.digest(one), like: nodes.digest(other), correlation: r, view })
  })
  const settled = families.settle()
  const threshold = settled?.threshold ?? NO_GROUPING
  return {
    ...nodes.named(settled?.rootOf ?? ((node) => node)),
    threshold,
    likenesses: [...closest.values()].filter(({ correlation }) => correlation >= threshold),
  }
}

/** Standing images, then fresh ones, by number. Standing ones of a group share a node, each fresh one has its own. */
class Nodes implements Looks {
  readonly #standing: readonly StandingLook[]
  readonly #fresh: readonly Look[]
  readonly #groups: readonly string[]
  readonly #nodeOfStanding: Int32Array
  readonly sizes: Int32Array

  constructor(standing: readonly StandingLook[], fresh: readonly Look[]) {
    this.#standing = standing
    this.#fresh = fresh
    const nodes = new Map<string, number>()
    for (const { group } of standing) if (!nodes.has(group)) nodes.set(group, nodes.size)
    this.#groups = [...nodes.keys()]
    this.#nodeOfStanding = Int32Array.from(standing, ({ group }) => nodes.get(group)!)
    this.sizes = new Int32Array(nodes.size + fresh.length).fill(1, nodes.size)
    for (const node of this.#nodeOfStanding) this.sizes[node]!++
  }

  get firstFresh(): number {
    return this.#standing.length
  }

  get count(): number {
    return this.#standing.length + this.#fresh.length
  }

  look(number: number): string {
    return this.#at(number).look
  }

  digest(number: number): string {
    return this.#at(number).digest
  }

  isLarge(number: number): boolean {
    return this.#at(number).isLarge === true
  }

  nodeOf(number: number): number {
    const place = number - this.#standing.length
    return place < 0 ? this.#nodeOfStanding[number]! : this.#groups.length + place
  }

  #at(number: number): Look {
    return this.#standing[number] ?? this.#fresh[number - this.#standing.length]!
  }

  /** A group is named by its first image: one that was there before, where there is one, else the first by digest. */
  named(rootOf: (node: number) => number): Pick<Grouping, 'groupOf' | 'joined'> {
    const names = new Map<number, string>()
    const groups = [...this.#groups.entries()].sort(([, a], [, b]) => (a < b ? -1 : 1))
    const joined = new Map<string, string>()
    for (const [node, group] of groups) {
      const name = names.get(rootOf(node))
      if (name === undefined) names.set(rootOf(node), group)
      else joined.set(group, name)
    }
    const groupOf = new Map<string, string>()
    this.#fresh.forEach(({ digest }, place) => {
      const root = rootOf(this.#groups.length + place)
      if (!names.has(root)) names.set(root, digest)
      groupOf.set(digest, names.get(root)!)
    })
    return { groupOf, joined }
  }
}

/** Images by number: first those that are candidates alone, then those that are looked up as well. */
export interface Looks {
  readonly firstFresh: number
  readonly count: number
  digest(number: number): string
  look(number: number): string
  isLarge(number: number): boolean
}

export interface Pair {
  /** The fresh image, seen in `view`, and one before it. */
  readonly one: number
  readonly other: number
  readonly view: View | 'crop'
  readonly r: number
}

/** Images looked up before their candidates are decoded and compared. */
const CHUNK = 2_048

export interface PairSearch extends Pick<GroupingOptions, 'greysOf' | 'onChunk'> {
  /** The correlation from which a pair counts; it may rise meanwhile. */
  readonly least: () => number
  /** Whether a pair need not be compared. */
  readonly isSettled: (one: number, other: number) => boolean
}

/** Finds the pairs of look-alikes of which one at least is fresh. */
export async function forEachPair(
  nodes: Looks,
  { greysOf, onChunk, least, isSettled }: PairSearch,
  found: (pair: Pair) => void,
): Promise<void> {
  const index = new LookIndex()
  for (let number = 0; number < nodes.firstFresh; number++) index.add(nodes.look(number))
  const patches = new Patches(nodes, greysOf)
  for (let from = nodes.firstFresh; from < nodes.count; from += CHUNK) {
    const to = Math.min(nodes.count, from + CHUNK)
    patches.trim()
    await patches.take(range(from, to))
    const candidates: { readonly number: number; readonly view: View; readonly near: readonly number[] }[] = []
    for (let number = from; number < to; number++) {
      const codes = lookCodes(patches.grey(number))
      for (const view of VIEWS) {
        const near = index.near(view === 'plain' ? codes.look : codes[view])
        if (near.length > 0) candidates.push({ number, view, near })
      }
      index.add(codes.look)
    }
    await patches.take(candidates.flatMap(({ near }) => near))
    for (const { number: one, view, near } of candidates)
      for (const other of near) {
        if (isSettled(one, other)) continue
        const r = patches.correlation(one, other, view, least())
        if (r >= least()) found({ one, other, view, r })
      }
    onChunk?.(to - nodes.firstFresh)
  }
  await forEachCrop(nodes, index, patches, { least, isSettled }, found)
}

/** Finds pairs of which one is a piece of the other, which is fresh and large. */
async function forEachCrop(
  nodes: Looks,
  index: LookIndex,
  patches: Patches,
  { least, isSettled }: Pick<PairSearch, 'least' | 'isSettled'>,
  found: (pair: Pair) => void,
): Promise<void> {
  const large = [...range(nodes.firstFresh, nodes.count)].filter((number) => nodes.isLarge(number))
  for (let from = 0; from < large.length; from += CHUNK) {
    const chunk = large.slice(from, from + CHUNK)
    patches.trim()
    await patches.take(chunk)
    const candidates: { readonly one: number; readonly window: Window; readonly near: readonly number[] }[] = []
    for (const one of chunk)
      for (const { window, look } of cropCodes(patches.grey(one))) {
        const near = index.near(look).filter((other) => other !== one && !isSettled(one, other))
        if (near.length > 0) candidates.push({ one, window, near })
      }
    await patches.take(candidates.flatMap(({ near }) => near))
    for (const { one, window, near } of candidates)
      for (const other of near) {
        if (isSettled(one, other)) continue
        const r = patches.alignedCorrelation(one, other, window)
        if (r >= least()) found({ one, other, view: 'crop', r })
      }
  }
}

function* range(from: number, to: number): Iterable<number> {
  for (let number = from; number < to; number++) yield number
}

/** Pictures kept at once: a kilobyte each, and five while they are compared. */
const MOST_GREYS = 65_536
const MOST_PATCHES = 8_192

/** Small pictures of images by number, fetched before they are used and kept while there is room. */
class Patches {
  readonly #nodes: Looks
  readonly #greysOf: GroupingOptions['greysOf']
  #greys = new Map<number, Uint8Array>()
  readonly #patches = new Map<number, Patch | null>()
  #turned: { readonly number: number; readonly view: View; readonly patch: Patch | null } | null = null

  constructor(nodes: Looks, greysOf: GroupingOptions['greysOf']) {
    this.#nodes = nodes
    this.#greysOf = greysOf
  }

  async take(numbers: Iterable<number>): Promise<void> {
    const wanted = new Set<number>()
    for (const number of numbers) if (!this.#greys.has(number)) wanted.add(number)
    if (wanted.size === 0) return
    const numberOf = new Map([...wanted].map((number) => [this.#nodes.digest(number), number]))
    for (const [digest, grey] of await this.#greysOf([...numberOf.keys()])) this.#greys.set(numberOf.get(digest)!, grey)
  }

  grey(number: number): Uint8Array {
    return this.#greys.get(number)!
  }

  /** Correlation of one image, turned, with another; where it is below `least`, some number below `least`. */
  correlation(one: number, other: number, view: View, least: number): number {
    if (this.#turned?.number !== one || this.#turned.view !== view)
      this.#turned = { number: one, view, patch: patchOf(this.grey(one), view) }
    const [a, b] = [this.#turned.patch, this.#patchOf(other)]
    return a && b ? correlation(a, b, least) : 0
  }

  /** Of a piece of one image near a window with the whole of another. */
  alignedCorrelation(one: number, other: number, window: Window): number {
    const patch = this.#patchOf(other)
    return patch ? alignedCorrelation(this.grey(one), patch, window) : 0
  }

  /** Makes room, where there is little, for what the next chunk takes. */
  trim(): void {
    if (this.#greys.size > MOST_GREYS) this.#greys = new Map()
  }

  #patchOf(number: number): Patch | null {
    let patch = this.#patches.get(number)
    if (patch !== undefined) return patch
    if (this.#patches.size >= MOST_PATCHES) this.#patches.clear()
    this.#patches.set(number, (patch = patchOf(this.grey(number))))
    return patch
  }
}
