/**
 * What models said before a session: never a label, but a place to begin. Where there is such a word, people first see it
 * put to the test, in grids of the class that was suggested, in place of clusters without a proposal.
 */

import type { ClusterMembers } from './explore.ts'
import type { Group } from './grids.ts'
import { GRID } from './rounds.ts'

/**
 * @param suggested - class of each image, −1 for none, [n].
 * @param isFree - whether an image may be shown.
 * @returns by class, a grid of images that were suggested for it: the most typical of each cluster first.
 */
export function suggestedGroups(
  suggested: Int32Array,
  clusters: ClusterMembers,
  isFree: (image: number) => boolean,
): Map<number, Group> {
  const groups = new Map<number, Group>()
  for (const image of byTurns(clusters, clusters.keys())) {
    const name = suggested[image]!
    if (name < 0 || !isFree(image)) continue
    const group = groups.get(name) ?? { images: [], gold: [] }
    if (group.images.length === GRID) continue
    group.images.push(image)
    groups.set(name, group)
  }
  return groups
}

/** The first image of each cluster in the order given, then the second of each, and so on. */
export function byTurns(clusters: ClusterMembers, order: Iterable<number>): number[] {
  const once = [...new Set(order)]
  const longest = clusters.reduce((most, own) => Math.max(most, own.length), 0)
  const turns = Array.from({ length: longest }, (_, turn) => once.flatMap((cluster) => clusters[cluster]![turn] ?? []))
  return turns.flat()
}
