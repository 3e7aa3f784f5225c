/**
 * Scrolls through more than a browser can lay out. Browsers end at 17 to 33 million pixels; a grid of ten million images is
 * taller. The scroll bar then moves over a shorter rail: small moves go pixel by pixel, a drag of the bar goes proportionally,
 * and when the hand rests the bar is put where it belongs.
 */

/** Height that every browser can lay out. */
export const RAIL_LIMIT = 8_000_000

export interface Rail {
  /** Height of everything, in pixels. */
  readonly content: number
  /** Height of what is seen at once. */
  readonly view: number
}

export const railHeight = ({ content }: Rail): number => Math.min(content, RAIL_LIMIT)

const reach = ({ content, view }: Rail): number => Math.max(0, content - view)
const railReach = (rail: Rail): number => Math.max(0, railHeight(rail) - rail.view)

/** Where the content stands when the bar stands at `bar`, both in pixels from the top. */
export function contentAt(rail: Rail, bar: number): number {
  const [whole, short] = [reach(rail), railReach(rail)]
  return short === 0 ? 0 : whole === short ? bar : (bar / short) * whole
}

/** Where the bar belongs when the content stands at `at`. */
export function barAt(rail: Rail, at: number): number {
  const [whole, short] = [reach(rail), railReach(rail)]
  return whole === 0 ? 0 : whole === short ? at : (at / whole) * short
}

/** Where the content stands after the bar went from one place to another. */
export function moveContent(rail: Rail, at: number, from: number, to: number): number {
  const [whole, short] = [reach(rail), railReach(rail)]
  if (whole === short) return to
  if (to <= 0) return 0
  if (to >= short) return whole
  const isSmall = Math.abs(to - from) < 2 * rail.view
  return isSmall ? Math.max(0, Math.min(whole, at + to - from)) : contentAt(rail, to)
}
