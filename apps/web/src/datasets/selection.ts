/** Which images an action is for: those that were marked one by one, or all that fit the query, however many. */

export type Selection = { readonly all: true } | { readonly all: false; readonly digests: ReadonlySet<string> }

export const NOTHING: Selection = { all: false, digests: new Set() }
/** Images that are marked travel with the action; more than this many are said by a query. */
export const MARKED_AT_MOST = 100_000
/** Images between two that a hand marks at once: each has to be asked for. */
export const SPAN_AT_MOST = 10_000

export const isSelected = (selection: Selection, digest: string): boolean =>
  selection.all || selection.digests.has(digest)

export const sizeOf = (selection: Selection, total: number): number => (selection.all ? total : selection.digests.size)

/** Marks an image or takes the mark away; where all were meant, from now on it is this one alone. */
export function toggled(selection: Selection, digest: string): Selection {
  if (selection.all) return { all: false, digests: new Set([digest]) }
  const digests = new Set(selection.digests)
  if (!digests.delete(digest)) digests.add(digest)
  return { all: false, digests }
}

export function extended(selection: Selection, digests: Iterable<string>): Selection {
  const marked = new Set(selection.all ? [] : selection.digests)
  for (const digest of digests) if (marked.size < MARKED_AT_MOST) marked.add(digest)
  return { all: false, digests: marked }
}
