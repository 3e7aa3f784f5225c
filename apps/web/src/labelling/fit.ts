/** How many columns, and how large the images, so that a screen fills its place without scrolling. */
import { COLUMN_KEYS } from './keys.ts'

export interface Fit {
  readonly columns: number
  /** Side of one square cell in pixels. */
  readonly cell: number
}

/** Below this an image cannot be judged: the page scrolls instead. */
const SMALLEST = 76
const LARGEST = 200

/** The grid of at most ten columns (one digit each) whose cells are largest. */
export function fit(images: number, width: number, height: number): Fit {
  let best: Fit = { columns: 1, cell: 0 }
  for (let columns = 1; columns <= Math.min(COLUMN_KEYS.length, Math.max(1, images)); columns++) {
    const cell = Math.floor(Math.min(width / columns, height / Math.ceil(images / columns), LARGEST))
    if (cell > best.cell) best = { columns, cell }
  }
  if (best.cell >= SMALLEST || width <= 0) return best
  const columns = Math.max(1, Math.min(COLUMN_KEYS.length, Math.floor(width / SMALLEST)))
  return { columns, cell: Math.floor(width / columns) }
}
