/** Random draws that anybody can repeat: images in the order of a hash of their digest and a key. */

import { createHash } from 'node:crypto'

/**
 * @returns indices of `digests` in an order that is random for every key and always the same for one.
 */
export function drawOrder(digests: readonly string[], key: string): number[] {
  const ranks = digests.map((digest) => createHash('sha256').update(`${key}:${digest}`).digest('hex'))
  return digests
    .map((_, index) => index)
    .sort((a, b) => (ranks[a]! < ranks[b]! ? -1 : ranks[a]! > ranks[b]! ? 1 : a - b))
}

/** SHA-256 of `digest class` lines in ascending order of digest: the name of a frozen set of labels. */
export function freezeDigest(labels: Iterable<readonly [digest: string, label: string]>): string {
  const hash = createHash('sha256')
  for (const [digest, label] of labels) hash.update(`${digest} ${label}\n`)
  return hash.digest('hex')
}
