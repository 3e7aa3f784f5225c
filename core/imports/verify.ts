/**
 * Proves of a version that its splits do not leak: every image is decoded from its stored bytes, look-alikes are found
 * anew, and no pair of them lies on both sides. Nothing that the import wrote down is believed but splits and threshold.
 */
import path from 'node:path'
import { forEachInFlight, openVersion, readManifest, withScratch, type Split } from '#core/datasets'
import type { Progress } from '#core/execution'
import { inspectImage, perceptualHash } from '#core/images'
import type { DatasetVersion } from '#core/steps'
import type { ObjectStore } from '#core/storage'
import { forEachPair, NO_GROUPING } from './near-duplicates.ts'
import type { View } from './patches.ts'
import { Spool } from './spool.ts'

export interface Leak {
  /** Digests of the image to train on and the one held out. */
  readonly train: string
  readonly test: string
  readonly correlation: number
  readonly view: View | 'crop'
}

export interface SplitProof {
  readonly images: number
  readonly train: number
  readonly test: number
  /** The correlation from which a pair counts; null where nothing is grouped, and so nothing can be proven. */
  readonly threshold: number | null
  /** Candidates across the splits that were compared pixel by pixel. */
  readonly compared: number
  /** Pairs that count and lie across the splits, at most 1,000 of them; empty: there is none. */
  readonly leaks: readonly Leak[]
  /** Groups of the version that lie in both splits. */
  readonly tornGroups: readonly string[]
}

const MOST_LEAKS = 1_000
const IN_FLIGHT = 8
const GREY_BYTES = 32 * 32

export interface VerifyOptions {
  readonly signal?: AbortSignal
  readonly scratchDir?: string
  progress?(progress: Progress): void
}

/** @throws {PlatformError} `DATASET_NOT_FOUND`; `OBJECT_CORRUPT` where an image is not what its row says. */
export async function verifySplits(
  store: ObjectStore,
  version: Pick<DatasetVersion, 'dataset' | 'version'>,
  { signal, scratchDir, progress = () => undefined }: VerifyOptions = {},
): Promise<SplitProof> {
  return withScratch(async (directory) => {
    const { rules } = await readManifest(store, version.dataset, version.version)
    const reader = await openVersion(store, version)
    const labels = await reader.labels()
    const splits = new Map(labels.map(({ digest, split }) => [digest, split]))
    const counts = { images: labels.length, train: 0, test: 0 }
    for (const { split } of labels) counts[split]++
    const tornGroups = tornGroupsOf(await reader.facts(), splits)
    const base = { ...counts, tornGroups, compared: 0, leaks: [] }
    if (rules.threshold >= NO_GROUPING) return { ...base, threshold: null }
    const greys = new Spool(path.join(directory, 'greys'))
    try {
      const seen: Seen[] = []
      await forEachInFlight(reader.images(), { pieces: IN_FLIGHT }, async ({ digest, bytes }) => {
        signal?.throwIfAborted()
        const { grey32 } = await inspectImage(bytes)
        seen.push({ digest, look: perceptualHash(grey32), place: greys.append(grey32) })
        if (seen.length % 1_000 === 0) progress({ done: seen.length, total: labels.length, unit: 'images' })
      })
      return {
        ...base,
        ...(await leaksAmong(seen, splits, greys, rules.threshold, signal)),
        threshold: rules.threshold,
      }
    } finally {
      greys.close()
    }
  }, scratchDir)
}

interface Seen {
  readonly digest: string
  readonly look: string
  /** In the spool. */
  readonly place: number
}

async function leaksAmong(
  seen: readonly Seen[],
  splits: ReadonlyMap<string, Split>,
  greys: Spool,
  threshold: number,
  signal: AbortSignal | undefined,
): Promise<Pick<SplitProof, 'compared' | 'leaks'>> {
  const images = [...seen].sort((a, b) => (a.digest < b.digest ? -1 : 1))
  const places = new Map(images.map(({ digest, place }) => [digest, place]))
  const splitOf = (number: number): Split => splits.get(images[number]!.digest)!
  const leaks: Leak[] = []
  let compared = 0
  const looks = {
    firstFresh: 0,
    count: images.length,
    digest: (number: number) => images[number]!.digest,
    look: (number: number) => images[number]!.look,
    isLarge: () => false,
  }
  const search = {
    greysOf: async (digests: readonly string[]) => {
      signal?.throwIfAborted()
      return new Map(digests.map((digest) => [digest, greys.read(places.get(digest)!, GREY_BYTES)]))
    },
    least: () => threshold,
    isSettled: (one: number, other: number) => splitOf(one) === splitOf(other) || (compared++, false),
  }
  await forEachPair(looks, search, ({ one, other, view, r }) => {
    const [train, test] = splitOf(one) === 'train' ? [one, other] : [other, one]
    if (leaks.length < MOST_LEAKS)
      leaks.push({ train: looks.digest(train), test: looks.digest(test), correlation: r, view })
  })
  return { compared, leaks }
}

function tornGroupsOf(
  facts: readonly { readonly digest: string; readonly group: string }[],
  splits: ReadonlyMap<string, Split>,
): string[] {
  const splitOfGroup = new Map<string, Split>()
  const torn = new Set<string>()
  for (const { digest, group } of facts) {
    const split = splits.get(digest)!
    if ((splitOfGroup.get(group) ?? split) !== split) torn.add(group)
    splitOfGroup.set(group, split)
  }
  return [...torn].sort()
}
