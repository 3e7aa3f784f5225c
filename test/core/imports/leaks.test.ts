import fc from 'fast-check'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { commitChange, openVersion, resolveVersion } from '#core/datasets'
import { addImages, verifySplits } from '#core/imports'
import { perceptualHash } from '#core/images'
import { createMemoryStore, sha256Hex } from '#core/storage'
import { groupNearDuplicates } from '../../../core/imports/near-duplicates.ts'
import { correlation, patchOf, VIEWS } from '../../../core/imports/patches.ts'
import { settleSplits, type StandingSplit } from '../../../core/imports/splits.ts'
import { randomNumbers, scene } from '../../support/images.ts'

interface Picture {
  readonly digest: string
  readonly grey32: Uint8Array
  readonly look: string
}

const greys = new Map<number, Uint8Array>()

/** A grey scene of its own for each seed. */
function grey(seed: number): Uint8Array {
  let made = greys.get(seed)
  if (!made) greys.set(seed, (made = scene(seed, { width: 32, height: 32 }).filter((_, i) => i % 3 === 0)))
  return made
}

/** Scenes, and of some of them noisy, lightened or mirrored copies and blends towards another one. */
function pictures(draw: () => number, count: number): Picture[] {
  const made: Picture[] = []
  while (made.length < count) {
    const from = made[Math.floor(draw() * made.length)]?.grey32
    const other = made[Math.floor(draw() * made.length)]?.grey32
    made.push(
      named(from && other && draw() < 0.5 ? altered(from, other, draw) : grey(1 + Math.floor(draw() * 500)), draw),
    )
  }
  return made
}

function named(grey32: Uint8Array, draw: () => number): Picture {
  const digest = sha256Hex(Buffer.from(`${draw()}`))
  return { digest, grey32, look: perceptualHash(grey32) }
}

/** What is imported first and second; images of the second part lie between pairs of the first. */
function twoParts(seed: number): readonly [Picture[], Picture[]] {
  const draw = randomNumbers(seed)
  const [first, second] = [pictures(draw, 12), pictures(draw, 8)]
  for (let n = 0; n < 3; n++) {
    const [from, to] = [grey(1 + Math.floor(draw() * 500)), grey(501 + Math.floor(draw() * 500))]
    const reach = 0.04 + 0.16 * draw()
    const between = (share: number): Picture =>
      named(
        from.map((value, i) => Math.round(value * (1 - share) + to[i]! * share)),
        draw,
      )
    first.push(between(0.5 - reach), between(0.5 + reach))
    second.push(between(0.5))
  }
  return [first, second]
}

function altered(from: Uint8Array, other: Uint8Array, draw: () => number): Uint8Array {
  const kind = Math.floor(draw() * 4)
  const share = 0.05 + 0.15 * draw()
  if (kind === 0) return from.map((value) => Math.max(0, Math.min(255, value + Math.round(20 * (draw() - 0.5)))))
  if (kind === 1) return from.map((value) => Math.min(255, value + 12))
  if (kind === 2) return from.map((_, i) => from[i ^ 31]!)
  return from.map((value, i) => Math.round(value * (1 - share) + other[i]! * share))
}

/** By comparing all pairs: those that correlate, however one of the two is turned, and were candidates. */
function likePairs(images: readonly Picture[], threshold: number): (readonly [string, string])[] {
  const pairs: (readonly [string, string])[] = []
  for (const [i, a] of images.entries())
    for (const b of images.slice(0, i)) {
      const plain = patchOf(b.grey32)
      const isLike = VIEWS.some((view) => {
        const turned = patchOf(a.grey32, view)
        return turned && plain && correlation(turned, plain, threshold) >= threshold
      })
      if (isLike) pairs.push([a.digest, b.digest])
    }
  return pairs
}

const greysOf = (images: readonly Picture[]) => (digests: readonly string[]) => {
  const all = new Map(images.map(({ digest, grey32 }) => [digest, grey32]))
  return Promise.resolve(new Map(digests.map((digest) => [digest, all.get(digest)!])))
}

const PATIENCE_MS = 240_000

