/**
 * Clusters as people have found them: a large one that proves mixed falls into halves, again and again, and one that
 * proves pure is worth growing. Clusters that fit on two screens stay whole: the model sorts them out for less.
 */

import type { Matrix } from '#core/inference'
import type { ClusterMembers } from './explore.ts'
import { isPure, splitInTwo } from './purity.ts'
import { GRID } from './rounds.ts'

export interface Unit {
  /** `12`, or `12.0.1` for a part of it. */
  readonly key: string
  /** The most typical first. */
  readonly members: readonly number[]
  /** Of them: images that people gave a class, and those not of the commonest class. */
  readonly judged: number
  readonly misfits: number
  /** The commonest class; −1 before any. */
  readonly class: number
  readonly pure: boolean
}

/** Clusters of fewer images are left as they are. */
const LARGE = 2 * GRID
/** Images that somebody judged before a cluster is called mixed. */
const ENOUGH = 12

export class LargeClusters {
  /** Halves by the key of what they are halves of. They depend on nothing that people say. */
  private readonly halves = new Map<string, readonly [number[], number[]]>()

  constructor(
    private readonly clusters: ClusterMembers,
    private readonly coordinates: Matrix,
  ) {}

  /** The large clusters, split where people found them mixed, in the order of their keys. */
  units(labels: Int32Array): Unit[] {
    return this.clusters.flatMap((members, cluster) =>
      members.length < LARGE ? [] : this.partsOf(String(cluster), members, labels),
    )
  }

  private partsOf(key: string, members: readonly number[], labels: Int32Array): Unit[] {
    const unit = unitOf(key, members, labels)
    const isMixed = unit.judged >= ENOUGH && unit.misfits > 0 && !unit.pure
    if (!isMixed || members.length < 2 * LARGE) return [unit]
    const halves = this.halves.get(key) ?? splitInTwo(members, this.coordinates)
    this.halves.set(key, halves)
    if (halves[1].length === 0) return [unit]
    return halves.flatMap((half, i) => this.partsOf(`${key}.${i}`, half, labels))
  }
}

function unitOf(key: string, members: readonly number[], labels: Int32Array): Unit {
  const counts = new Map<number, number>()
  for (const image of members)
    if (labels[image]! >= 0) counts.set(labels[image]!, (counts.get(labels[image]!) ?? 0) + 1)
  const judged = [...counts.values()].reduce((sum, count) => sum + count, 0)
  const [commonest, most] = [...counts].sort(([a, n], [b, m]) => m - n || a - b)[0] ?? [-1, 0]
  return { key, members, judged, misfits: judged - most, class: commonest, pure: isPure(judged, judged - most) }
}
