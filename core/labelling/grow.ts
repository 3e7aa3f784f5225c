/**
 * Growing by galloping bisection, as in MorphoCluster (Schröder et al., Sensors 2020): images are ranked, the likeliest
 * first, and cut into pages. One clean page vouches for all before it, and the next one lies twice as far out; from the
 * first page that is not clean the search goes back, until the last clean page is known. About 2·log₂(pages) screens.
 */

import { GRID } from './rounds.ts'

/** A page of a run that people judged. */
export interface GrowPage {
  /** From 0. */
  readonly page: number
  readonly clean: boolean
}

/** Whether a page of a run is clean: it has no more misfits than the target lets pass. */
export function isClean(images: number, misfits: number, target: number): boolean {
  return misfits <= Math.floor((1 - target) * images + 1e-9)
}

/**
 * @param judged - in the order in which they were judged.
 * @param pages - of the whole run.
 * @returns the page to show next; null when the boundary is known.
 */
export function nextPage(judged: readonly GrowPage[], pages: number): number | null {
  const { lastClean, firstBad } = boundsOf(judged, pages)
  if (firstBad - lastClean <= 1) return null
  if (firstBad === pages) return Math.min(pages - 1, 2 * lastClean + 2)
  // Near the last clean page after a bad one, for pages get worse and worse.
  const wide = judged.at(-1)!.clean ? 2 : 4
  return lastClean + Math.max(1, Math.floor((firstBad - lastClean) / wide))
}

/** Pages, from the first on, that the clean ones vouch for. */
export function pagesVouched(judged: readonly GrowPage[], pages: number): number {
  return boundsOf(judged, pages).lastClean + 1
}

function boundsOf(judged: readonly GrowPage[], pages: number): { lastClean: number; firstBad: number } {
  const firstBad = Math.min(pages, ...judged.filter(({ clean }) => !clean).map(({ page }) => page))
  const clean = judged.filter((one) => one.clean && one.page < firstBad)
  return { lastClean: Math.max(-1, ...clean.map(({ page }) => page)), firstBad }
}

/** The images of a page, and those before it. */
export function pageOf(ranked: readonly number[], page: number): { readonly own: number[]; readonly before: number[] } {
  return { own: ranked.slice(page * GRID, (page + 1) * GRID), before: ranked.slice(0, page * GRID) }
}

export function pageCount(ranked: readonly number[]): number {
  return Math.ceil(ranked.length / GRID)
}