describe('splits', () => {
  it(
    'leak in none of 1,000 random sets, imported in two parts: no group is torn, and nothing goes from train to test',
    async () => {
      let grouped = 0
      let left = 0
      await fc.assert(
        fc.asyncProperty(
          fc.nat(),
          fc.nat(),
          fc.double({ min: 0.02, max: 0.5, noNaN: true }),
          async (seed, split, share) => {
            const halves = twoParts(seed + 1)
            const images = halves.flat()
            const rule = { heldOutShare: share, seed: split }
            let standing: (StandingSplit & Picture)[] = []
            for (const fresh of halves) {
              const { groupOf, joined } = await groupNearDuplicates(fresh, standing, {
                from: 0.98,
                greysOf: greysOf(images),
              })
              const before = new Map(standing.map((each) => [each.digest, each.split]))
              const moved = standing.map((each) => ({ ...each, group: joined.get(each.group) ?? each.group }))
              const placed = fresh.map((each) => ({ ...each, wish: null, group: groupOf.get(each.digest)! }))
              const { splitOfGroup, leftTest } = settleSplits(placed, moved, rule)
              standing = [...moved, ...placed].map((each) => ({ ...each, split: splitOfGroup.get(each.group)! }))
              left += leftTest.length
              for (const { digest, split } of standing) if (before.get(digest) === 'train') expect(split).toBe('train')
            }
            const sides = new Map<string, Set<string>>()
            for (const { group, split } of standing) sides.set(group, (sides.get(group) ?? new Set()).add(split))
            for (const each of sides.values()) expect(each.size).toBe(1)
            grouped += standing.length - sides.size
          },
        ),
        { numRuns: 1_000 },
      )
      expect(grouped).toBeGreaterThan(1_000)
      expect(left).toBeGreaterThan(20)
    },
    PATIENCE_MS,
  )

  it('keep together every pair that a comparison of all finds among candidates', async () => {
    let pairs = 0
    let torn = 0
    for (let seed = 1; seed <= 100; seed++) {
      const images = pictures(randomNumbers(seed), 24)
      const { groupOf, threshold } = await groupNearDuplicates(images, [], { from: 0.98, greysOf: greysOf(images) })
      expect(threshold).toBe(0.98)
      for (const [a, b] of likePairs(images, threshold)) {
        pairs++
        if (groupOf.get(a) !== groupOf.get(b)) torn++
      }
    }
    expect(pairs).toBeGreaterThan(200)
    // What the hash does not make a candidate is no pair; by this share of alike pixels it hardly ever does not.
    expect(torn / pairs).toBeLessThan(0.01)
  })
})

describe('the proof of a version', () => {
  const png = (grey32: Uint8Array): Promise<Buffer> =>
    sharp(grey32, { raw: { width: 32, height: 32, channels: 1 } })
      .png()
      .toBuffer()

  it('finds no leak in what an import made, and the one that a hand put there', async () => {
    const store = createMemoryStore()
    const copies = Array.from({ length: 20 }, (_, i) => grey(i + 1).map((value) => Math.min(255, value + 10)))
    const images = await Promise.all(
      [...copies, ...copies.map((_, i) => grey(i + 1))].map(async (grey32, i) => ({
        name: `${i}.png`,
        bytes: await png(grey32),
      })),
    )
    const version = await addImages(store, 'things', images, { by: 'ada' })
    const proof = await verifySplits(store, version)
    expect(proof).toMatchObject({ images: version.images, threshold: 0.98, leaks: [], tornGroups: [] })

    const reader = await openVersion(store, version)
    const groupOf = new Map((await reader.facts()).map(({ digest, group }) => [digest, group]))
    const heldOut = (await reader.labels()).filter(({ split }) => split === 'test')
    const torn = heldOut.find(({ digest }) => groupOf.get(digest) !== digest)!
    const labels = [{ ...torn, split: 'train' as const }]
    const { version: leaking } = await commitChange(store, version, { labels }, { by: 'mallory', note: 'a leak' })
    const found = await verifySplits(store, leaking)
    expect(found.tornGroups).toEqual([groupOf.get(torn.digest)])
    expect(found.leaks.map(({ train }) => train)).toContain(torn.digest)
  })

  it('holds for two imports at once, each with look-alikes of the other', async () => {
    const store = createMemoryStore()
    const named = (greys: readonly Uint8Array[], from: string) =>
      Promise.all(greys.map(async (grey32, i) => ({ name: `${from}-${i}.png`, bytes: await png(grey32) })))
    const originals = Array.from({ length: 20 }, (_, i) => grey(i + 1))
    const copies = originals.map((grey32) => grey32.map((value) => Math.min(255, value + 10)))
    await Promise.all([
      addImages(store, 'things', await named(originals, 'original'), { by: 'ada' }),
      addImages(store, 'things', await named(copies, 'copy'), { by: 'grace' }),
    ])
    const latest = await resolveVersion(store, 'things')
    expect(latest.images).toBe(40)
    expect(await verifySplits(store, latest)).toMatchObject({ threshold: 0.98, leaks: [], tornGroups: [] })
    const groups = new Set((await (await openVersion(store, latest)).facts()).map(({ group }) => group))
    expect(groups.size).toBe(20)
  })
})
